"""Deletion and insertion against closed forms, a slow loop and the numbers of other software."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import references

import tfviz
from tfviz.errors import InvalidImagesError, TfvizError, TfvizWarning
from tfviz.results.metrics import deletion, insertion, shared_passes
from tfviz.results.metrics.measuring import remembering
from tfviz.results.metrics.measuring.blanks import blank

SIDE = 8
# Pixels in the middle, whose sum is the score.
REGION = np.zeros((SIDE, SIDE), bool)
REGION[2:6, 2:6] = True


def region_sum():
    """Return a network whose custom score is the mean of the first channel over the region."""
    model = keras.Sequential([keras.Input((SIDE, SIDE, 3)), keras.layers.Identity()])
    inside = tf.constant(REGION, tf.float32)
    return tfviz.trace(model, score=lambda x: tf.reduce_sum(x[..., 0] * inside, axis=(1, 2)) / tf.reduce_sum(inside))


def classifier(seed=0, shape=(SIDE, SIDE, 3), softmax=True):
    keras.utils.set_random_seed(seed)
    layers = [
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="softmax" if softmax else None),
    ]
    return keras.Sequential([keras.Input(shape), *layers])


@pytest.fixture(scope="module")
def model():
    return classifier()


def pictures(count=3, seed=0, shape=(SIDE, SIDE, 3)):
    return np.random.default_rng(seed).uniform(0, 1, (count, *shape)).astype(np.float32)


def some_maps(count=3, seed=1):
    return np.random.default_rng(seed).normal(size=(count, SIDE, SIDE))


def test_a_measurement_of_one_image_is_a_number(model):
    found = deletion(model, pictures(1), 0, some_maps(1))
    assert float(found) == found[0] == np.mean(found) and len(found) == 1
    with pytest.raises(ValueError, match="size 1"):
        float(deletion(model, pictures(2), 0, some_maps(2)))


def by_rank(inside):
    """Return a map whose highest values are those inside, each value once."""
    return (np.random.default_rng(0).permutation(inside.size).reshape(inside.shape) + inside * inside.size).astype(
        float
    )


def area(shares, curve):
    """The trapezoid rule."""
    steps = range(1, len(curve))
    return sum((shares[k] - shares[k - 1]) * (curve[k] + curve[k - 1]) / 2 for k in steps)


@pytest.mark.parametrize("inverted", [False, True])
def test_the_curves_of_a_network_that_sums_a_region(inverted):
    """Of an image of ones, the score is the share of the region that is left."""
    one_map = by_rank(REGION) * (-1 if inverted else 1)
    images = np.ones((1, SIDE, SIDE, 3), np.float32)
    removed = np.arange(SIDE * SIDE + 1)
    gone = np.clip(removed - (48 if inverted else 0), 0, 16) / 16
    down = deletion(region_sum(), images, None, one_map[np.newaxis], steps=64, fill=0, like="rise")
    up = insertion(region_sum(), images, None, one_map[np.newaxis], steps=64, start=0.0, like="rise")
    np.testing.assert_allclose(down.curves.scores[0], 1 - gone, atol=1e-6)
    np.testing.assert_allclose(up.curves.scores[0], gone, atol=1e-6)
    np.testing.assert_allclose(down.curves.shares, removed / 64)
    expected = 0.875 if inverted else 0.125  # a ramp over a quarter of the way
    assert float(down) == pytest.approx(expected, abs=1e-6)
    assert float(up) == pytest.approx(1 - expected, abs=1e-6)


def test_a_network_that_says_the_same_of_all():
    constant = keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), keras.layers.Flatten(), keras.layers.Dense(4, "softmax")]
    )
    constant.set_weights([np.zeros((192, 4)), np.zeros(4)])
    for metric in (deletion, insertion):
        np.testing.assert_allclose(metric(constant, pictures(), 1, some_maps()), 0.25, atol=1e-7)


def slow(model, image, target, one_map, first, last, steps):
    """Replace pixel by pixel, and run each image alone."""
    order = sorted(np.ndindex(SIDE, SIDE), key=lambda place: -one_map[place])
    shares, curve = [], []
    for step in range(steps + 1):
        changed = np.array(first, np.float32)
        count = round((step / steps) ** 2 * SIDE * SIDE)
        for place in order[:count]:
            changed[place] = last[place]
        shares.append(count / SIDE / SIDE)
        curve.append(float(model(changed[np.newaxis])[0, target]))
    return shares, curve


def test_equals_a_slow_loop(model):
    images, maps, targets = pictures(), some_maps(), [0, 2, 1]
    down = deletion(model, images, targets, maps, steps=5, batch_size=4)
    up = insertion(model, images, targets, maps, steps=5, start="mean")
    for row, (image, one_map, target) in enumerate(zip(images, maps, targets, strict=True)):
        mean = np.broadcast_to(image.mean((0, 1)), image.shape)
        curves = (
            slow(model, image, target, one_map, image, mean, 5),
            slow(model, image, target, one_map, mean, image, 5),
        )
        for found, (shares, curve) in zip((down, up), curves, strict=True):
            np.testing.assert_allclose(found.curves.scores[row], curve, atol=1e-6)
            np.testing.assert_allclose(found.curves.shares, shares)
            assert found[row] == pytest.approx(area(shares, curve), abs=1e-6)


def test_the_targets_are_the_predicted_classes_unless_they_are_given(model):
    images, maps = pictures(), some_maps()
    predicted = model.predict(images, verbose=0).argmax(1)
    np.testing.assert_array_equal(deletion(model, images, None, maps), deletion(model, images, predicted, maps))
    assert (deletion(model, images, (predicted + 1) % 3, maps).values != deletion(model, images, None, maps)).all()


def test_attributions_are_reduced_in_a_way_that_is_named(model):
    images, attributions = pictures(), np.random.default_rng(2).normal(size=(3, SIDE, SIDE, 3))
    for how, maps in ((None, np.abs(attributions).max(-1)), ("sum", attributions.sum(-1))):
        found = deletion(model, images, 0, attributions, collapse=how)
        assert found.collapse == (how or "max_abs")
        np.testing.assert_allclose(found, deletion(model, images, 0, maps), atol=1e-6)
    assert deletion(model, images, 0, maps).collapse is None


@pytest.mark.parametrize("value", [0.0, -2.5])
def test_a_constant_map_is_not_defined(model, value):
    maps = some_maps()
    maps[1] = value
    for metric in (deletion, insertion):
        with pytest.warns(TfvizWarning, match=rf"{metric.__name__} of image 1 is not defined \(NaN\): the map is the"):
            found = metric(model, pictures(), 0, maps)
        assert np.isnan(found[1]) and np.isfinite(found.values[[0, 2]]).all()
    with pytest.warns(TfvizWarning, match="deletion of image 0, 1, 2 is not defined"):
        assert np.isnan(deletion(model, pictures(), 0, np.zeros((3, SIDE, SIDE)))).all()


def test_equal_values_in_a_random_order_that_repeats():
    """A map of two values: in reading order, the lower half of a row would come after its upper half."""
    one_map = np.zeros((1, SIDE, SIDE))
    one_map[0, 0, 0] = 1
    score = region_sum()
    images = np.ones((1, SIDE, SIDE, 3), np.float32)
    drawn = deletion(score, images, None, one_map, steps=64, fill=0)
    # In reading order the first 18 pixels are outside of the region.
    as_they_lie = deletion(score, images, None, one_map, like="rise", steps=64)
    np.testing.assert_allclose(as_they_lie.curves.scores[0, :19], 1, atol=1e-6)
    assert np.interp(18 / 64, drawn.curves.shares, drawn.curves.scores[0]) < 0.95
    np.testing.assert_array_equal(drawn, deletion(score, images, None, one_map, steps=64, fill=0))
    # From the end, the last 18 pixels.
    from_the_end = deletion(score, images, None, one_map, like="xplique", steps=64)
    np.testing.assert_allclose(from_the_end.curves.scores[0, :19], 1, atol=1e-6)
    assert (
        from_the_end.curves.scores[0, 20] < 1 and as_they_lie.curves.scores[0, 30] != from_the_end.curves.scores[0, 30]
    )


@pytest.mark.parametrize("steps, shares", [(1, [0, 1]), (3, [0, 21 / 64, 43 / 64, 1]), (64, np.arange(65) / 64)])
def test_steps(model, steps, shares):
    found = deletion(model, pictures(1), 0, some_maps(1), steps=steps, like="rise")
    np.testing.assert_allclose(found.curves.shares, shares)
    assert found.options["steps"] == steps and found.curves.scores.shape == (1, steps + 1)
    # Growing steps of less than a pixel are left out.
    growing = deletion(model, pictures(1), 0, some_maps(1), steps=steps)
    wanted = sorted({round(64 * (step / steps) ** 2) for step in range(steps + 1)})
    np.testing.assert_allclose(growing.curves.shares, np.array(wanted) / 64)
    down = deletion(model, pictures(1), 0, some_maps(1), steps=steps, like="xplique")
    np.testing.assert_allclose(down.curves.shares, np.floor(np.linspace(0, 64, steps + 1)) / 64)


def test_the_options_are_part_of_the_result(model):
    found = insertion(model, pictures(1), 0, some_maps(1))
    assert found.metric == "insertion" and found.curves.scores.shape == (1, 16)
    assert found.options == {"like": "tfviz", "steps": 16, "spacing": "growing", "ties": "random", "start": "blur"}
    found = deletion(model, pictures(1), 0, some_maps(1), like="rise", fill="blur")
    assert found.options["steps"] is None and found.options["fill"] == "blur"
    assert found.curves.scores.shape == (1, SIDE + 1)


def test_each_fill():
    """The last image of deletion is the fill; the score is the first channel's mean over the region."""
    images = pictures(2)
    image = images[0, ..., 0]
    whole = images.min((1, 2, 3))[:, None, None] + images.max((1, 2, 3))[:, None, None] - images[..., 0]
    expected = {
        0.5: [0.5, 0.5],
        "mean": images[..., 0].mean((1, 2)),
        "lowest": images.min((1, 2, 3)),
        "turned": whole[:, REGION].mean(1),
    }
    for fill, last in expected.items():
        found = deletion(region_sum(), images, None, some_maps(2), fill=fill)
        np.testing.assert_allclose(found.curves.scores[:, -1], last, atol=1e-6)
        np.testing.assert_allclose(found.curves.scores[0, 0], image[REGION].mean(), atol=1e-6)
    blurred = deletion(region_sum(), images, None, some_maps(2), fill="blur").curves.scores[:, -1]
    assert (abs(blurred - images[:, REGION, 0].mean(1)) < 0.2).all() and (blurred != expected["mean"]).all()


def test_the_blur_is_a_gaussian_of_a_sixteenth_of_the_shorter_side():
    """With the border mirrored, as the sum over all pixels shows, which it keeps."""
    image = np.zeros((64, 96, 1), np.float32)
    image[30, 50] = 1
    blurred = blank(image, "blur")[..., 0]
    rows, columns = np.mgrid[:64, :96]
    np.testing.assert_allclose(blurred.sum(), 1, atol=1e-5)
    variance = (blurred * (rows - 30) ** 2).sum(), (blurred * (columns - 50) ** 2).sum()
    np.testing.assert_allclose(variance, 16, rtol=0.01)
    np.testing.assert_allclose(blank(np.ones((5, 4, 3), np.float32), "blur"), 1, atol=1e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"like": "rice"}, r"there is no definition \(like\) 'rice'; did you mean 'rise'\? there are: tfviz, rise, xp"),
        ({"steps": 0}, "steps is 0, expected an integer of at least 1"),
        ({"steps": True}, "steps is True, expected an integer"),
        ({"steps": 2.0}, "steps is 2.0, expected an integer"),
        ({"fill": "gray"}, "there is no fill 'gray'; there are: mean, lowest, blur, blur_of_rise, turned"),
        ({"fill": float("nan")}, "fill is nan, expected a number or one of mean, "),
        ({"fill": [0, 0, 0]}, r"fill is \[0, 0, 0\], expected a number"),
        ({"collapse": "avg"}, "there is no reduction 'avg'"),
    ],
)
def test_bad_options(model, options, message):
    with pytest.raises(TfvizError, match=message):
        deletion(model, pictures(), 0, np.zeros((3, SIDE, SIDE, 3)), **options)


def test_bad_start(model):
    with pytest.raises(TfvizError, match="there is no start 'grey'"):
        insertion(model, pictures(), 0, some_maps(), start="grey")


@pytest.mark.parametrize("shape", [(2, SIDE, SIDE), (SIDE, SIDE), (3, SIDE, SIDE - 1), (3, SIDE, SIDE - 1, 3)])
def test_maps_that_do_not_fit(model, shape):
    with pytest.raises(InvalidImagesError, match=r"expected one map \(8, 8\) for each of 3 images, got \(\d"):
        deletion(model, pictures(), 0, np.zeros(shape))


def test_a_network_of_raw_outputs_is_measured_by_their_softmax():
    raw, named = classifier(softmax=False), classifier()
    named.set_weights(raw.get_weights())
    with pytest.warns(TfvizWarning, match="softmax"):
        found = deletion(raw, pictures(), 0, some_maps())
    np.testing.assert_allclose(found, deletion(named, pictures(), 0, some_maps()), atol=1e-6)


def test_a_saved_model_gives_the_same(model, tmp_path):
    model.export(str(tmp_path / "saved"), verbose=False)
    images, maps = pictures(), some_maps()
    for metric in (deletion, insertion):
        saved = metric(tfviz.trace(str(tmp_path / "saved")), images, None, maps)
        np.testing.assert_allclose(saved, metric(model, images, None, maps), atol=1e-6)


def test_a_network_with_its_channels_first(model):
    """The same network behind a transposition; images and attributions as it takes them."""
    image = keras.Input((3, SIDE, SIDE))
    first = keras.Model(image, model(keras.layers.Permute((2, 3, 1))(image)))
    images, attributions = pictures(), np.random.default_rng(2).normal(size=(3, SIDE, SIDE, 3))
    network = tfviz.trace(first, data_format="channels_first")
    for metric in (deletion, insertion):
        found = metric(network, images.transpose(0, 3, 1, 2), 0, attributions.transpose(0, 3, 1, 2), collapse="sum")
        np.testing.assert_allclose(found, metric(model, images, 0, attributions, collapse="sum"), atol=1e-6)


def test_a_network_with_several_inputs():
    """The other input stays as it is given with each image."""
    image, factor = keras.Input((SIDE, SIDE, 3), name="image"), keras.Input((1,), name="factor")
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(image)) * factor
    model = keras.Model([image, factor], keras.layers.Softmax()(logits))
    images, factors, maps = pictures(), np.array([[0.0], [1], [2]], np.float32), some_maps()
    network = tfviz.trace(model)
    with shared_passes():
        found = deletion(network, {"image": images, "factor": factors}, 1, maps, steps=4)
    np.testing.assert_allclose(found.curves.scores[0], 1 / 3, atol=1e-6)
    for row in range(3):
        mean = np.broadcast_to(images[row].mean((0, 1)), images[row].shape)
        for step, changed in ((0, images[row]), (-1, mean)):
            expected = model([changed[np.newaxis], factors[row : row + 1]])[0, 1]
            assert found.curves.scores[row, step] == pytest.approx(float(expected), abs=1e-6)


def test_rise_as_its_authors_measure():
    arrays = references.load("rise")
    network = references.linear(arrays)
    for metric in (deletion, insertion):
        found = metric(network, arrays["images"], arrays["classes"], arrays["maps"], like="rise")
        np.testing.assert_allclose(found.curves.scores, arrays[f"{metric.__name__}_curves"], atol=1e-6)
        np.testing.assert_allclose(found, arrays[metric.__name__], atol=1e-6)
    blurred = blank(arrays["images"][0], "blur_of_rise")
    np.testing.assert_allclose(blurred, arrays["blurred"][0], atol=1e-6)


@pytest.mark.parametrize("kind", ["", "_of_logits"])
def test_xplique(kind):
    """Its score is what the network returns; here logits by a custom score."""
    arrays = references.load("xplique")
    score = {"score": lambda logits: logits[:, 0]} if kind else {}
    network, rows = tfviz.trace(references.linear(arrays, softmax=not kind), **score), slice(None)
    if kind:
        rows = arrays["targets"] == 0
    for metric in (deletion, insertion):
        targets = None if kind else arrays["targets"]
        found = metric(network, arrays["images"], targets, arrays["maps"], like="xplique")
        wanted = arrays[f"{metric.__name__}{kind}"], arrays[f"{metric.__name__}_curves{kind}"]
        np.testing.assert_allclose(found.values[rows], wanted[0][rows], atol=1e-6, rtol=1e-6)
        np.testing.assert_allclose(found.curves.scores[rows], wanted[1][rows], atol=3e-6)
        np.testing.assert_allclose(found.curves.shares, arrays["perturbed_pixels"] / 256)


def test_images_that_repeat_are_run_once(model):
    images, maps = pictures(), some_maps()
    alone = [deletion(model, images, 0, each, steps=4).values for each in (maps, -maps)]
    with shared_passes() as shared:
        found = [deletion(model, images, 0, each, steps=4).values for each in (maps, -maps)]
    # Of the second, the image and the one that is all mean are known.
    assert (shared.asked, shared.computed) == (30, 24)
    np.testing.assert_allclose(found, alone, atol=1e-6)
    with shared_passes() as shared:
        deletion(model, images, 0, maps, steps=4)
        insertion(model, images, 0, maps, steps=4, start="mean")
        deletion(classifier(seed=1), images, 0, maps, steps=4)  # another network shares nothing
    assert (shared.asked, shared.computed) == (45, 39)
    deletion(model, images, 0, maps, steps=4)
    assert shared.asked == 45


def test_the_same_image_twice_in_a_chunk_is_run_once(model):
    image = pictures(1)
    with shared_passes() as shared:
        found = deletion(model, np.concatenate([image, image]), 0, np.concatenate([some_maps(1)] * 2), steps=4)
    assert (shared.asked, shared.computed) == (10, 5)
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_what_is_remembered_is_bounded(model, monkeypatch):
    """The logits of three classes are 12 bytes an image; those used longest ago are forgotten."""
    images, maps = pictures(), some_maps()
    monkeypatch.setattr(remembering, "REMEMBERED", 12 * 15)
    with shared_passes() as shared:
        deletion(model, images, 0, maps, steps=4)
        assert shared.computed == 15
        deletion(model, images, 0, maps, steps=4)
        assert shared.computed == 15
        deletion(model, images[:1], 0, -maps[:1], steps=4)  # 3 new ones: of the first image's pass, 3 are forgotten
        deletion(model, images[:1], 0, maps[:1], steps=4)
    assert shared.asked == 40 and 18 < shared.computed <= 23 and shared._bytes == 12 * 15
