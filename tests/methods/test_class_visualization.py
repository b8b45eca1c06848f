"""Class visualisation against the same ascent written out step by step."""

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

import tfviz
from tfviz.methods.visualization import PRESETS

# A few steps are looked at, which need not lead anywhere yet.
pytestmark = pytest.mark.filterwarnings("ignore:the score of .* ended at:tfviz.TfvizWarning")

RANGE = (np.array([-1.0, -2.0, 0.0]), np.array([1.0, 2.0, 0.5]))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((20, 24, 3)),
            layers.Conv2D(6, 3, activation="relu", bias_initializer="random_normal"),
            layers.MaxPool2D(),
            layers.Conv2D(6, 3, activation="relu", bias_initializer="random_normal"),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ]
    )


def score_and_gradient(model, images, target):
    inner = keras.Model(model.inputs, model.layers[-1].input)
    head = model.layers[-1]
    images = tf.constant(images, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = (inner(images) @ head.kernel + head.bias)[:, target]
    return scores.numpy(), tape.gradient(scores, images).numpy()


def ascend(model, images, target, recipe):
    """The ascent of any recipe without jitter, in NumPy and OpenCV."""
    low, high = RANGE
    velocity, history = np.zeros_like(images), []
    for number in range(1, recipe.iterations + 1):
        score, gradient = score_and_gradient(model, images, target)
        history.append(score)
        direction = gradient * (high - low) - 2 * recipe.l2 * images / (high - low)
        if recipe.normalised:
            direction = direction / np.sqrt(np.mean(direction**2))
        velocity = recipe.momentum * velocity + recipe.rate * (high - low) * direction
        images = images + velocity
        if recipe.clamp:
            images = np.clip(images, low, high)
        if recipe.blur_every and number % recipe.blur_every == 0:
            images = cv2.GaussianBlur(images[0], (5, 5), recipe.blur, borderType=cv2.BORDER_REFLECT)[None]
    return images, np.stack(history)


@pytest.mark.parametrize("preset", ["simonyan", "jitter-blur"])
def test_the_ascent_is_that_of_the_formula(model, preset):
    changes = {"iterations": 25, "rate": 0.05, "l2": 0.3, "jitter": 0}
    result = tfviz.class_visualization(model, 2, pixel_range=RANGE, preset=preset, snapshots=[0], **changes)
    recipe = PRESETS[preset].__class__(**{**vars(PRESETS[preset]), **changes})
    # A blur of 0.5 pixels reaches round(1.5) = 2 pixels far.
    images, history = ascend(model, result.snapshots[0].astype(np.float64), 2, recipe)
    np.testing.assert_allclose(result.images, images, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(result.history, history, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(result.scores, score_and_gradient(model, result.images, 2)[0], rtol=1e-5)
    assert result.scores[0] > result.history[0, 0] + 0.1


def test_where_the_presets_start(model):
    zeros, noise = (
        tfviz.class_visualization(model, [0, 1], pixel_range=RANGE, preset=preset, snapshots=[0], iterations=1)
        for preset in ("simonyan", "jitter-blur")
    )
    assert not zeros.snapshots[0].any()
    start = noise.snapshots[0]
    np.testing.assert_array_equal(start[0], start[1])
    low, high = RANGE
    np.testing.assert_allclose(start[0].mean((0, 1)), (low + high) / 2, atol=0.05 * np.max(high - low))
    np.testing.assert_allclose(start[0].std((0, 1)), 0.4 * (high - low), rtol=0.1)


def test_the_jitter_is_undone_after_each_step():
    """A score that reads one pixel shows by where the image changes how it was rolled."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((48, 48, 1)), layers.Flatten(), layers.Dense(2, use_bias=False)])
    weights = np.zeros((48, 48, 2), np.float32)
    weights[24, 24, 1] = 1
    model.set_weights([weights.reshape(-1, 2)])
    changes = {"jitter": 16, "iterations": 300, "rate": 1.0, "l2": 0.0, "normalised": False}
    result = tfviz.class_visualization(model, 1, pixel_range=(0, 1), preset="simonyan", momentum=0.0, **changes)
    rows, columns = np.nonzero(result.images[0, :, :, 0])
    # Each step adds 1 to one pixel: the image is never left shifted, and all offsets from -16 to 16 are drawn.
    assert result.images.sum() == pytest.approx(300)
    for places in (rows, columns):
        assert (places.min(), places.max()) == (24 - 16, 24 + 16)
        assert len(np.unique(places)) > 25


@pytest.mark.parametrize("preset", PRESETS)
def test_an_image_depends_on_its_seed_alone(model, preset):
    def run(targets, **options):
        return tfviz.class_visualization(
            model, targets, pixel_range=RANGE, preset=preset, iterations=15, jitter=4, **options
        )

    both, again, alone, other = run([1, 3]), run([1, 3]), run(3), run([1, 3], seed=1)
    np.testing.assert_array_equal(both.images, again.images)
    np.testing.assert_allclose(both.images[1:], alone.images, atol=1e-5)
    assert np.abs(both.images - other.images).max() > 1e-3
    assert np.abs(both.images[0] - both.images[1]).max() > 1e-3


def test_snapshots_are_the_images_on_the_way(model):
    options = {"pixel_range": RANGE, "preset": "jitter-blur"}
    result = tfviz.class_visualization(model, 1, snapshots=[4, 13, 30], iterations=30, **options)
    shorter = tfviz.class_visualization(model, 1, iterations=13, **options)
    assert list(result.snapshots) == [4, 13, 30]
    np.testing.assert_array_equal(result.snapshots[13], shorter.images)
    np.testing.assert_array_equal(result.snapshots[30], result.images)
    np.testing.assert_array_equal(result.history[:13], shorter.history)


def test_a_saved_model_gives_the_same(model, tmp_path):
    model.export(str(tmp_path))
    live, saved = (
        tfviz.class_visualization(source, 1, pixel_range=RANGE, iterations=12) for source in (model, tmp_path)
    )
    np.testing.assert_allclose(live.images, saved.images, rtol=1e-4, atol=1e-5)


def test_the_loop_is_traced_once_for_any_number_of_targets(model):
    network = tfviz.trace(model)
    for targets in ([1], [0, 1, 2]):
        tfviz.class_visualization(network, targets, pixel_range=RANGE, iterations=7, rate=0.011)
    # A concrete function cannot be traced again.
    (function,) = [function for key, function in network.compiled.items() if getattr(key[0], "rate", None) == 0.011]
    assert not hasattr(function, "get_concrete_function")


def test_an_open_size_is_asked_for():
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((None, None, 3)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    )
    with pytest.raises(tfviz.UnsupportedModelError, match="image_shape"):
        tfviz.class_visualization(model, 1, pixel_range=(0, 1))
    result = tfviz.class_visualization(model, 1, pixel_range=(0, 1), image_shape=(16, 12, 3), iterations=2)
    assert result.images.shape == (1, 16, 12, 3)


def test_an_image_that_nothing_answers_to_is_warned_about():
    layers = keras.layers
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.ReLU(), layers.Flatten(), layers.Dense(2)])
    with pytest.warns(tfviz.TfvizWarning, match="class 1 never changed"):
        tfviz.class_visualization(model, 1, pixel_range=(0, 1), preset="simonyan", iterations=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"targets": None}, "targets is None, expected the class to show, 0 to 3"),
        ({"targets": 4}, "4 classes, 0 to 3"),
        ({"preset": "deep"}, "no preset 'deep'; they are simonyan, jitter-blur"),
        ({"steps": 3}, "a recipe has no 'steps'; it has start, iterations"),
        ({"pixel_range": (1, 1)}, "black below white"),
        ({"pixel_range": 255}, "two numbers, or two arrays"),
        ({"pixel_range": ([0, 0], [1, 1])}, "two numbers, or two arrays"),
        ({"snapshots": [257]}, "steps from 0 to 256"),
        ({"image_shape": (10, 10, 3)}, r"the network takes images \(20, 24, 3\)"),
    ],
)
def test_bad_arguments_are_one_clear_line(model, arguments, message):
    with pytest.raises(tfviz.TfvizError, match=message) as caught:
        tfviz.class_visualization(model, **{"targets": 1, "pixel_range": RANGE, **arguments})
    assert "\n" not in str(caught.value)
