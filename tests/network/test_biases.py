"""Biases are found by what the image reaches, whatever operation adds them, and each is what it is worth by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import model_of, random_images, randomise

import tfviz
from tfviz.network.passes import BIASES, Gradient, passes_of
from tfviz.network.passes.biases import find_biases

SHAPE = (4, 5, 3)
IMAGES = random_images(2, SHAPE)
GENERATOR = np.random.default_rng(3)
NUMBERS = GENERATOR.normal(size=SHAPE).astype(np.float32)
MASK = GENERATOR.uniform(size=SHAPE) < 0.5
SCALE, OFFSET, MEAN, VARIANCE = GENERATOR.uniform(0.5, 2, (4, 3)).astype(np.float32)
NORMALISED = OFFSET - SCALE * MEAN / np.sqrt(VARIANCE + np.float32(0.01))
FIRST = np.array([0.5, -1, 2, 3], np.float32)


def for_each(numbers, x):
    """The numbers for every image: their shape depends on the image, their values do not."""
    return tf.tile(tf.constant(numbers)[tf.newaxis], [tf.shape(x)[0], 1, 1, 1])


def fused(version):
    def normalise(x):
        names = {"scale": SCALE, "offset": OFFSET, "mean": MEAN, "variance": VARIANCE}
        function = getattr(tf.raw_ops, f"FusedBatchNorm{version}")
        return function(x=x, **names, epsilon=0.01, is_training=False)[0]

    return normalise


def padded(below):
    return np.pad(np.zeros(SHAPE), [(1, 0), (0, 2), (0, 0)], constant_values=below)


# Functions of images (N, 4, 5, 3), and what they add: for an image x, of the shape of the result or less.
ADDING = {
    "Add": (lambda x: tf.raw_ops.Add(x=x, y=NUMBERS), lambda x: NUMBERS),
    "AddV2": (lambda x: x + NUMBERS, lambda x: NUMBERS),
    "the first operand": (lambda x: NUMBERS + x, lambda x: NUMBERS),
    "AddN": (lambda x: tf.add_n([x, for_each(NUMBERS, x), x]), lambda x: NUMBERS),
    "Sub": (lambda x: x - NUMBERS, lambda x: -NUMBERS),
    "subtracted from": (lambda x: NUMBERS - x, lambda x: NUMBERS),
    "BiasAdd": (lambda x: tf.nn.bias_add(x, OFFSET), lambda x: OFFSET),
    "BiasAdd, channels first": (
        lambda x: tf.nn.bias_add(x, FIRST, "NCHW"),
        lambda x: FIRST[:, np.newaxis, np.newaxis],
    ),
    "FusedBatchNorm": (fused(""), lambda x: NORMALISED),
    "FusedBatchNormV2": (fused("V2"), lambda x: NORMALISED),
    "FusedBatchNormV3": (fused("V3"), lambda x: NORMALISED),
    "unfused": (lambda x: tf.nn.batch_normalization(x, MEAN, VARIANCE, OFFSET, SCALE, 0.01), lambda x: NORMALISED),
    "PadV2": (lambda x: tf.pad(x, [[0, 0], [1, 0], [0, 2], [0, 0]], constant_values=2.5), lambda x: padded(2.5)),
    "ConcatV2": (
        lambda x: tf.concat([x, for_each(NUMBERS, x)], 2),
        lambda x: np.concatenate([np.zeros(SHAPE), NUMBERS], 1),
    ),
    "ones like the image": (
        lambda x: tf.concat([tf.ones_like(x), x], 3),
        lambda x: np.concatenate([np.ones(SHAPE), np.zeros(SHAPE)], 2),
    ),
    "Pack": (lambda x: tf.stack([x, for_each(NUMBERS, x)], 1), lambda x: np.stack([np.zeros(SHAPE), NUMBERS])),
    "Select": (
        lambda x: tf.raw_ops.Select(condition=x > 0.1, x=x, y=for_each(NUMBERS, x)),
        lambda x: np.where(x > 0.1, 0, NUMBERS),
    ),
    "SelectV2": (lambda x: tf.where(MASK, x, NUMBERS), lambda x: np.where(MASK, 0, NUMBERS)),
    "selected by the image": (lambda x: tf.where(x > 0.1, x, NUMBERS), lambda x: np.where(x > 0.1, 0, NUMBERS)),
    "Relu6": (lambda x: tf.nn.relu6(12 * x), lambda x: np.where(x > 0.5, 6, 0)),
    "Minimum": (lambda x: tf.minimum(x, NUMBERS), lambda x: np.where(x > NUMBERS, NUMBERS, 0)),
    "Maximum": (lambda x: tf.maximum(0.25, x), lambda x: np.where(x < 0.25, 0.25, 0)),
    "ClipByValue": (
        lambda x: tf.raw_ops.ClipByValue(t=x, clip_value_min=0.0, clip_value_max=0.5),
        lambda x: np.where(x > 0.5, 0.5, 0),
    ),
    "a clip that broadcasts": (
        lambda x: tf.minimum(x[:, :1], NUMBERS),
        lambda x: np.where(x[:1] > NUMBERS, NUMBERS, 0),
    ),
    "straight through": (lambda x: x + tf.stop_gradient(tf.round(x) - x), lambda x: np.round(x) - x),
    "a comparison": (lambda x: x + tf.cast(x > 0, tf.float32), lambda x: x > 0),
}
# Functions that add nothing, or nothing that can be told from their operands.
ADDING_NOTHING = {
    "features": lambda x: x + 2 * x,
    "zero": lambda x: x + 0.0,
    "zeros": lambda x: x - tf.zeros(SHAPE),
    "zeros like the image": lambda x: tf.where(x > 0, x, tf.zeros_like(x)),
    "a ReLU": lambda x: tf.maximum(x, 0),
    "the larger": lambda x: tf.maximum(x, 2 * x),
    "a clip by features": lambda x: tf.raw_ops.ClipByValue(
        t=x, clip_value_min=-1.0, clip_value_max=tf.reduce_max(x) / 2
    ),
    "a product": lambda x: x * NUMBERS,
    "zero padding": lambda x: tf.pad(x, [[0, 0], [1, 0], [0, 2], [0, 0]]),
    "concatenated features": lambda x: tf.concat([x, -x], -1),
    "a smooth nonlinearity": lambda x: tf.nn.silu(x),
}


def network_of(function):
    """The sum of a function of the image, weighted so that every place counts another."""

    def total(x):
        result = function(x)
        weights = np.linspace(1, 2, int(np.prod(result.shape[1:])), dtype=np.float32)[:, np.newaxis]
        return tf.reshape(result, [-1, len(weights)]) @ tf.constant(np.hstack([weights, -weights]))

    image = layers.Input(SHAPE)
    return tfviz.trace(keras.Model(image, layers.Lambda(total, output_shape=(2,), name="total")(image)))


def passed(network, images, targets=0):
    """The bias terms of a batch by name: b as wide as its result, and ∂score/∂result."""

    @tf.function
    def run(images):
        return [
            term[1:] for term in passes_of(network, images, tf.fill([len(images)], targets), [Gradient(BIASES)]).biases
        ]

    found = [(np.broadcast_to(b, g.shape), g.numpy()) for b, g in run(tf.constant(images))]
    return {bias.name: term for bias, term in zip(find_biases(network), found, strict=True)}


@pytest.mark.parametrize("kind", ADDING)
def test_what_an_operation_adds(kind):
    function, expected = ADDING[kind]
    ((name, (tensor, _)),) = passed(network_of(function), IMAGES).items()
    assert name.startswith("total")
    for image, found in zip(IMAGES, tensor, strict=True):
        np.testing.assert_allclose(found, np.broadcast_to(expected(image), found.shape), rtol=1e-5, atol=1e-6)
    assert tensor.any()


@pytest.mark.parametrize("target, sign", [(0, 1), (1, -1)])
def test_the_gradient_is_that_of_the_result(target, sign):
    ((_, gradient),) = passed(network_of(lambda x: tf.nn.relu(x + NUMBERS)), IMAGES, target).values()
    weights = sign * np.linspace(1, 2, NUMBERS.size).reshape(SHAPE)
    np.testing.assert_allclose(gradient, np.where(IMAGES + NUMBERS > 0, weights, 0), rtol=1e-6)


@pytest.mark.parametrize("kind", ADDING_NOTHING)
def test_what_adds_nothing(kind):
    assert find_biases(network_of(ADDING_NOTHING[kind])) == ()


def test_a_bound_that_is_met_counts_once():
    """At a tie TensorFlow's gradient goes through one operand: b is the bound exactly where it does not go back."""
    x = np.full((1, *SHAPE), 0.5, np.float32)
    x[0, 0] = 0.25
    for function in (lambda x: tf.minimum(x, 0.5), lambda x: tf.minimum(0.5, x), lambda x: tf.nn.relu6(12 * x)):
        network = network_of(function)
        ((tensor, gradient),) = passed(network, x).values()
        total = (tensor * gradient).sum() + (x * tfviz.gradient(network, x, 0)).sum()
        np.testing.assert_allclose(total, network.logits(x)[0, 0], rtol=1e-6)


def test_only_what_the_score_is_made_of_counts():
    image = layers.Input(SHAPE)
    x = layers.Conv2D(2, 3, name="shared")(image)
    outputs = [layers.Conv2D(2, 1, name=name)(x) for name in ("used", "unused")]
    model = randomise(keras.Model(image, outputs))
    network = tfviz.trace(model, score=lambda outputs: tf.reduce_sum(outputs[0], [1, 2, 3]))
    assert [bias.name for bias in find_biases(network)] == ["shared", "used"]


NAMES = {
    "nested": ["rescale", "conv1", "norm", "conv2", "scores"],
    "subclassed": ["conv1", "conv2", "scores"],
    "shared_layer": ["stem", "conv:0", "conv:1", "scores"],
    "residual": ["stem", "block1_conv", "block1_bn", "block2_conv", "block2_bn", "scores"],
    "relu6": ["conv1", "relu1", "conv2", "relu2", "scores"],
    "relu5": ["conv1", "relu1", "conv2", "relu2", "scores"],
    "depthwise": ["stem", "depthwise", "norm/add", "norm/add_1", "expand", "reduce", "scores"],
    "recurrent": ["conv", "scores"],
    "open_size": ["conv1", "conv2", "scores"],
}


@pytest.mark.parametrize("kind", NAMES)
def test_names(kind):
    assert [bias.name for bias in find_biases(tfviz.trace(model_of(kind)))] == NAMES[kind]


@pytest.mark.parametrize("kind", ["nested", "residual", "relu6", "shared_layer", "depthwise"])
def test_a_saved_model_has_the_same_names(kind, loaded):
    assert [bias.name for bias in find_biases(tfviz.trace(loaded(kind)))] == NAMES[kind]


def test_several_biases_of_one_layer_and_of_none():
    @tf.function
    def twice(x):
        return x + 1.0

    image = layers.Input(SHAPE)
    x = layers.Conv2D(2, 1, activation="relu6", name="conv")(image)
    x = layers.Lambda(lambda x: twice(twice(x)), name="twice")(x)
    blocks = [
        keras.Sequential([layers.Input((4, 5, 2)), layers.Conv2D(2, 1, name="inner")], name=name) for name in "ab"
    ]
    x = blocks[1](blocks[0](x))
    found = find_biases(tfviz.trace(keras.Model(image, layers.Dense(2, name="scores")(layers.Flatten()(x)))))
    added = found[0].step.name.rpartition("/")[2]
    assert added in ("BiasAdd", "add")  # as this or an older Keras adds it
    assert [bias.name for bias in found] == [
        f"conv/{added}",
        "conv/Relu6",
        "twice/add:0",
        "twice/add:1",
        "a/inner",
        "b/inner",
        "scores",
    ]
    assert [bias.is_clip for bias in found] == [False, True, *[False] * 5]
    assert [bias.is_map for bias in found] == [*[True] * 6, False]
    assert repr(found[1]) == "Bias('conv/Relu6', Relu6)"


def test_a_map_of_one_place_has_no_extent():
    image = layers.Input(SHAPE)
    x = layers.GlobalAveragePooling2D(keepdims=True)(layers.Conv2D(2, 1, name="conv")(image))
    x = layers.Flatten()(layers.Conv2D(2, 1, name="excite")(x))
    found = find_biases(tfviz.trace(keras.Model(image, x)))
    assert {bias.name: bias.is_map for bias in found} == {"conv": True, "excite": False}
