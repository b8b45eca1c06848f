"""Nonlinearities of every make: what of them may be dead wakes, and what passes a gradient keeps it."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.thinning import by_day, spread

import tfviz
from tfviz.network.replay.waking import find_activations, waking

SHAPE = (3, 3, 2)
WEIGHTS = np.random.default_rng(0).normal(size=(18, 2)).astype(np.float32)
activations = keras.activations

# What blocks everything below some value, and the lowest that it lets through.
RISING = {
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "ReLU(5)": layers.ReLU(5),
    "ReLU(threshold=1)": layers.ReLU(threshold=1),
    "ReLU(4, threshold=1)": layers.ReLU(4, threshold=1),
    "maximum of x": lambda x: tf.maximum(x, 0.0),
    "maximum of 0": lambda x: tf.maximum(0.0, x),
    "clip": lambda x: tf.clip_by_value(x, -1.0, 6.0),
    "clip of Keras": lambda x: keras.ops.clip(x, -1, 1),
    "ClipByValue": lambda x: tf.raw_ops.ClipByValue(t=x, clip_value_min=-1.0, clip_value_max=6.0),
    "minimum of maximum": lambda x: tf.minimum(tf.maximum(x, 0.0), 6.0),
    "difference of relus": lambda x: tf.nn.relu(x) - tf.nn.relu(x - 6),
    "where above": lambda x: tf.where(x > 1, x, tf.zeros_like(x)),
    "where below": lambda x: tf.where(x < 0, 0.0, x),
    "where not": lambda x: tf.where(tf.logical_not(x > 0), 0.0, x),
    "mask": lambda x: x * tf.cast(x >= 1, tf.float32),
    "abs": lambda x: (x + tf.abs(x)) / 2,
    "threshold of Keras": lambda x: activations.threshold(x, 1.0, 0.0),
    "hard sigmoid": activations.hard_sigmoid,
    "hard tanh": activations.hard_tanh,
    "hard swish": activations.hard_silu,
}
# What stands behind the clip, as a division, lessens the upstream gradient.
FACTORS = {"abs": 1 / 2, "hard sigmoid": 1 / 6}
# Those of them that block everything above another value, too.
CLIPPED = (
    "ReLU(5)", "ReLU(4, threshold=1)", "clip", "clip of Keras", "ClipByValue", "minimum of maximum",
    "difference of relus", "hard tanh",
)  # fmt: skip
# A gradient comes through these everywhere, though there are clips and comparisons in them.
NEVER_DEAD = {
    "PReLU": layers.PReLU(alpha_initializer=keras.initializers.Constant(0.2)),
    "leaky_relu": tf.nn.leaky_relu,
    "LeakyReLU with a threshold": layers.ReLU(negative_slope=0.1, threshold=1),
    "maximum of two slopes": lambda x: tf.maximum(x, 0.1 * x),
    "maximum and minimum": lambda x: tf.maximum(x, 0.0) + 0.2 * tf.minimum(x, 0.0),
    "where of two slopes": lambda x: tf.where(x > 0, x, 0.1 * x),
    "two masks": lambda x: x * tf.cast(x > 0, tf.float32) + 0.3 * x * tf.cast(x <= 0, tf.float32),
    "beside itself": lambda x: x + tf.nn.relu(x),
    "abs": tf.abs,
    "elu": tf.nn.elu,
    "silu": tf.nn.silu,
}


def network_of(form, shape=SHAPE):
    image = keras.Input(shape)
    x = form(image) if isinstance(form, layers.Layer) else layers.Lambda(form, output_shape=shape)(image)
    model = keras.Model(image, layers.Dense(2, use_bias=False)(layers.Flatten()(x)))
    model.layers[-1].set_weights([WEIGHTS])
    return model


def gradients(network, images, *, woken):
    """∂(the first output)/∂(the images), under the rule or as it is."""

    @tf.function(autograph=False)
    def compute(images):
        rule = waking(network.running.program, network.image) if woken else None
        with tf.GradientTape() as tape:
            tape.watch(images)
            scores = network.read_logits(network.replay(images, rule=rule))[:, 0]
        return scores, tape.gradient(scores, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return [each.numpy() for each in compute(tf.constant(images, tf.float32))]


def images_of(*values):
    """One that is awake somewhere, and one of each of the values."""
    awake = np.random.default_rng(1).uniform(-7, 7, SHAPE)
    return np.stack([awake, *(np.full(SHAPE, value) for value in values)]).astype(np.float32)


def assert_woken(network, images, expected):
    """Of the first image the gradient is its own; of the others, which have none, what is expected."""
    (scores, plain), (same, found) = (gradients(network, images, woken=woken) for woken in (False, True))
    np.testing.assert_array_equal(same, scores)
    assert plain[0].any() and not plain[1:].any()
    np.testing.assert_array_equal(found[0], plain[0])
    np.testing.assert_allclose(found[1:], np.reshape(expected, (-1, *SHAPE)), rtol=1e-6)


@pytest.mark.parametrize("name", RISING)
def test_what_is_dead_below_wakes(name):
    """By what asks for more: the positive part of the upstream gradient, which is the column of weights."""
    assert_woken(
        tfviz.trace(network_of(RISING[name])), images_of(-8), [FACTORS.get(name, 1) * np.maximum(WEIGHTS[:, 0], 0)]
    )


@pytest.mark.parametrize("name", CLIPPED)
def test_what_is_dead_above_wakes(name):
    """By what asks for less, and where some are below and some above, each as it can follow."""
    network = tfviz.trace(network_of(RISING[name]))
    images, upstream = images_of(-8, 9, 9), WEIGHTS[:, 0].reshape(SHAPE)
    images[3, 1] = -8
    mixed = np.minimum(upstream, 0)
    mixed[1] = np.maximum(upstream[1], 0)
    assert_woken(network, images, [np.maximum(upstream, 0), np.minimum(upstream, 0), mixed])


@pytest.mark.parametrize("name", NEVER_DEAD)
def test_what_is_never_dead_keeps_its_gradient(name):
    network, images = tfviz.trace(network_of(NEVER_DEAD[name])), images_of(-8, 9, -2)
    plain, found = (gradients(network, images, woken=woken)[1] for woken in (False, True))
    assert plain.any(axis=(1, 2, 3)).all()
    np.testing.assert_allclose(found, plain, rtol=1e-6)


@pytest.mark.parametrize(
    "form",
    [
        lambda x: activations.soft_shrink(x, 3.0),
        lambda x: activations.hard_shrink(x, 3.0),
    ],
)
def test_what_is_dead_in_the_middle_wakes_both_ways(form):
    assert_woken(tfviz.trace(network_of(form)), images_of(0.2), [WEIGHTS[:, 0]])


def types(network):
    return [[step.type for step in each.steps] for each in find_activations(network.program, [network.image])]


def test_a_residual_sum_is_no_part_of_an_activation():
    """Around a convolution: the ReLU before it stands for itself, as does one after the sum."""
    image = keras.Input((4, 4, 2))
    x = layers.Conv2D(2, 3, padding="same")(layers.ReLU()(image))
    model = keras.Model(image, layers.Flatten()(layers.ReLU()(layers.Add()([image, x]))))
    assert types(tfviz.trace(model)) == [["Relu"], ["Relu"]]


@pytest.mark.filterwarnings("ignore:the score depends on statistics of the whole batch:tfviz.errors.TfvizWarning")
def test_what_is_no_nonlinearity_of_one_value_is_left_alone():
    """Gates of other values, norms, attention, and the larger of two maps."""

    def form(x):
        gate = tf.nn.relu6(tf.reduce_mean(x, axis=(1, 2), keepdims=True) + 3) / 6
        other = x[:, ::-1]
        return tf.maximum(x * gate, other) + x / (1 + tf.reduce_sum(x * x))

    assert types(tfviz.trace(network_of(form))) == [["Relu6"]]


@pytest.mark.parametrize("name", ["maximum of x", "ReLU(4, threshold=1)", "PReLU"])
def test_a_saved_model_wakes_alike(tmp_path, name):
    model = network_of({**RISING, **NEVER_DEAD}[name])
    model.export(str(tmp_path))
    images = images_of(-8, 9)
    live, saved = (gradients(tfviz.trace(source), images, woken=True)[1] for source in (model, str(tmp_path)))
    np.testing.assert_array_equal(saved, live)
    assert live[1].any()


def test_inside_a_condition_and_a_loop():
    def condition(x):
        return tf.cond(tf.size(x) > 0, lambda: tf.maximum(x, 0.0), lambda: tf.clip_by_value(x, 0.0, 1.0))

    assert_woken(tfviz.trace(network_of(condition)), images_of(-8), [np.maximum(WEIGHTS[:, 0], 0)])

    def loop(x):
        return tf.while_loop(lambda i, _: i < 2, lambda i, x: (i + 1, tf.maximum(x, 0.0)), (0, x))[1]

    assert_woken(tfviz.trace(network_of(loop)), images_of(-8), [np.maximum(WEIGHTS[:, 0], 0)])


SLEEPING = ["maximum of x", "ReLU(threshold=1)", "clip of Keras"]


@pytest.mark.parametrize(
    "name, precision",
    by_day(itertools.product(SLEEPING, [None, "bfloat16"]), spread(SLEEPING, [None, "bfloat16"])),
)
def test_an_ascent_on_a_sleeping_network(name, precision):
    """All of its one unit is below what it lets through; the presets' own ascent finds out."""
    unit = RISING[name]
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(1, 1, name="before"),
            unit if isinstance(unit, layers.Layer) else layers.Lambda(unit, output_shape=(6, 6, 1)),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    model.set_weights([np.ones((1, 1, 1, 1)), np.array([-3.0]), np.ones((1, 2)), np.zeros(2)])
    network = tfviz.trace(model, precision=precision)
    options = {"pixel_range": (0, 1), "preset": "simonyan", "l2": 0.0, "normalised": True, "iterations": 80}
    with pytest.warns(tfviz.TfvizWarning, match=r"the score of class 0 never changed"):
        tfviz.class_visualization(network, 0, **options)
    awake = tfviz.class_visualization(network, 0, **options, redirect=True)
    assert awake.scores[0] > awake.history[0, 0] + 0.5
