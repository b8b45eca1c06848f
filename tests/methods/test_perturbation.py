"""Occlusion and RISE against plain loops over patches and masks."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import distance, model_of, random_images
from support.slow import slow_resize
from support.thinning import by_day

import tfviz
from tfviz.errors import TfvizError
from tfviz.network.incremental import Incremental
from tfviz.network.passes import patches

IMAGES = random_images(2)
TARGETS = np.array([3, 1])


def probability(model, images):
    return model(np.float32(images)).numpy()[np.arange(len(images)), TARGETS]


def occluded_by_hand(model, images, patch, stride, fill):
    height, width = images.shape[1:3]
    total, count = np.zeros(images.shape[:3]), np.zeros((height, width))

    def starts(length):
        found = list(range(0, length - patch + 1, stride))
        return found if found[-1] == length - patch else [*found, length - patch]

    for top in starts(height):
        for left in starts(width):
            hidden = images.copy()
            hidden[:, top : top + patch, left : left + patch] = (
                images.mean(axis=(1, 2), keepdims=True) if fill == "mean" else fill
            )
            drop = probability(model, images) - probability(model, hidden)
            total[:, top : top + patch, left : left + patch] += drop[:, np.newaxis, np.newaxis]
            count[top : top + patch, left : left + patch] += 1
    return total / count


@pytest.mark.parametrize("patch, stride, fill", [(4, 2, "mean"), (5, 3, 0.7), (5, 4, "mean"), (16, 1, 0.0)])
@pytest.mark.parametrize("kind", by_day(["functional", "nested"], ["nested"]))
def test_occlusion(kind, patch, stride, fill):
    model = model_of(kind)
    ours = tfviz.occlusion(model, IMAGES, TARGETS, patch=patch, stride=stride, fill=fill)
    assert distance(ours, occluded_by_hand(model, IMAGES, patch, stride, fill)) < 1e-3


@pytest.mark.parametrize("shape", [pytest.param((28, 31, 3), marks=pytest.mark.slow), (15, 14, 3)])
def test_the_default_patch_is_a_seventh_of_the_shorter_side(shape):
    model = model_of("open_size")
    images = random_images(2, shape)
    side = min(shape[:2]) // 7
    ours = tfviz.occlusion(model, images, TARGETS)
    assert distance(ours, occluded_by_hand(model, images, side, max(1, side // 2), "mean")) < 1e-3


def convolutional(shape=(48, 40, 3), *, with_numbers: bool = False, gate: bool = False) -> keras.Model:
    """A network in which a patch changes a small part of each map, down to its head; by request with another input."""
    keras.utils.set_random_seed(3)
    image, numbers = keras.Input(shape, name="image"), keras.Input((8,), name="numbers")
    x = image
    for filters, stride in ((8, 1), (8, 2), (12, 1), (12, 1)):
        before = x
        x = keras.layers.Conv2D(filters, 3, strides=stride, padding="same", activation="relu")(x)
        x = keras.layers.add([x, before]) if x.shape == before.shape else x
    if gate:
        x = x * keras.layers.Dense(x.shape[-1], "sigmoid")(keras.ops.mean(x, axis=(1, 2), keepdims=True))
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(x))
    x = keras.layers.concatenate([x, numbers]) if with_numbers else x
    inputs = [image, numbers] if with_numbers else image
    return keras.Model(
        inputs,
        keras.layers.Dense(5, activation="softmax", kernel_initializer=keras.initializers.RandomNormal(stddev=0.1))(x),
    )


def on_windows(monkeypatch) -> list[float]:
    """Return a list that fills with the share of the work that is left, of every network that runs on windows."""
    shares = []

    def run(plan, tensors, count):
        shares.append(plan.share)
        return Incremental(plan, tensors, count)

    monkeypatch.setattr(patches, "Incremental", run)
    return shares


@pytest.mark.parametrize(
    "kind", by_day(["live", "saved", "with_numbers", "gate", "export"], ["saved", "with_numbers", "export"])
)
def test_windows_find_what_whole_images_do(kind, tmp_path, monkeypatch):
    """Patches at the borders, and a last row of places that overlaps the one before; batches of several sizes."""
    model, options = convolutional(with_numbers=kind == "with_numbers", gate=kind == "gate"), {"patch": 7, "stride": 5}
    images = given = random_images(3, (48, 40, 3))
    if kind == "with_numbers":
        given = {"image": images, "numbers": np.random.default_rng(0).normal(0, 2, (3, 8)).astype(np.float32)}
    if kind == "saved":
        model.export(tmp_path / "saved", verbose=False)
        model = tmp_path / "saved"
    shares = on_windows(monkeypatch)
    whole = tfviz.occlusion(tfviz.trace(model, fast=False), given, **options)
    assert not shares
    if kind == "export":
        tfviz.export(model, tmp_path / "exported", methods=["occlusion"], options={"occlusion": options})
        signature = tf.saved_model.load(tmp_path / "exported").signatures["occlusion"]
        found = signature(images=tf.constant(images), targets=tf.constant([-1, -1, -1]))["maps"].numpy()
    else:
        found = tfviz.occlusion(model, given, batch_size=2, **options)
    assert len(shares) >= 1 and max(shares) < (0.8 if kind == "gate" else 0.5)
    # The difference of two probabilities below 1, each off by a few roundings.
    np.testing.assert_allclose(found, whole, rtol=0, atol=4e-7)
    assert np.abs(whole).max() > 0.03


def test_windows_of_several_targets_of_an_image(monkeypatch):
    model, images, shares = convolutional(), random_images(3, (48, 40, 3)), on_windows(monkeypatch)
    about = {"methods": "occlusion", "top": 3, "options": {"occlusion": {"patch": 7, "stride": 7}}}
    found, whole = (tfviz.explain(tfviz.trace(model, fast=fast), images, **about) for fast in (True, False))
    assert len(shares) >= 1 and len(found["occlusion"]) == 9
    np.testing.assert_allclose(found["occlusion"], whole["occlusion"], rtol=0, atol=4e-7)


def test_windows_are_for_what_they_make_faster(monkeypatch):
    """Not for large patches, images of any size, XLA, a reduced precision, or a network that looks around."""
    shares, images = on_windows(monkeypatch), random_images(1, (48, 40, 3))
    tfviz.occlusion(convolutional(), images, patch=40)
    tfviz.occlusion(model_of("open_size"), random_images(1, (28, 31, 3)))
    tfviz.occlusion(tfviz.trace(convolutional(), jit_compile=True), images, patch=7, stride=7)
    tfviz.occlusion(tfviz.trace(convolutional(), precision="bfloat16"), images, patch=7, stride=7)
    around = keras.Sequential(
        [keras.Input((48, 40, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2, "softmax")]
    )
    tfviz.occlusion(around, images, patch=7)
    assert not shares


def test_a_network_that_looks_at_one_corner():
    image = keras.Input((16, 16, 3))
    corner = keras.layers.Cropping2D(((0, 12), (12, 0)))(image)
    x = keras.layers.GlobalAveragePooling2D()(corner)
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax", name="scores")(x))
    model.get_layer("scores").kernel.assign(np.float32([[0.5, -0.5]] * 3))
    images = np.full((1, 16, 16, 3), 0.2, np.float32)
    images[:, :4, 12:] = 1
    inside = np.zeros((16, 16), bool)
    inside[:4, 12:] = True
    found = tfviz.occlusion(model, images, 0, patch=4, stride=4)[0]
    assert (found[inside] > 0.1).all() and not found[~inside].any()
    found = tfviz.rise(model, images, 0, masks=3000, cell_size=4)[0]
    assert inside[np.unravel_index(found.argmax(), found.shape)]
    assert found[inside].mean() > found[~inside].mean() + 0.02


def masks_by_hand(count, size, cell, probability, seed):
    """A grid that is one cell larger than the image, enlarged, and cut out at a random place."""
    cells = [-(-side // cell) for side in size]
    for number in range(count):
        drawn = tf.random.stateless_uniform([each + 1 for each in cells], [seed, 2 * number]).numpy()
        large = slow_resize((drawn < probability).astype(float), *((each + 1) * cell for each in cells))
        top, left = tf.random.stateless_uniform([2], [seed, 2 * number + 1], 0, cell, tf.int32).numpy()
        yield large[top : top + size[0], left : left + size[1]]


@pytest.mark.parametrize("cell, share, seed", [(4, 0.5, 0), (5, 0.3, 3)])
def test_rise(cell, share, seed):
    model = model_of("functional")
    total = np.zeros(IMAGES.shape[:3])
    for mask in masks_by_hand(6, (16, 16), cell, share, seed):
        found = probability(model, IMAGES * mask[..., np.newaxis])
        total += found[:, np.newaxis, np.newaxis] * mask
    ours = tfviz.rise(model, IMAGES, TARGETS, masks=6, cell_size=cell, probability=share, seed=seed)
    assert distance(ours, total / 6 / share) < 1e-4


def test_the_share_of_the_grain_in_rise_is_that_of_the_masks_alone():
    """The map is split into what constant probabilities would give and the rest, with the masks made by hand."""
    model, masks = model_of("functional"), np.stack(list(masks_by_hand(6, (16, 16), 4, 0.5, 0)))
    found = np.stack([probability(model, IMAGES * mask[..., np.newaxis]) for mask in masks], axis=1)
    map_, grain = np.einsum("nk,khw->nhw", found, masks), np.einsum("n,hw->nhw", found.mean(axis=1), masks.sum(axis=0))
    expected = [a.var() / (a.var() + b.var()) for a, b in zip(grain, map_ - grain, strict=True)]
    with pytest.warns(
        tfviz.TfvizWarning, match=r"rise of image 0, 1 is mostly the grain of its random masks \(up to 93%"
    ):
        explained = tfviz.explain(
            model, IMAGES, TARGETS, methods="rise", options={"rise": {"masks": 6, "cell_size": 4}}
        )
    np.testing.assert_allclose(explained.diagnostics["rise"]["grain"], expected, rtol=1e-4)


def test_a_network_that_does_not_look_has_nothing_but_grain():
    """The map of a constant probability has as much contrast as any, and no sense."""
    model = model_of("functional")
    blind = tfviz.trace(model, score=lambda outputs: 0 * outputs[:, 0] + 0.7)
    with pytest.warns(tfviz.TfvizWarning, match=r"rise of image 0, 1 is nothing but the grain of its random masks"):
        assert np.ptp(tfviz.rise(blind, IMAGES, masks=50)) > 0.1


@pytest.mark.parametrize("changed", [3e-7, 3e-6])
def test_changes_below_rounding_are_no_map(changed):
    """A score of 1 that falls by less than float32 resolves behind a network is not shown as if it meant something."""
    image = keras.Input((16, 16, 1))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    network = tfviz.trace(model, score=lambda outputs: 1 + 4 * changed * outputs[:, 0])
    quarter = np.zeros((1, 16, 16, 1), np.float32)
    quarter[:, :8, 8:] = 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = tfviz.explain(network, quarter, methods="occlusion", options={"occlusion": {"patch": 8, "fill": 0}})
    assert found.diagnostics["occlusion"]["rounding"][0] == pytest.approx(1e-6 / changed, rel=0.3)
    said = ["occlusion of image 0 shows nothing but rounding" in str(each.message) for each in caught]
    assert said == [True] * (changed < 1e-6)


def test_a_trained_network_has_little_grain():
    """On the samples of the embedded network no map is mostly grain, with a third of the default masks."""
    network = tfviz.demo.load_network()
    images = np.stack([keras.utils.img_to_array(keras.utils.load_img(path)) for path in tfviz.demo.sample_paths()])
    explained = tfviz.explain(network, images, methods="rise", options={"rise": {"masks": 300}})
    assert explained.warnings == () and (explained.diagnostics["rise"]["grain"] < 0.4).all()


def test_the_default_cell_is_a_seventh_of_the_shorter_side():
    model, images = model_of("open_size"), random_images(2, (22, 30, 3))
    ours = tfviz.rise(model, images, TARGETS, masks=4)
    np.testing.assert_array_equal(ours, tfviz.rise(model, images, TARGETS, masks=4, cell_size=3))
    assert not np.array_equal(ours, tfviz.rise(model, images, TARGETS, masks=4, cell_size=4))


def test_the_mean_of_masks_is_their_probability():
    """The axiom behind the weight: a network that always says 1 gets a map of ones."""
    image = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax", name="scores")(x))
    model.get_layer("scores").kernel.assign(np.zeros((3, 2), np.float32))
    found = 2 * tfviz.rise(model, IMAGES, 0, masks=3000, probability=0.4)
    assert abs(found - 1).max() < 0.1 and abs(found.mean() - 1) < 0.01


def test_a_custom_score_is_taken_as_it_is():
    model = model_of("functional")
    network = tfviz.trace(model, score=lambda outputs: 100 * outputs[:, 2])
    ours = tfviz.occlusion(network, IMAGES, patch=4)
    np.testing.assert_allclose(ours, 100 * tfviz.occlusion(model, IMAGES, 2, patch=4), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("occlusion", {"patch": 17}, "patch is 17, larger than the image of 16x16 pixels"),
        ("occlusion", {"patch": 0}, "patch is 0, expected an integer of at least 1"),
        ("occlusion", {"stride": 0}, "stride is 0, expected an integer of at least 1"),
        ("occlusion", {"patch": 3, "stride": 4}, "stride is 4, larger than the patch of 3 pixels"),
        ("occlusion", {"fill": "gray"}, "fill is 'gray', expected a number or 'mean'"),
        ("occlusion", {"fill": np.zeros(3)}, r"fill is array\(.*\), expected a number"),
        ("occlusion", {"fill": 1e300}, "fill is 1e.300, expected a number"),
        ("rise", {"masks": 0}, "masks is 0, expected an integer of at least 1"),
        ("rise", {"cell_size": 17}, "cell_size is 17, larger than the image of 16x16 pixels"),
        ("rise", {"probability": 0}, "probability is 0, expected a number above 0 and below 1"),
        ("rise", {"probability": 1.0}, "probability is 1.0, expected a number above 0 and below 1"),
        ("rise", {"seed": -1}, "seed is -1"),
    ],
)
def test_bad_options(name, options, message):
    with pytest.raises(TfvizError, match=message):
        getattr(tfviz, name)(model_of("functional"), IMAGES, **options)
