"""XRAI against sets of pixels that grow one by one, closed forms, and its sum."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module

import keras
import numpy as np
import pytest
from skimage.segmentation import felzenszwalb
from support.model_zoo import distance, linear, model_of, random_images

import tfviz
from tfviz import demo, progress
from tfviz.apps.records.example_explainer import ExampleExplainer, MethodChoice
from tfviz.errors import TfvizError, TfvizWarning
from tfviz.methods.engine.regions import find_regions, grow
from tfviz.model_options import ModelOptions
from tfviz.results import pointing_game

HEIGHT, WIDTH = 36, 28
EACH_PIXEL = {"scales": 1e-6, "smallest_segment": 0, "smallest_addition": 0, "dilation": 0}


def weighing(kernel):
    """A network whose one score is Σ w x, so that the attribution of a value is w (x − b)."""
    image = keras.Input(kernel.shape)
    model = keras.Model(image, keras.layers.Dense(1, use_bias=False, name="s")(keras.layers.Flatten()(image)))
    model.get_layer("s").kernel.assign(kernel.reshape(-1, 1))
    return tfviz.trace(model, score=lambda outputs: outputs[:, 0])


def patches(shape, seed=0):
    """A picture of coloured patches with noise, between -60 and 200."""
    generator = np.random.default_rng(seed)
    patch = generator.uniform(0, 1, (5, 4, shape[2]))
    rows, columns = (np.arange(size) * count // size for size, count in zip(shape, patch.shape[:2], strict=False))
    picture = 0.9 * patch[rows][:, columns] + generator.uniform(0, 0.1, shape)
    return (260 * picture - 60).astype(np.float32)


def segments_by_hand(image, scales, smallest, dilation):
    """The segments as sets of pixels, sizes as in a picture of 224x224, every distance looked at."""
    picture = (image - image.min()) / (image.max() - image.min())
    height, width = picture.shape[:2]
    larger = height * width / (224 * 224)
    everywhere = np.stack(np.mgrid[:height, :width], axis=-1).reshape(-1, 2)
    found = []
    for scale in scales:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of more than three channels
            labels = felzenszwalb(picture, scale * larger, sigma=0.8, min_size=round(smallest * larger))
        for label in np.unique(labels):
            squares = ((everywhere[:, np.newaxis] - np.argwhere(labels == label)) ** 2).sum(axis=-1).min(axis=1)
            found.append({tuple(pixel) for pixel in everywhere[squares <= dilation**2 * larger].tolist()})
    return found


def grown_by_hand(attribution, segments, smallest):
    found, left = (
        np.full(attribution.shape, np.nan),
        {tuple(pixel) for pixel in np.argwhere(attribution == attribution)},
    )
    while rest := [segment & left for segment in segments if len(segment & left) >= max(smallest, 1)]:
        means = [np.mean([attribution[pixel] for pixel in segment]) for segment in rest]
        for pixel in rest[int(np.argmax(means))]:
            found[pixel] = max(means)
        left -= rest[int(np.argmax(means))]
    for pixel in left:
        found[pixel] = np.mean([attribution[each] for each in left])
    return found


@pytest.mark.parametrize(
    "channels, addition",
    [pytest.param(1, 0, marks=pytest.mark.slow), (3, 0), pytest.param(5, 0, marks=pytest.mark.slow), (3, 1000)],
)
def test_the_growth_of_sets(channels, addition):
    shape = (HEIGHT, WIDTH, channels)
    kernel = np.random.default_rng(1).normal(size=shape)
    image = patches(shape)
    options = {"scales": (300, 3000, 20000), "smallest_segment": 150, "dilation": 16}
    segments = segments_by_hand(image, *options.values())
    assert len(segments) > 20
    baseline = np.mean([image.min(axis=(0, 1)), image.max(axis=(0, 1))], axis=0)
    expected = grown_by_hand((kernel * (image - baseline)).sum(axis=-1), segments, addition * HEIGHT * WIDTH / 224**2)
    ours = tfviz.xrai(weighing(kernel), image, steps=1, smallest_addition=addition, **options)
    assert len(np.unique(expected)) > 10 and distance(ours[0], expected) < 1e-4


def test_each_pixel_alone_is_integrated_gradients():
    """With its baselines: the black and the white that the image itself has."""
    model, images = model_of("functional"), random_images(2)
    ours = tfviz.xrai(model, images, [3, 1], **EACH_PIXEL)
    expected = tfviz.integrated_gradients(model, images, [3, 1], baseline=["black", "white"]).sum(axis=-1)
    assert distance(ours, expected) < 1e-6


@pytest.mark.parametrize("size, wider", [(224, 5), (112, 2), (448, 10)])
def test_two_halves_in_closed_form(size, wider):
    """The brighter half joins first, with the columns beside it by which it is widened: five in 224."""
    image = np.full((size, size, 1), -3, np.float32)
    image[:, size // 2 :] = 5
    attribution = np.where(image[..., 0] > 0, 2.0, -1.0)
    regions = find_regions(image, (500,), 5000, 5)
    assert regions.shape[0] == 2
    share = size // 2 / (size // 2 + wider)
    expected = np.full((size, size), -1.0)
    expected[:, size // 2 - wider :] = 2 * share - (1 - share)
    np.testing.assert_allclose(grow(attribution.ravel(), regions, 50).reshape(size, size), expected, rtol=1e-12)


def test_the_regions_of_each_scale_cover_the_image_once():
    image = patches((64, 48, 3))
    alone = [find_regions(image, [scale], 20, 0) for scale in (50, 2000)]
    assert alone[0].shape[0] > alone[1].shape[0] > 1
    for regions in alone:
        np.testing.assert_array_equal(regions.sum(axis=0), 1)
    together = find_regions(image, [50, 2000], 20, 0)
    np.testing.assert_array_equal(together.todense(), np.concatenate([regions.todense() for regions in alone]))


def test_small_segments_are_joined():
    image = patches((64, 48, 3))
    sizes = [np.diff(find_regions(image, [50], smallest, 0).indptr).min() for smallest in (0, 1000)]
    assert sizes[0] < 1000 * 64 * 48 / 224**2 <= sizes[1]


def test_the_order_of_regions_does_not_matter():
    image, generator = patches((64, 48, 3)), np.random.default_rng(3)
    regions, attribution = find_regions(image, (50, 300, 2000), 20, 8), generator.normal(size=64 * 48)
    found = grow(attribution, regions, 10)
    for _ in range(3):
        mixed = regions[generator.permutation(regions.shape[0])]
        np.testing.assert_allclose(grow(attribution, mixed, 10), found, rtol=1e-9, atol=1e-12)


def test_the_map_sums_to_the_rise_of_the_score():
    """Many steps, and the sum of integrated gradients is told anew, no more."""
    network, images = tfviz.trace(model_of("functional")), random_images(3)
    found = tfviz.xrai(network, images, 3, baseline=0.2, steps=300, scales=[2e4, 5e4])
    assert max(len(np.unique(each)) for each in found) < 40
    rise = network.logits(images)[:, 3] - network.logits(np.full_like(images, 0.2))[:, 3]
    np.testing.assert_allclose(found.sum(axis=(1, 2)), rise, rtol=2e-3, atol=1e-4)
    inner = tfviz.integrated_gradients(network, images, 3, baseline=0.2, steps=300)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), inner.sum(axis=(1, 2, 3)), rtol=1e-4)


def test_how_bright_an_image_is_does_not_change_its_regions():
    image = np.round(patches((40, 40, 3)))
    expected = find_regions(image, (100, 1000), 20, 5)
    for other in (4 * image, image - 1024, image / 256):
        found = find_regions(other, (100, 1000), 20, 5)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_array_equal(found.indptr, expected.indptr)


def test_an_image_of_one_colour_is_one_region():
    kernel = np.random.default_rng(1).normal(size=(HEIGHT, WIDTH, 3)).astype(np.float32)
    ours = tfviz.xrai(weighing(kernel), np.full((HEIGHT, WIDTH, 3), 3.0), baseline="zeros", steps=1)
    np.testing.assert_allclose(ours, 3 * kernel.sum(axis=-1).mean(), rtol=1e-3)


@pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning")
def test_the_shape_is_found():
    network, pictures = tfviz.trace(demo.load_network()), demo.generate(4, seed=11)
    maps = tfviz.xrai(network, pictures.images, pictures.labels, steps=10)
    assert np.mean(pointing_game(maps, pictures.masks)) == 1


def test_the_gap_is_returned_and_warned_about():
    images = np.random.default_rng(0).uniform(0, 1, (2, 4, 4, 3)).astype(np.float32)
    image = keras.Input((4, 4, 3))
    cubes = keras.layers.Lambda(lambda x: x**3)(image)
    model = keras.Model(image, keras.layers.Dense(2, use_bias=False)(keras.layers.Flatten()(cubes)))
    options = {"xrai": {"steps": 1, "baseline": "zeros"}}
    with pytest.warns(TfvizWarning, match="^xrai misses completeness by up to 25% for image 0, 1"):
        explanation = tfviz.explain(model, images, 0, methods="xrai", options=options)
    np.testing.assert_allclose(explanation.diagnostics["xrai"]["completeness_gap"], 0.25, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning")
def test_an_image_is_segmented_once_for_all_of_its_targets(monkeypatch):
    seen, xrai_module = [], import_module("tfviz.methods.xrai")
    find = xrai_module.find_regions
    monkeypatch.setattr(
        xrai_module, "find_regions", lambda image, *given: seen.append(image.sum()) or find(image, *given)
    )
    network, pictures = tfviz.trace(demo.load_network()), demo.generate(2, seed=11).images
    options = {"xrai": {"steps": 2, "scales": (500,)}}
    together = tfviz.explain(network, pictures, methods="xrai", options=options, top=2)
    assert len(seen) == 2
    one_by_one = tfviz.xrai(network, np.repeat(pictures, 2, axis=0), together.targets, **options["xrai"])
    np.testing.assert_allclose(together.maps["xrai"], one_by_one, rtol=1e-4, atol=1e-6)


def test_an_attribution_that_is_not_finite_is_refused():
    """The root has an infinite slope at zero, where the score is finite."""
    image = keras.Input((4, 4, 3))
    roots = keras.layers.GlobalAveragePooling2D()(keras.ops.sqrt(image))
    model = keras.Model(image, keras.layers.Dense(2, name="scores")(roots))
    images = np.abs(random_images(1, (4, 4, 3)))
    images[0, 0, 0] = 0
    with pytest.raises(TfvizError, match=r"^xrai of image 0 holds NaN or infinite values"):
        tfviz.xrai(model, images, 0, baseline="zeros", steps=1)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"scales": []}, "scales is empty; expected one or more numbers above 0"),
        ({"scales": [50, 0]}, "one of the scales is 0, expected a number above 0"),
        ({"scales": "many"}, "one of the scales is 'many', expected a number above 0"),
        ({"smallest_segment": 1.5}, "smallest_segment is 1.5, expected an integer of at least 0"),
        ({"smallest_addition": -1}, "smallest_addition is -1, expected an integer of at least 0"),
        ({"dilation": -1}, "dilation is -1, expected a number of at least 0"),
        ({"baseline": "grey"}, "no baseline 'grey'"),
        ({"steps": 0}, "steps is 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(TfvizError, match=f"^{message}"):
        tfviz.xrai(model_of("functional"), random_images(), **options)


def test_a_bar_shows_the_images_that_are_done(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    tfviz.xrai(linear(), random_images(2, (4, 4, 3)), 0, steps=1)
    shown = capsys.readouterr().err
    assert "xrai on the host" in shown and "50%" in shown


@pytest.mark.parametrize("name", ["smooth_grad", "var_grad", "square_grad"])
def test_it_runs_inside_no_other_method(name):
    with pytest.raises(TfvizError, match=f"^{name} cannot run xrai: its last step runs in Python on the host, not in"):
        getattr(tfviz, name)(model_of("functional"), random_images(), of="xrai")


def test_without_scikit_image(monkeypatch):
    """It is said before anything is computed, and all else runs."""
    monkeypatch.setitem(sys.modules, "skimage", None)
    for run in (tfviz.xrai, lambda *given: tfviz.explain(*given, methods=["saliency", "xrai"])):
        with pytest.raises(TfvizError, match=r"^xrai needs the package scikit-image: pip install scikit-image$"):
            run(model_of("functional"), random_images())
    tfviz.saliency(model_of("functional"), random_images())


@pytest.mark.slow
def test_a_pipeline_has_it_like_any_other_method():
    explainer = ExampleExplainer(ModelOptions("demo"), MethodChoice("xrai", {"steps": 2}, 3), batch_size=2)
    images = demo.generate(2, seed=1).images.astype(np.float32)
    first, wrong, second = explainer([images[0], images[0, :5], images[1]])
    assert "error" in wrong and "completeness_gap" in first["diagnostics"]
    with pytest.warns(TfvizWarning, match="misses completeness"):
        expected = tfviz.xrai(demo.load_network(), images, 3, steps=2)
    assert distance([first["map"], second["map"]], expected) < 1e-5
