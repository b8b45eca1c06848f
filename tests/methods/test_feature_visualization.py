"""Objectives against values written by hand, and what an ascent on them promises."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import distance
from support.thinning import by_day

import tfviz
from tfviz.methods.visualization import (
    PRESETS,
    Channel,
    Class,
    Direction,
    Layer,
    Neuron,
    Recipe,
    color_statistics,
    feature_visualization,
)
from tfviz.methods.visualization.colors import find_colors
from tfviz.methods.visualization.parametrization import PARAMETRIZATIONS

# A few steps are looked at, which need not lead anywhere yet.
pytestmark = pytest.mark.filterwarnings("ignore:the score of .* ended at:tfviz.TfvizWarning")

RANGE = (0, 1)
SHAPE = (14, 15, 3)
VECTOR = (1.0, -2.0, 0.5, 0.0, 3.0)
IMAGES = np.random.default_rng(5).uniform(size=(2, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    layers, awake = keras.layers, {"bias_initializer": keras.initializers.RandomUniform(0.4, 0.9)}
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(6, 3, activation="relu", name="first", **awake),
            layers.Conv2D(5, 3, strides=2, activation="relu", name="second", **awake),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(4, activation="softmax", name="scores"),
        ]
    )


@pytest.fixture(scope="module")
def network(model):
    return tfviz.trace(model)


def run(network, objectives, **options):
    return feature_visualization(
        network, objectives, **{"pixel_range": RANGE, "iterations": 3, "images": IMAGES[:1], **options}
    )


def features(model, layer, images):
    return keras.Model(model.inputs[0], model.get_layer(layer).output)(images).numpy()


def logits(model, images):
    kernel, bias = (variable.numpy() for variable in model.get_layer("scores").weights)
    return features(model, "pool", images) @ kernel + bias


def mean_of(layer, channel):
    return lambda model, images: features(model, layer, images)[..., channel].mean(axis=(1, 2))


def component(model, images):
    """In the mean over all places."""
    found = [[place @ VECTOR for row in maps for place in row] for maps in features(model, "second", images)]
    return np.mean(found, axis=1) / np.linalg.norm(VECTOR)


ORACLES = {
    Class(2): lambda model, images: logits(model, images)[:, 2],
    Channel("first", 4): mean_of("first", 4),
    Neuron("second", 3, 1, 4): lambda model, images: features(model, "second", images)[:, 1, 4, 3],
    Neuron("first", 1): lambda model, images: features(model, "first", images)[:, 6, 6, 1],
    Direction("second", VECTOR): component,
    Layer("second"): lambda model, images: np.mean(features(model, "second", images) ** 2, axis=(1, 2, 3)),
    2 * Channel("first", 4) + Class(2) * -0.5: lambda model, images: (
        2 * mean_of("first", 4)(model, images) - 0.5 * logits(model, images)[:, 2]
    ),
    -Class(0) - 2 * Channel("first", 1): lambda model, images: (
        -logits(model, images)[:, 0] - 2 * mean_of("first", 1)(model, images)
    ),
    Channel("first", 4) + Channel("first", 5) + np.float32(3) * Channel("first", 4): lambda model, images: (
        4 * mean_of("first", 4)(model, images) + mean_of("first", 5)(model, images)
    ),
}


@pytest.mark.parametrize("objective", ORACLES, ids=str)
def test_an_objective_is_what_it_says(network, model, objective):
    """And it grows, if it is looked at as it is."""
    result = run(network, objective, images=IMAGES, preset="simonyan", iterations=8, rate=1e-3, normalised=True, l2=0.0)
    np.testing.assert_allclose(result.history[0], ORACLES[objective](model, IMAGES), rtol=1e-4)
    np.testing.assert_allclose(result.scores, ORACLES[objective](model, result.images), rtol=1e-4, atol=1e-5)
    assert (result.scores > result.history[0]).all()


# A neuron, a direction, and a sum of a class and a channel.
ALONE = (2, 4, 7)


# Deep dreams are made as the images of "fourier" are.
@pytest.mark.parametrize("preset", by_day(PRESETS, ["jitter-blur", "fourier"]))
def test_an_image_does_not_depend_on_the_others(network, preset):
    mixed = [objective for place, objective in enumerate(ORACLES) if place in ALONE]
    together = run(network, mixed, preset=preset)
    assert together.objectives == tuple(mixed) and together.images.shape == (len(mixed), *SHAPE)
    for row, objective in enumerate(mixed):
        alone = run(network, objective, preset=preset)
        np.testing.assert_allclose(together.images[row], alone.images[0], atol=2e-3)
        np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=2e-3, atol=1e-4)
    assert len(np.unique(together.images.sum(axis=(1, 2, 3)))) == len(mixed)


def test_one_function_serves_all_channels_of_a_layer(model):
    network = tfviz.trace(model)
    network.compiled.clear()
    run(network, Channel("first", 1), images=None)
    count = len(network.compiled)
    run(network, [2 * Channel("first", 0), Channel("first", 3)], images=None, seed=4)
    assert len(network.compiled) == count
    for function in network.compiled.values():
        assert not hasattr(function, "get_concrete_function")


def test_the_fourier_ascent_is_that_of_the_formula(network, model):
    """Adam on the spectrum, written out with Keras' own, without transformations.

    The objective is weighted so that Adam's small number, which Keras adds elsewhere, does not matter.
    """
    statistics = color_statistics((IMAGES * 255).astype(np.uint8))
    still = {"pad": 0, "jitter": 0, "rotate": 0.0, "scale": 0.0, "iterations": 4, "normalised": False}
    found = run(
        network, 1e3 * Class(1), images=None, snapshots=[0], color_statistics=statistics, preset="fourier", **still
    )
    recipe = dataclasses.replace(PRESETS["fourier"], **still)
    colors, fourier = find_colors(RANGE, 3, statistics), PARAMETRIZATIONS["fourier"]
    spectrum = tf.Variable(fourier.encode(tf.constant(found.snapshots[0]), colors))
    optimizer = keras.optimizers.Adam(recipe.rate, beta_1=recipe.momentum, beta_2=recipe.decay, epsilon=1e-8)
    inner = keras.Model(model.inputs[0], model.get_layer("pool").output)
    kernel, bias = model.get_layer("scores").weights
    for step in range(4):
        with tf.GradientTape() as tape:
            score = 1e3 * (inner(fourier.decode(spectrum, colors, SHAPE)) @ kernel + bias)[:, 1]
        np.testing.assert_allclose(found.history[step], score, rtol=1e-3)
        optimizer.apply([-tape.gradient(score, spectrum)], [spectrum])
    # Adam's first steps are as long for the smallest gradient as for the largest, and rounding decides their signs.
    assert distance(found.images, fourier.decode(spectrum, colors, SHAPE)) < 1e-2


def test_where_fourier_starts(network):
    statistics = color_statistics((IMAGES * 255).astype(np.uint8))
    options = {"images": None, "color_statistics": statistics, "snapshots": [0], "preset": "fourier"}
    even = run(network, [Class(0), Class(1)], start="zeros", **options).snapshots[0]
    np.testing.assert_allclose(even, np.broadcast_to(statistics.mean, even.shape), atol=1e-5)
    noise = run(network, [Class(0), Class(1)], noise=0.1, **options).snapshots[0]
    np.testing.assert_allclose(noise[0], noise[1], atol=1e-6)
    assert 0.03 < noise.std() / IMAGES.std() < 0.3


@pytest.mark.parametrize("preset", by_day(PRESETS, ["jitter-blur", "fourier"]))
def test_an_ascent_starts_from_a_given_image(network, preset):
    result = run(network, Layer("first"), images=IMAGES, preset=preset, snapshots=[0])
    np.testing.assert_allclose(result.snapshots[0], IMAGES, atol=2e-3)
    assert (np.abs(result.images - IMAGES).max(axis=(1, 2, 3)) > 1e-3).all()
    several = run(network, [Layer("first"), Class(1)], preset=preset, snapshots=[0])
    np.testing.assert_allclose(several.snapshots[0], IMAGES[[0, 0]], atol=2e-3)


def test_a_sleeping_network_wakes():
    """Without redirection nothing happens, as the one ReLU is asleep for every dark image."""
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Conv2D(1, 1, activation="relu", name="unit"), layers.Flatten(), layers.Dense(2)]
    )
    model.set_weights([np.ones((1, 1, 1, 1)), np.array([-0.6]), np.ones((36, 2)), np.zeros(2)])
    options = {
        "pixel_range": (0, 1),
        "preset": "simonyan",
        "rate": 0.01,
        "iterations": 30,
        "l2": 0.0,
        "normalised": True,
    }
    with pytest.warns(tfviz.TfvizWarning, match=r"the score of channel 0 of unit never changed"):
        asleep = feature_visualization(model, Channel("unit", 0), **options)
    assert not asleep.images.any()
    awake = feature_visualization(model, Channel("unit", 0), **options, redirect=True)
    assert awake.history[0] == 0 and awake.scores > 0.1


# Another value of every field, beside what makes the field matter.
CHANGES = {
    "start": ({"images": None, "preset": "jitter-blur"}, "zeros"),
    "iterations": ({}, 4),
    "rate": ({}, 0.07),
    "l2": ({}, 0.5),
    "momentum": ({}, 0.1),
    "normalised": ({"preset": "simonyan"}, True),
    "jitter": ({}, 2),
    "clamp": ({"preset": "simonyan", "rate": 1.0, "normalised": True}, True),
    "blur_every": ({}, 2),
    "blur": ({"blur_every": 1}, 1.5),
    "noise": ({"images": None}, 0.1),
    "parametrization": ({}, "pixels"),
    "optimizer": ({}, "momentum"),
    "decay": ({}, 0.5),
    "total_variation": ({}, 0.1),
    "pad": ({}, 2),
    "rotate": ({}, 20.0),
    "scale": ({}, 0.3),
}


def test_every_field_is_tested():
    """That of `redirect` needs a network that sleeps, above."""
    assert {*CHANGES, "redirect"} == {field.name for field in dataclasses.fields(Recipe)}


@pytest.fixture(scope="module")
def unchanged():
    """The images by the options that a field is changed in."""
    return {}


@pytest.mark.xdist_group("fields")
@pytest.mark.parametrize("name", sorted(CHANGES))
def test_every_field_changes_the_image(network, unchanged, name):
    options, value = CHANGES[name]
    options = {"preset": "fourier", "objectives": Class(1), **options}
    key = repr(options)
    if key not in unchanged:
        unchanged[key] = run(network, **options).images
    before, after = unchanged[key], run(network, **options, **{name: value}).images
    assert np.abs(before - after).max() > 1e-4


def test_the_seed_and_the_colours_change_the_image(network):
    plain = {"images": None, "preset": "fourier"}
    before = run(network, Class(1), **plain)
    np.testing.assert_array_equal(before.images, run(network, Class(1), **plain).images)
    for changes in ({"seed": 1}, {"color_statistics": color_statistics((IMAGES * 255).astype(np.uint8))}):
        assert np.abs(before.images - run(network, Class(1), **plain, **changes).images).max() > 1e-2
    # The seed is that of how the image is moved, too.
    moved = [run(network, Class(1), preset="fourier", seed=seed).images for seed in (0, 1)]
    assert np.abs(moved[0] - moved[1]).max() > 1e-3


def test_an_open_size():
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((None, None, 1)), layers.Conv2D(2, 3, name="conv"), layers.GlobalAveragePooling2D()]
    )
    with pytest.raises(tfviz.UnsupportedModelError, match="image_shape"):
        run(model, Neuron("conv", 1), images=None)
    with pytest.raises(tfviz.InvalidTargetsError, match="row 7 is out of range: conv has 7, 0 to 6"):
        run(model, Neuron("conv", 1, 7, 1), images=None, image_shape=(9, 12, 1))
    image = np.random.default_rng(0).uniform(size=(9, 12, 1))
    result = run(model, Neuron("conv", 1), images=image, preset="simonyan", iterations=1)
    conv = keras.Model(model.inputs[0], model.get_layer("conv").output)
    np.testing.assert_allclose(result.history[0], conv(image[np.newaxis])[0, 3, 5, 1], rtol=1e-4)


@pytest.mark.parametrize(
    ("objectives", "options", "message"),
    [
        (Channel("first", 6), {}, "channel 6 is out of range: first has 6, 0 to 5"),
        (Channel("first", -1), {}, "channel -1 is out of range"),
        (Channel("first", 1.5), {}, "channel 1.5 is out of range"),
        (Neuron("second", 0, 0, 6), {}, "column 6 is out of range: second has 6, 0 to 5"),
        (Neuron("second", 9), {}, "channel 9 is out of range: second has 5"),
        (Direction("first", VECTOR), {}, "the direction has 5 numbers, expected one for each of the 6 channels"),
        (Class(4), {}, "target 4 is out of range: the network has 4 classes"),
        (Class(), {}, "the target of an objective is None, expected 0 to 3"),
        (Class([1, 2]), {}, r"the target of an objective is \[1, 2\], expected 0 to 3"),
        (Layer("frist"), {}, "no layer 'frist' .* did you mean 'first'"),
        (Channel(None, 0), {"preset": "deep"}, "no preset 'deep'; they are simonyan, jitter-blur, fourier"),
        ([], {}, "expected one or more, such as Class"),
        (3, {}, "objectives are 3, expected one or more, such as Class"),
        ([Class(1), 3], {}, "expected one or more, such as Class"),
        ([Class(1)] * 3, {"images": IMAGES}, "2 images to start from for 3 objectives"),
        (Class(1), {"images": IMAGES[:, :5]}, "images have the shape .2, 5, 15, 3."),
        (Class(1), {"images": IMAGES * np.nan}, "NaN"),
        (Class(1), {"rotate": -1.0}, "rotate is -1.0, expected a number of at least 0"),
        (Class(1), {"scale": 1.0}, "scale is 1.0, expected a number of at least 0 and below 1"),
        (Class(1), {"pad": 1.5}, "pad is 1.5, expected an integer"),
        (Class(1), {"optimizer": "sgd"}, "optimizer is 'sgd', expected 'momentum' or 'adam'"),
        (Class(1), {"color_statistics": color_statistics(IMAGES[..., :1], RANGE)}, "statistics are of 1 channels"),
        (Class(1), {"snapshots": 3}, r"snapshots is 3, expected numbers of steps, such as \[0, 3\]"),
        (Class(1), {"snapshots": None}, "snapshots is None, expected numbers of steps"),
        (Class(1), {"snapshots": "12"}, "snapshot 1 is out of range: expected steps from 0 to 3"),
        (Class(1), {"images": None, "image_shape": 3}, "give image_shape=.height, width, channels. that fits"),
        (Class(1), {"images": None, "image_shape": (12, None, 3)}, "give image_shape="),
        (Class(1), {"images": None, "image_shape": ("12", 16, 3)}, "give image_shape="),
        (Class(1), {"color_statistics": 3}, r"color_statistics is of type int, expected what tfviz.color_statistics\("),
        (Class(1), {"color_statistics": 0}, "color_statistics is of type int"),
        (Class(1), {"color_statistics": IMAGES}, "color_statistics is of type ndarray"),
        (Class(1), {"color_statistics": (np.zeros(3), np.eye(3))}, "color_statistics is of type tuple"),
        (Class(1), {"color_statistics": color_statistics}, "color_statistics is of type function"),
    ],
)
def test_bad_arguments_are_one_clear_line(network, objectives, options, message):
    with pytest.raises(tfviz.TfvizError, match=message) as caught:
        run(network, objectives, **options)
    assert "\n" not in str(caught.value)


def test_statistics_of_a_wrong_kind_for_classes(network):
    with pytest.raises(tfviz.TfvizError, match="color_statistics is of type int, expected"):
        tfviz.class_visualization(network, 1, pixel_range=RANGE, color_statistics=3)


@pytest.mark.parametrize(
    "mean, covariance, message",
    [
        (np.zeros(2), np.eye(3), r"have a mean \(2,\) and a covariance \(3, 3\), expected \(C,\) and \(C, C\)"),
        (0.5, np.eye(3), r"have a mean \(\) and"),
        (None, None, r"have a mean \(\) and"),
        ("grey", np.eye(3), "are not numbers, expected arrays"),
        (np.zeros(3), [[1.0], [0.0, 1.0]], "are not numbers, expected arrays"),
        (np.zeros(3), np.eye(3) * np.nan, "hold NaN or infinity"),
        ([0, np.inf, 0], np.eye(3), "hold NaN or infinity"),
    ],
)
def test_statistics_that_cannot_be(mean, covariance, message):
    with pytest.raises(tfviz.InvalidImagesError, match=message) as caught:
        tfviz.ColorStatistics(mean, covariance)
    assert "\n" not in str(caught.value)


def test_statistics_may_be_lists():
    lists, arrays = ([[0.5] * 3, np.eye(3).tolist()], [np.full(3, 0.5), np.eye(3)])
    found, expected = (find_colors(RANGE, 3, tfviz.ColorStatistics(*each)) for each in (lists, arrays))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_objectives_that_cannot_be():
    for vector in ([0.0, 0.0], [[1.0]], [np.nan]):
        with pytest.raises(tfviz.InvalidTargetsError, match="not all of them zero"):
            Direction("conv", vector)
    for weight in ("2", np.inf, None):
        with pytest.raises(tfviz.TfvizError, match="expected a finite number"):
            Class(1) * weight
    with pytest.raises(TypeError):
        Class(1) + 2


def test_objectives_have_names():
    total = Channel("conv", 3) * 2 + Neuron("conv", 1) + Neuron("a", 1, 2, 3) + -1 * Direction("conv", [1]) + Layer("b")
    expected = (
        "2 × channel 3 of conv + neuron 1 of conv at the centre + neuron 1 of a at row 2, column 3 + "
        "-1 × direction in conv + layer b"
    )
    assert str(total) == expected
    assert [str(Class(3)), str(Class())] == ["class 3", "the score"]


def test_the_length_of_a_direction_is_no_matter(network):
    unit = np.array([1.0, -2, 0.5, 0, 3, 1])
    found = [run(network, Direction("first", scale * unit)).images for scale in (1, 1e-30, 1e30)]
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_pictures_without_a_colour_give_finite_images(network):
    """A mean of zero has no logarithm."""
    pictures = (IMAGES * 255).astype(np.uint8) * np.array([1, 1, 0], np.uint8)
    found = run(network, Class(1), images=None, preset="fourier", color_statistics=color_statistics(pictures))
    assert np.isfinite(found.images).all()


def test_the_number_of_steps_is_not_compiled(model):
    network = tfviz.trace(model)
    network.compiled.clear()
    run(network, Class(1), images=None, iterations=2)
    count = len(network.compiled)
    run(network, Class(1), images=None, iterations=3, noise=0.2)
    assert len(network.compiled) == count


@pytest.mark.parametrize("options", [{"seed": 1.5}, {"seed": -1}, {"snapshots": [1.5]}, {"snapshots": [9]}])
def test_seeds_and_snapshots_are_integers(network, options):
    with pytest.raises(tfviz.TfvizError, match=r"seed is .*, expected an integer|snapshot .* is out of range"):
        run(network, Class(1), **options)


def test_a_preset_does_not_move_an_image_of_one_place(network):
    """It is that of an ascent without movement, whatever is made beside it; of a class it is moved."""
    still = {"pad": 0, "jitter": 0, "rotate": 0.0, "scale": 0.0}
    wanted = [Neuron("second", 3, 1, 4), Class(1) + 0.5 * Neuron("first", 1), Class(1)]
    options = {"images": None, "iterations": 6, "snapshots": [6]}
    for preset in ("fourier", "jitter-blur"):
        found, as_it_is = (run(network, wanted, preset=preset, **options, **changes) for changes in ({}, still))
        np.testing.assert_allclose(found.images[:2], as_it_is.images[:2], atol=1e-6)
        np.testing.assert_allclose(found.history[:, :2], as_it_is.history[:, :2], rtol=1e-5, atol=1e-6)
        assert np.abs(found.images[2] - as_it_is.images[2]).max() > 1e-3
        assert np.abs(found.history[:, 2] - as_it_is.history[:, 2]).min() > 0


def test_a_neuron_follows_the_movement_that_is_asked_for():
    """Of a layer of single pixels only the neuron's own is ever changed, wherever it was read."""
    model = keras.Sequential(
        [keras.Input((16, 18, 1)), keras.layers.Conv2D(1, 1, name="pixels"), keras.layers.GlobalAveragePooling2D()]
    )
    model.set_weights([np.full((1, 1, 1, 1), 2.0), np.zeros(1)])
    options = {"pixel_range": RANGE, "preset": "simonyan", "l2": 0.0, "momentum": 0.0, "rate": 0.5, "iterations": 20}
    for changes in ({"jitter": 6}, {"jitter": 3, "pad": 2}):
        found = feature_visualization(model, Neuron("pixels", 0, 9, 4), **options, **changes)
        expected = np.zeros((16, 18))
        expected[9, 4] = 20
        np.testing.assert_allclose(found.images[0, :, :, 0], expected, atol=1e-4)
        np.testing.assert_allclose(found.history[:, 0], 2 * np.arange(20), atol=1e-4)
    turned = feature_visualization(model, Neuron("pixels", 0, 9, 4), **options, rotate=30.0)
    rows, columns = np.mgrid[:16, :18]
    weights = turned.images[0, :, :, 0] / turned.images.sum()
    assert np.abs([np.sum(weights * rows) - 9, np.sum(weights * columns) - 4]).max() < 0.2
    assert turned.scores[0] > 10


@pytest.mark.slow
def test_neurons_of_the_embedded_network_reach_what_they_reach_without_movement():
    network = tfviz.trace(tfviz.demo.load_network())
    options = {"pixel_range": (0, 255), "iterations": 40}
    wanted = [Neuron("block3_conv1", channel) for channel in range(8)]
    found = feature_visualization(network, wanted, **options)
    assert (found.scores > 6).all() and (found.scores > 10 * found.history[0]).all()


def pixels(size, scale, offset):
    """A network of single pixels, `scale` times what they are and `offset` more."""
    layers = keras.layers
    scaled = layers.Rescaling(scale, offset)
    model = keras.Sequential(
        [keras.Input((*size, 1)), scaled, layers.Conv2D(1, 1, name="pixels"), layers.GlobalAveragePooling2D()]
    )
    model.set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    return model


def test_an_ascent_that_gains_nothing_is_warned_about():
    """A step that is too long: −mean(x²) has the gradient −2x / (H · W). Beside it, mean(x²) grows."""
    wanted, image = [Layer("pixels"), -1 * Layer("pixels")], np.full((1, 4, 5, 1), 0.5)
    options = {"pixel_range": RANGE, "images": image, "preset": "simonyan", "l2": 0.0, "iterations": 1, "rate": 100.0}
    message = r"^the score of -1 × layer pixels ended at -20.2, not above the -0.25 that it began with; try [^\n]*seed$"
    with pytest.warns(tfviz.TfvizWarning, match=message) as caught:
        found = feature_visualization(pixels((4, 5), 1.0, 0.0), wanted, **options)
    np.testing.assert_allclose(found.scores, [(0.5 + 5) ** 2, -((0.5 - 5) ** 2)], rtol=1e-5)
    assert len(caught) == 1 and caught[0].filename == __file__


def test_an_ascent_that_gains_nothing_is_said_on_the_command_line(run, tmp_path):
    """The grey border of the moved image is nearer to what is asked for than the image itself."""
    pixels((24, 24), 1 / 127.5, -1.0).save(tmp_path / "pixels.keras")
    status, out, err = run(
        "visualize", "--model", "pixels.keras", "--preprocess", "0..255", "--objective", "-1*layer:pixels",
        "--iterations", 1,
    )  # fmt: skip
    assert status == 0
    begun, ended = out.split("score ")[1].split(",")[0].split(" -> ")
    assert float(begun) >= float(ended)
    assert f"tfviz: warning: the score of -1 × layer pixels ended at {float(ended):.2g}" in err
    assert err.count("\n") == 1


@pytest.mark.filterwarnings("error::tfviz.TfvizWarning")
def test_an_ascent_without_steps_has_not_begun(network):
    assert run(network, Class(1), iterations=0).history.shape == (0, 1)


def test_a_start_in_another_range_is_warned_about(network):
    with pytest.warns(tfviz.TfvizWarning, match=r"less than 1% of pixel_range \(0.0, 255.0\) is filled by image 0"):
        run(network, Class(1), pixel_range=(0, 255))
