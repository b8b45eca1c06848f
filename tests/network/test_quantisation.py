"""Quantised networks against the tape through Keras' own gradients, or with the estimator written by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import distance, randomise
from support.thinning import by_day, every

import tfviz
from tfviz.network.passes.biases import find_biases
from tfviz.network.program.internals import forget_gradients

SHAPE = (8, 8, 3)
IMAGES = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)


class Function(layers.Layer):
    """A layer of a plain function, which is looked up at each call, so that it can be replaced."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)

    def compute_output_shape(self, shape):
        return shape


def network(function=None, head=None):
    image = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, activation="relu", name="conv")(image)
    x = Function(function)(x) if function else x
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(4)(layers.Dense(5, activation="relu")(x))
    return randomise(keras.Model(image, Function(head)(x) if head else x))


def attention():
    image = keras.Input(SHAPE)
    x = layers.Reshape((16, 6))(layers.Conv2D(6, 2, 2, name="patches")(image))
    x = layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 3)(x, x))
    return randomise(keras.Model(image, layers.Dense(4)(x)))


def einsum():
    image = keras.Input(SHAPE)
    x = layers.EinsumDense("bhwc,cd->bhwd", (8, 8, 5), bias_axes="d", activation="relu")(image)
    return randomise(keras.Model(image, layers.Dense(4)(layers.GlobalAveragePooling2D()(x))))


def tape(model, target=1):
    image = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(image)
        score = model(image, training=False)[:, target]
    return tape.gradient(score, image)


def forms(model, folder):
    model.export(str(folder), verbose=False)
    return [tfviz.trace(model), tfviz.trace(str(folder))]


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method:UserWarning")
@pytest.mark.parametrize(
    "build, mode",
    [
        (network, "int8"),
        pytest.param(network, "int4", marks=pytest.mark.slow),
        (attention, "int8"),
        pytest.param(einsum, "int8", marks=pytest.mark.slow),
    ],
)
def test_keras_own_quantisation(build, mode, tmp_path):
    model = build()
    model.quantize(mode)
    expected = tape(model)
    for traced in forms(model, tmp_path):
        assert distance(tfviz.gradient(traced, IMAGES, 1), expected) < 1e-6
        assert distance(traced.logits(IMAGES), model(IMAGES, training=False)) < 1e-6


def straight(rounding, x):
    """The estimator by hand."""
    return x + tf.stop_gradient(rounding(x) - x)


@tf.custom_gradient
def rounded(x):
    return tf.round(x), lambda upstream: upstream


@tf.custom_gradient
def rounded_down(x):
    return tf.floor(4 * x + 0.3) / 4, lambda upstream: upstream


@tf.custom_gradient
def scaled_by_the_largest(x):
    scale = 7 / (tf.reduce_max(tf.abs(x), -1, keepdims=True) + 1e-3)
    return tf.cast(tf.cast(tf.round(x * scale), tf.int8), tf.float32) / scale, lambda upstream: upstream


def table_between(x):
    """Interpolate in a table, which is differentiable in the weights and not in the places."""
    place = 3 * tf.nn.relu(x)
    low = tf.floor(place)
    index, share = tf.cast(low, tf.int32) % 5, place - low
    numbers = tf.constant([0.0, 1.0, 3.0, 2.0, 5.0, 4.0])
    return tf.gather(numbers, index) * (1 - share) + tf.gather(numbers, index + 1) * share


WITH_A_TAPE = {
    "fake quantisation": lambda x: tf.quantization.fake_quant_with_min_max_args(x, -1, 3, 4),
    "by hand": lambda x: straight(lambda x: tf.round(3 * x) / 3, x),
    "a gradient of its own": lambda x: rounded(5 * x) / 5,
    "a gradient of its own, down": rounded_down,
    "a gradient of its own, with a scale": scaled_by_the_largest,
    "a gate of its own": lambda x: x * rounded(tf.sigmoid(x)),
    "what is left over": lambda x: 3 * x - tf.floor(3 * x) + (x - tf.round(x)),
    "a gate": lambda x: x * tf.round(tf.sigmoid(2 * x)),
    "an index": table_between,
    "a comparison": lambda x: tf.where(tf.cast(3 * x, tf.int32) > 1, x, 0.5 * x),
}


@pytest.mark.parametrize("name", by_day(WITH_A_TAPE, every(WITH_A_TAPE, 2)))
def test_what_the_tape_knows_stays_as_it_is(name, tmp_path):
    model = network(WITH_A_TAPE[name])
    expected = tape(model)
    for traced in forms(model, tmp_path) if "own" in name else [tfviz.trace(model)]:
        assert distance(tfviz.gradient(traced, IMAGES, 1), expected) < 1e-6


def as_bytes(x):
    return tf.cast(tf.cast(tf.clip_by_value(x, 0, 255), tf.uint8), tf.float32)


def in_integers(x):
    """As converters of networks write them: products of integers, whose sums are clipped and scaled back."""
    kernel = tf.constant(np.random.default_rng(1).integers(-9, 9, (6, 6)), tf.int32)
    whole = tf.matmul(tf.reshape(tf.cast(tf.round(20 * x), tf.int32), [-1, 6]), kernel) + 3
    return tf.reshape(tf.cast(tf.maximum(whole, 0), tf.float32) / 50, tf.shape(x))


def in_floats(x):
    kernel = tf.constant(np.random.default_rng(1).integers(-9, 9, (6, 6)), tf.float32)
    whole = tf.matmul(tf.reshape(straight(tf.round, 20 * x), [-1, 6]), kernel) + 3
    return tf.reshape(tf.maximum(whole, 0) / 50, tf.shape(x))


WITHOUT = {
    "rounded": (lambda x: tf.round(5 * x) / 5, lambda x: straight(tf.round, 5 * x) / 5),
    "to nearest by floor": (
        lambda x: tf.floor(4 * x + 0.5) / 4,
        lambda x: straight(lambda x: tf.floor(x + 0.5), 4 * x) / 4,
    ),
    "bytes": (
        lambda x: as_bytes(40 * x) / 40,
        lambda x: straight(tf.floor, tf.clip_by_value(40 * x, 0, 255)) / 40,
    ),
    "integers": (in_integers, in_floats),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_roundings_that_arithmetic_follows_pass_the_gradient(name, tmp_path):
    function, by_hand = WITHOUT[name]
    model = network(function)
    assert tape(model) is None, "else the tape could be followed"
    expected = tape(network(by_hand))
    for traced in forms(model, tmp_path):
        assert distance(traced.logits(IMAGES), model(IMAGES, training=False)) < 1e-6
        assert distance(tfviz.gradient(traced, IMAGES, 1), expected) < 1e-6


@pytest.mark.filterwarnings("ignore:.*is zero everywhere", "ignore:the model's output looks like probabilities")
@pytest.mark.parametrize(
    "head",
    [
        lambda x: tf.round(tf.sigmoid(x)),
        lambda x: tf.round(10 * tf.sigmoid(x)) / 10,
        lambda x: tf.cast(tf.cast(10 * tf.sigmoid(x), tf.int32), tf.float32),
        lambda x: tf.one_hot(tf.argmax(x, -1), 4),
    ],
)
def test_a_decision_at_the_end_has_no_gradient(head):
    assert not tfviz.gradient(network(head=head), IMAGES, 1).any()


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method:UserWarning")
@pytest.mark.slow
def test_every_way_to_run_a_quantised_network(tmp_path):
    model = network()
    model.quantize("int8")
    expected = tape(model)
    assert distance(tfviz.gradient(tfviz.trace(model, fast=False), IMAGES, 1), expected) < 1e-6
    assert distance(tfviz.gradient(tfviz.trace(model, jit_compile=True), IMAGES, 1), expected) < 1e-5
    tfviz.export(model, str(tmp_path / "exported"), ["gradient"])
    exported = tf.saved_model.load(str(tmp_path / "exported")).signatures["gradient"]
    found = exported(images=tf.constant(IMAGES), targets=tf.constant([1]))["maps"]
    assert distance(found, expected) < 1e-6
    assert "conv" in [bias.name for bias in find_biases(tfviz.trace(model))], "which lies before the quantised layers"


@pytest.mark.filterwarnings("ignore:.*unsaved custom gradients")
def test_a_lost_gradient_is_said_to_pass_what_is_rounded(tmp_path):
    model = network(lambda x: rounded(5 * x) / 5)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", model.__call__, [tf.TensorSpec([None, *SHAPE])])
    archive.write_out(str(tmp_path), tf.saved_model.SaveOptions(experimental_custom_gradients=False), verbose=False)
    expected = tape(model)
    loaded = tf.saved_model.load(str(tmp_path))
    forget_gradients(loaded.signatures["serve"].graph)
    with pytest.warns(tfviz.TfvizWarning, match="not saved with it: .*, and what is rounded passes them straight"):
        traced = tfviz.trace(loaded, signature="serve")
    assert distance(tfviz.gradient(traced, IMAGES, 1), expected) < 1e-6
