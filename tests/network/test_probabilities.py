"""Probabilities that are made of several softmaxes and sigmoids: read as what they are, explained by their log odds.

The oracle is the plain formula in extended precision, whose numbers may be far beyond what float32 tells from 0 and 1.
"""

from __future__ import annotations

import functools
import itertools
import json

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import distance
from support.thinning import by_day, every, spread

import tfviz
from tfviz.errors import TfvizWarning
from tfviz.methods.adversarial.ascent import log_odds

SHAPE = (4, 4, 3)
LOGITS = 6
EXTENDED = np.longdouble


def images(scale=1.0, count=6):
    return (scale * np.random.default_rng(1).normal(size=(count, *SHAPE))).astype(np.float32)


def dense(count, seed, flat, **options):
    return layers.Dense(count, kernel_initializer=keras.initializers.RandomNormal(stddev=1, seed=seed), **options)(flat)


def model_of(head, count=LOGITS):
    """A model that ends in what `head` makes of `count` logits, and the model of these."""
    image = layers.Input(SHAPE)
    logits = dense(count, 0, layers.Flatten()(image), name="logits")
    return keras.Model(image, layers.Lambda(head)(logits)), keras.Model(image, logits)


def sigmoid(values):
    return 1 / (1 + np.exp(-EXTENDED(values)))


def softmax(values):
    powers = np.exp(EXTENDED(values) - EXTENDED(values).max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def two(values):
    return values[..., :3], values[..., 3:]


WEIGHTS = np.float32([0.25, 0.75])
CHOSEN = np.float32([[1, 0], [0, 1], [1, 0]])
ORDER = [0.5, 0.1, -0.2, -1.0, -1.5]


def normalised(values):
    return values / tf.reduce_sum(values, 1, keepdims=True)


def in_order(values):
    """Cumulative logits of an ordinal head: one number of the image and a threshold for each step."""
    return values[..., :1] + np.float32(ORDER)


def steps_between(above, one, zero, join):
    """The probabilities of ordered classes, of those of being above each threshold."""
    return join([one, above], 1) - join([above, zero], 1)


# What is made of the logits, with TensorFlow and in extended precision.
HEADS = {
    "mean": (
        lambda z: tf.raw_ops.Add(x=tf.nn.softmax(z[:, :3]), y=tf.nn.softmax(z[:, 3:])) / 2,
        lambda z: (softmax(z[:, :3]) + softmax(z[:, 3:])) / 2,
    ),
    "mean of a stack": (
        lambda z: tf.reduce_mean(tf.stack([tf.sigmoid(part) for part in two(z)], 1), 1),
        lambda z: (sigmoid(z[:, :3]) + sigmoid(z[:, 3:])) / 2,
    ),
    "sum of shares": (
        lambda z: tf.add_n([WEIGHTS[0] * tf.nn.softmax(z[:, :3]), WEIGHTS[1] * tf.nn.softmax(z[:, 3:])]),
        lambda z: softmax(z[:, :3]) / 4 + softmax(z[:, 3:]) * 3 / 4,
    ),
    "sum of a stack of shares": (
        lambda z: tf.reduce_sum(tf.nn.softmax(tf.reshape(z, [-1, 2, 3])) * WEIGHTS[:, None], 1),
        lambda z: softmax(z[:, :3]) / 4 + softmax(z[:, 3:]) * 3 / 4,
    ),
    "crops": (
        lambda z: tf.reduce_mean(tf.reshape(tf.nn.softmax(tf.reshape(z, [-1, 3])), [-1, 2, 3]), 1),
        lambda z: (softmax(z[:, :3]) + softmax(z[:, 3:])) / 2,
    ),
    "crops of each image": (
        lambda z: tf.reduce_mean(tf.reshape(tf.sigmoid(tf.reshape(z, [-1, 3])), [tf.shape(z)[0], 2, 3]), 1),
        lambda z: (sigmoid(z[:, :3]) + sigmoid(z[:, 3:])) / 2,
    ),
    "experts": (
        lambda z: tf.reduce_sum(tf.nn.softmax(z[:, :2])[:, :, None] * tf.nn.softmax(tf.reshape(z, [-1, 2, 3])), 1),
        lambda z: softmax(z[:, :2])[:, :1] * softmax(z[:, :3]) + softmax(z[:, :2])[:, 1:] * softmax(z[:, 3:]),
    ),
    "experts, multiplied as matrices": (
        lambda z: tf.matmul(tf.nn.softmax(z[:, None, :2]), tf.sigmoid(tf.reshape(z, [-1, 2, 3])))[:, 0],
        lambda z: softmax(z[:, :2])[:, :1] * sigmoid(z[:, :3]) + softmax(z[:, :2])[:, 1:] * sigmoid(z[:, 3:]),
    ),
    "groups of classes": (
        lambda z: tf.matmul(tf.nn.softmax(z[:, :3]), CHOSEN),
        lambda z: np.stack([softmax(z[:, :3])[:, ::2].sum(1), softmax(z[:, :3])[:, 1]], 1),
    ),
    "product": (lambda z: tf.sigmoid(z[:, :3]) * tf.sigmoid(z[:, 3:]), lambda z: sigmoid(z[:, :3]) * sigmoid(z[:, 3:])),
    "square": (lambda z: tf.square(tf.sigmoid(z)), lambda z: sigmoid(z) ** 2),
    "product along": (
        lambda z: tf.reduce_prod(tf.reshape(tf.sigmoid(z), [-1, 3, 2]), 1),
        lambda z: sigmoid(z).reshape(-1, 3, 2).prod(1),
    ),
    "cumulative product": (lambda z: tf.math.cumprod(tf.sigmoid(z), 1), lambda z: sigmoid(z).cumprod(1)),
    "cumulative product from behind": (
        lambda z: tf.math.cumprod(tf.sigmoid(z), 1, exclusive=True, reverse=True)[:, :-1],
        lambda z: sigmoid(z)[:, :0:-1].cumprod(1)[:, ::-1],
    ),
    "hierarchy": (
        lambda z: tf.concat([1 - tf.sigmoid(z[:, :1]), tf.sigmoid(z[:, :1]) * tf.nn.softmax(z[:, 1:])], 1),
        lambda z: np.concatenate([sigmoid(-z[:, :1]), sigmoid(z[:, :1]) * softmax(z[:, 1:])], 1),
    ),
    "ordinal": (
        lambda z: steps_between(tf.sigmoid(in_order(z)), tf.ones_like(z[:, :1]), tf.zeros_like(z[:, :1]), tf.concat),
        lambda z: steps_between(sigmoid(in_order(z)), np.ones_like(z[:, :1]), np.zeros_like(z[:, :1]), np.concatenate),
    ),
    "a sigmoid that is written out": (lambda z: 1 / (1 + tf.exp(-z)), sigmoid),
    "one of two powers": (lambda z: 1 / (tf.exp(z) + 1), lambda z: sigmoid(-z)),
    "product along two axes": (
        lambda z: tf.reduce_prod(tf.sigmoid(tf.reshape(z, [-1, 2, 1, 3])), [1, 2]),
        lambda z: sigmoid(z[:, :3]) * sigmoid(z[:, 3:]),
    ),
    "noisy or": (
        lambda z: 1 - (1 - tf.sigmoid(z[:, :3])) * (1 - tf.sigmoid(z[:, 3:])),
        lambda z: 1 - sigmoid(-z[:, :3]) * sigmoid(-z[:, 3:]),
    ),
    "largest": (
        lambda z: tf.maximum(tf.sigmoid(z[:, :3]), tf.sigmoid(z[:, 3:])),
        lambda z: np.maximum(sigmoid(z[:, :3]), sigmoid(z[:, 3:])),
    ),
    "smallest": (
        lambda z: tf.minimum(tf.sigmoid(z[:, :3]), tf.sigmoid(z[:, 3:])),
        lambda z: np.minimum(sigmoid(z[:, :3]), sigmoid(z[:, 3:])),
    ),
    "largest along": (
        lambda z: tf.reduce_max(tf.sigmoid(tf.reshape(z, [-1, 2, 3])), 1),
        lambda z: np.maximum(sigmoid(z[:, :3]), sigmoid(z[:, 3:])),
    ),
    "smallest along": (
        lambda z: tf.reduce_min(tf.sigmoid(tf.reshape(z, [-1, 2, 3])), 1),
        lambda z: np.minimum(sigmoid(z[:, :3]), sigmoid(z[:, 3:])),
    ),
    "normalised": (
        lambda z: normalised(tf.nn.softmax(z[:, :3]) * tf.nn.softmax(z[:, 3:])),
        lambda z: softmax(z[:, :3] + z[:, 3:]),
    ),
    "normalised roots": (
        lambda z: normalised(tf.sqrt(tf.nn.softmax(z))),
        lambda z: softmax(z / 2),
    ),
    "written out": (lambda z: normalised(tf.exp(z - tf.reduce_max(z, 1, keepdims=True))), softmax),
    "sharpened": (
        lambda z: tf.math.divide_no_nan(tf.pow(tf.nn.softmax(z), 3.0), 1.0),
        lambda z: softmax(z) ** 3,
    ),
    "with nothing beside": (
        lambda z: tf.pad(1 - (1 - tf.sigmoid(z)) / 2, [[0, 0], [1, 0]])[:, 1:],
        lambda z: (1 + sigmoid(z)) / 2,
    ),
    "padded with ones": (
        lambda z: tf.pad(tf.math.cumprod(tf.sigmoid(z), 1), [[0, 0], [1, 0]], constant_values=1)[:, 1:],
        lambda z: sigmoid(z).cumprod(1),
    ),
    "clipped": (lambda z: tf.clip_by_value(tf.sigmoid(z), 1e-7, 1 - 1e-7), sigmoid),
    "smoothed": (lambda z: 0.94 * tf.nn.softmax(z) + 0.01, lambda z: softmax(z) * np.float32(0.94) + np.float32(0.01)),
    "sums of classes": (
        lambda z: tf.stack([tf.reduce_sum(tf.nn.softmax(z[:, :3])[:, :2], 1), tf.nn.softmax(z[:, :3])[:, 2]], 1),
        lambda z: np.stack([softmax(z[:, :3])[:, :2].sum(1), softmax(z[:, :3])[:, 2]], 1),
    ),
    "some classes": (lambda z: tf.nn.softmax(z)[:, 1:4], lambda z: softmax(z)[:, 1:4]),
    "one of two classes": (lambda z: tf.nn.softmax(z[:, :2])[:, 1:], lambda z: softmax(z[:, :2])[:, 1:]),
    "not": (lambda z: 1 - tf.sigmoid(z), lambda z: sigmoid(-z)),
    "both": (
        lambda z: tf.concat([1 - tf.sigmoid(z[:, :1]), tf.sigmoid(z[:, :1])], 1),
        lambda z: np.concatenate([sigmoid(-z[:, :1]), sigmoid(z[:, :1])], 1),
    ),
    "classes and labels": (
        lambda z: tf.concat([tf.nn.softmax(z[:, :3]), tf.sigmoid(z[:, 3:])], 1),
        lambda z: np.concatenate([softmax(z[:, :3]), sigmoid(z[:, 3:])], 1),
    ),
    "best": (lambda z: tf.math.top_k(tf.nn.softmax(z), 2)[0], lambda z: np.sort(softmax(z))[:, :-3:-1]),
}
LIMIT = 34  # where the extended precision itself ends
# Of which 1 − p is known from p alone: near 1, it is rounded as p is.
ROUNDED, FROM_P_ALONE = {"smoothed", "sums of classes"}, 4


@pytest.fixture(scope="module")
def traced():
    """The model of every head, that of its logits, and the traced network; made when it is first asked for."""
    made = {}

    def get(name):
        if name not in made:
            model, logits = model_of(HEADS[name][0])
            made[name] = model, logits, tfviz.trace(model)
        return made[name]

    return get


def expected_log_odds(name, logits):
    p = HEADS[name][1](EXTENDED(logits))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(p) - np.log1p(-p)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("scale", [0.3, 3, 9])
def test_log_odds_and_probabilities(name, scale, traced):
    model, logits, network = traced(name)
    assert network.head.kind == "log_odds"
    inputs = images(scale)
    ours = network.logits(inputs)
    expected = expected_log_odds(name, logits(inputs).numpy().astype(np.float64))
    assert np.isfinite(ours).all()
    known = expected > -LIMIT
    known &= expected < (FROM_P_ALONE if name in ROUNDED else LIMIT)
    tolerance = 1e-4 if name in ROUNDED else 2e-5
    np.testing.assert_allclose(ours[known], expected[known].astype(float), rtol=tolerance, atol=tolerance)
    said = model(inputs).numpy()
    found = network.head.probabilities(tf.constant(ours)).numpy()
    np.testing.assert_allclose(found[:, -said.shape[1] :], said, atol=4e-7)
    assert (network.num_classes, network.head.is_binary) == (
        (2, True) if said.shape[1] == 1 else (said.shape[1], False)
    )


@pytest.mark.parametrize("name", by_day(HEADS, every(HEADS, 3)))
def test_gradients_of_log_odds(name, traced):
    """The kernel of the logits times slow differences in extended precision, far beyond where float32 saturates."""
    _, logits, network = traced(name)
    inputs = images(2, 4)
    kernel = logits.get_layer("logits").get_weights()[0].astype(np.float64)
    at = logits(inputs).numpy().astype(EXTENDED)
    slopes, step = [], EXTENDED(1e-3)
    for index in range(LOGITS):
        moved = step * np.eye(LOGITS)[index]
        slopes.append((expected_log_odds(name, at + moved) - expected_log_odds(name, at - moved)) / (2 * step))
    value = expected_log_odds(name, at)
    for target in range(value.shape[1]):
        ours = tfviz.gradient(network, inputs, 1 if network.head.is_binary else target).reshape(len(inputs), -1)
        expected = np.stack(slopes, -1)[:, target].astype(np.float64) @ kernel.T
        # Where the order of two parts changes within the step, the differences are none of either.
        known = abs(value[:, target]) < (FROM_P_ALONE if name in ROUNDED else 24)
        np.testing.assert_allclose(ours[known], expected[known], rtol=5e-3, atol=5e-3)


# Only put together: the logits themselves.

MOVES = {
    "concatenated": lambda x: tf.concat([x[:, 3:], x[:, :2]], 1),
    "stacked": lambda x: tf.stack(tf.unstack(x, axis=1)[::-1], 1),
    "split": lambda x: tf.concat(tf.split(x, 3, 1)[::-1], 1),
    "split in parts": lambda x: tf.split(x, [2, 4], 1)[1],
    "chosen": lambda x: tf.gather(x, [4, 0, 0], axis=1),
    "chosen one by one": lambda x: tf.transpose(tf.gather_nd(tf.transpose(x), [[3], [1]])),
    "cut out": lambda x: tf.slice(x, [0, 2], [-1, 3]),
    "reversed": lambda x: tf.reverse(x, [1]),
    "rows of pairs": lambda x: tf.reshape(tf.transpose(tf.reshape(x, [-1, 3, 2]), [0, 2, 1]), [-1, 6]),
    "with an axis": lambda x: tf.squeeze(tf.expand_dims(x, 1), 1)[:, ::2],
    "repeated": lambda x: tf.tile(x, [1, 2]),
    "spread": lambda x: tf.broadcast_to(x[:, None, :1], [tf.shape(x)[0], 2, 1])[..., 0],
    "of a known shape": lambda x: tf.ensure_shape(tf.identity(x)[:, :4], [None, 4]),
    "held": lambda x: tf.stop_gradient(x),
    "in double precision": lambda x: tf.cast(tf.cast(x, tf.float64)[:, :3], tf.float32),
}


@pytest.mark.parametrize("name", MOVES)
def test_the_logits_of_labels_that_are_put_together(name):
    model, logits = model_of(lambda z: MOVES[name](tf.sigmoid(z)))
    network = tfviz.trace(model)
    assert network.head.kind == "sigmoid"
    inputs = images(9)
    expected = MOVES[name](logits(inputs)).numpy()
    np.testing.assert_allclose(network.logits(inputs), expected, rtol=1e-6)
    probabilities = network.head.probabilities(network.logits(inputs)).numpy()[:, -expected.shape[1] :]
    np.testing.assert_allclose(probabilities, model(inputs), rtol=1e-5)


GROUPS = {
    "flattened pairs": (lambda x, f: tf.reshape(f(tf.reshape(x, [-1, 3, 2])), [-1, 6]), (0, 0, 1, 1, 2, 2)),
    "pairs in columns": (
        lambda x, f: tf.reshape(tf.transpose(f(tf.reshape(x, [-1, 3, 2])), [0, 2, 1]), [-1, 6]),
        (0, 1, 2, 0, 1, 2),
    ),
    "of two sizes": (lambda x, f: tf.concat([f(x[:, :2]), f(x[:, 2:])], 1), (0, 0, 1, 1, 1, 1)),
    "the second first": (lambda x, f: tf.concat([f(x[:, 2:]), f(x[:, :2])], 1), (1, 1, 1, 1, 0, 0)),
    "in another order": (lambda x, f: tf.gather(f(x), [3, 1, 2, 0, 5, 4], axis=1), None),
    "along another axis": (lambda x, f: tf.transpose(f(tf.transpose(x[:, None], [0, 1, 2])), [0, 2, 1])[..., 0], None),
}


@pytest.mark.parametrize("name", GROUPS)
def test_the_logits_of_softmaxes_that_are_put_together(name):
    head, groups = GROUPS[name]
    model, logits = model_of(lambda z: head(z, tf.nn.softmax))
    network = tfviz.trace(model)
    assert network.head.kind == "softmax"
    inputs = images(9)
    ours, said = network.logits(inputs), model(inputs).numpy()
    np.testing.assert_allclose(ours, head(logits(inputs), tf.identity), rtol=1e-6)
    np.testing.assert_allclose(network.head.probabilities(ours), said, rtol=1e-5, atol=1e-30)
    if groups is not None:
        same = np.equal.outer(groups, groups)
        np.testing.assert_array_equal(np.equal.outer(network.head.groups, network.head.groups), same)
    else:
        assert network.head.groups is None


def test_the_best_class_of_several_softmaxes_is_the_most_probable():
    """Their logits are in no order: those of the first are larger, and yet say less."""
    model, _ = model_of(lambda z: tf.concat([tf.nn.softmax(z[:, :3] / 100 + 50), tf.nn.softmax(z[:, 3:])], 1))
    inputs = images(3)
    found = tfviz.explain(model, inputs, methods="saliency", top=2)
    order = np.argsort(-model(inputs).numpy(), axis=1)
    np.testing.assert_array_equal(found.targets.reshape(-1, 2)[:, 0], order[:, 0])
    assert (found.targets >= 3).any()
    single = tfviz.explain(model, inputs, methods="saliency")
    np.testing.assert_array_equal(single.targets, order[:, 0])


@pytest.mark.parametrize(
    "head",
    [
        lambda z: tf.nn.softmax(z),
        lambda z: tf.sigmoid(z),
        lambda z: tf.concat([tf.nn.softmax(z[:, :2]), tf.nn.softmax(z[:, 2:])], 1),
        lambda z: (tf.nn.softmax(z[:, :3]) + tf.nn.softmax(z[:, 3:])) / 2,
    ],
)
def test_attacks_climb_the_log_odds_of_every_head(head):
    model, _ = model_of(head)
    network, inputs = tfviz.trace(model), images(0.3)
    p = model(inputs).numpy().astype(float)
    for index in range(p.shape[1]):
        ours = log_odds(network.head, tf.constant(network.logits(inputs)), tf.fill([len(p)], index))
        np.testing.assert_allclose(ours, np.log(p / (1 - p))[:, index], rtol=1e-3, atol=1e-3)


def test_a_mean_over_places_of_an_open_size():
    image = layers.Input((None, None, 3))
    logits = layers.Conv2D(4, 3, name="conv")(image)
    model = keras.Model(image, layers.GlobalAveragePooling2D()(layers.Softmax()(logits)))
    inputs = np.random.default_rng(0).normal(size=(2, 9, 7, 3)).astype(np.float32)
    network = tfviz.trace(model)
    assert network.head.kind == "log_odds"
    p = softmax(keras.Model(image, logits)(inputs)).mean(axis=(1, 2))
    np.testing.assert_allclose(network.logits(inputs), np.log(p / (1 - p)).astype(float), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype, tolerance", [("mixed_float16", 3e-3), ("mixed_bfloat16", 2e-2)])
def test_a_mean_in_mixed_precision(dtype, tolerance):
    image = layers.Input(SHAPE)
    flat = layers.Flatten()(image)
    parts = [dense(3, seed, flat, activation="softmax", dtype=dtype) for seed in range(2)]
    model = keras.Model(image, layers.Activation("linear", dtype="float32")(layers.Average(dtype=dtype)(parts)))
    network = tfviz.trace(model)
    assert network.head.kind == "log_odds"
    found = network.head.probabilities(network.logits(images()))
    np.testing.assert_allclose(found, model(images()), atol=tolerance)


class LearnedMean(layers.Layer):
    """A mean whose weights are learned, as the softmax of a variable."""

    def build(self, shapes):
        self.importance = self.add_weight(shape=(len(shapes),), name="importance", initializer="zeros")

    def call(self, parts):
        return tf.reduce_sum(tf.stack(parts, 1) * tf.nn.softmax(self.importance)[:, tf.newaxis], 1)


def test_a_mean_with_learned_weights_reads_them_live():
    image = layers.Input(SHAPE)
    flat = layers.Flatten()(image)
    mean = LearnedMean()
    model = keras.Model(image, mean([dense(3, seed, flat, activation="softmax") for seed in range(2)]))
    network = tfviz.trace(model)
    for importance in ([0, 0], [3, -1]):
        mean.importance.assign(importance)
        found = network.head.probabilities(network.logits(images(0.3)))
        np.testing.assert_allclose(found, model(images(0.3)), atol=1e-6)


# What is none.

NONE = {
    "a sum of two": lambda z: tf.sigmoid(z[:, :3]) + tf.sigmoid(z[:, 3:]),
    "a sum of two softmaxes": lambda z: tf.nn.softmax(z[:, :3]) + tf.nn.softmax(z[:, 3:]),
    "a share": lambda z: 0.5 * tf.sigmoid(z),
    "a difference": lambda z: tf.nn.softmax(z[:, :3]) - tf.nn.softmax(z[:, 3:]),
    "a mean of numbers": lambda z: tf.matmul(
        tf.nn.softmax(z), tf.constant(np.linspace(0, 1, 12, dtype=np.float32)[:, None].reshape(6, 2))
    ),
    "a matrix": lambda z: tf.matmul(tf.sigmoid(z), tf.ones((6, 2))),
    "a turned matrix": lambda z: tf.matmul(tf.nn.softmax(z), tf.eye(6), transpose_b=True),
    "a gate": lambda z: tf.sigmoid(z) * z,
    "a ratio": lambda z: tf.sigmoid(z[:, :3]) / tf.sigmoid(z[:, 3:]),
    "a random number": lambda z: tf.maximum(tf.sigmoid(z), tf.random.uniform(tf.shape(z))),
    "a condition": lambda z: tf.sigmoid(z) * tf.cond(tf.shape(z)[0] > 9, lambda: 1.0, lambda: 1.0),
    "powers": lambda z: tf.exp(z),
    "small powers": lambda z: tf.exp(-tf.square(z)),
    "two less": lambda z: 2 - tf.sigmoid(z),
}


@pytest.mark.filterwarnings("ignore:the score depends on random numbers:tfviz.errors.TfvizWarning")
@pytest.mark.parametrize("name", NONE)
def test_other_numbers_stay_raw(name):
    network = tfviz.trace(model_of(NONE[name])[0])
    assert network.head.kind == "none"


@pytest.mark.parametrize("function", [tf.nn.softmax, tf.sigmoid])
@pytest.mark.parametrize("inner", [tf.nn.softmax, lambda z: tf.nn.softmax(z[:, :3]) / 2 + tf.nn.softmax(z[:, 3:]) / 2])
def test_a_second_softmax_is_warned_about(inner, function):
    model, _ = model_of(lambda z: function(inner(z)))
    with pytest.warns(TfvizWarning, match="takes a softmax or sigmoid of probabilities that another one made"):
        network = tfviz.trace(model)
    inputs = images()
    np.testing.assert_allclose(network.head.probabilities(network.logits(inputs)), model(inputs), rtol=1e-5)


def test_a_softmax_after_a_layer_is_no_second_one():
    image = layers.Input(SHAPE)
    hidden = dense(8, 0, layers.Flatten()(image), activation="sigmoid")
    tfviz.trace(keras.Model(image, dense(3, 1, hidden, activation="softmax")))


# In every method and form, and on the command line.


def photographs_model(head):
    """A model of pictures of 0 to 255 with a convolution, saturated."""
    keras.utils.set_random_seed(0)
    image = layers.Input((16, 16, 3))
    maps = layers.Conv2D(4, 3, activation="relu", name="conv")(layers.Rescaling(1 / 32)(image))
    return keras.Model(image, head(layers.GlobalAveragePooling2D()(maps)))


def labels_side_by_side(features):
    return layers.Concatenate()([dense(1, seed, features, activation="sigmoid") for seed in range(3)])


def mean_of_classifiers(features):
    return layers.Average()([dense(3, seed, features, activation="softmax") for seed in range(3)])


def pairs_side_by_side(features):
    return layers.Flatten()(layers.Softmax()(layers.Reshape((2, 2))(dense(4, 0, features))))


FORMS = ["live", "exported", "saved"]
SERVED = {
    "sigmoid": labels_side_by_side,
    "log_odds": mean_of_classifiers,
    "softmax": pairs_side_by_side,
}
PICTURES = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Give a model, or the folder of its SavedModel by Keras or by TensorFlow."""

    @functools.cache
    def live(kind):
        return photographs_model(SERVED[kind])

    @functools.cache
    def open_form(kind, form):
        if form == "live":
            return live(kind)
        folder = str(tmp_path_factory.mktemp(kind) / form)
        if form == "exported":
            live(kind).export(folder)
        else:
            tf.saved_model.save(live(kind), folder)
        return folder

    return open_form


@pytest.mark.parametrize("kind, form", by_day(itertools.product(SERVED, FORMS), spread(SERVED, FORMS)))
def test_probabilities_are_what_the_model_says_in_every_form(kind, form, served):
    found = tfviz.explain(served(kind, form), PICTURES, 1, methods="saliency")
    assert found.head == kind
    assert found.scored_by.startswith("the log odds of" if kind == "log_odds" else f"the logit before the {kind}")
    np.testing.assert_allclose(found.probabilities, served(kind, "live")(PICTURES), rtol=1e-4, atol=1e-7)
    assert found.maps["saliency"].any(axis=(1, 2)).all()


@pytest.mark.parametrize("kind", SERVED)
def test_no_softmax_is_applied_to_probabilities(kind, served):
    model = served(kind, "live")
    ours = tfviz.occlusion(model, PICTURES, 1, patch=8)
    assert distance(ours, occluded(lambda images: model(images).numpy()[:, 1], PICTURES, 8, 4)) < 1e-3


@pytest.mark.parametrize("name, options", [("rise", {"masks": 3}), ("score_cam", {"layer": "conv"})])
def test_other_methods_watch_the_probability_itself(name, options, served):
    model, method = served("log_odds", "live"), getattr(tfviz, name)
    itself = tfviz.trace(model, score=tfviz.scores.class_score(1))
    assert distance(method(model, PICTURES, 1, **options), method(itself, PICTURES, **options)) < 1e-4


def occluded(probability, images, patch, stride):
    """The slow, obvious way."""
    total, count = np.zeros(images.shape[:3]), np.zeros(images.shape[1:3])
    for top in range(0, images.shape[1] - patch + 1, stride):
        for left in range(0, images.shape[2] - patch + 1, stride):
            place = np.s_[:, top : top + patch, left : left + patch]
            hidden = images.copy()
            hidden[place] = images.mean(axis=(1, 2), keepdims=True)
            total[place] += (probability(images) - probability(hidden))[:, None, None]
            count[place[1:]] += 1
    return total / count


@pytest.mark.parametrize("kind, name", [("softmax", "saliency"), ("log_odds", "occlusion")])
def test_an_export_scores_as_its_network(kind, name, served, tmp_path):
    tfviz.export(served(kind, "live"), tmp_path / "export", [name])
    loaded = tf.saved_model.load(str(tmp_path / "export"))
    found = loaded.signatures[name](images=tf.constant(PICTURES), targets=tf.constant([-1]))
    expected = tfviz.explain(served(kind, "live"), PICTURES, methods=name)
    np.testing.assert_array_equal(found["targets"], expected.targets)
    np.testing.assert_allclose(found["scores"], expected.scores, rtol=1e-5)
    np.testing.assert_allclose(found["maps"], expected.maps[name], rtol=1e-4, atol=1e-6)
    said = json.loads((tmp_path / "export" / "assets.extra" / "manifest.json").read_text())["score"]
    assert said == {"head": kind, "meaning": expected.scored_by}


@pytest.mark.parametrize("kind", SERVED)
def test_the_command_line_says_what_the_model_says(kind, served, run, tmp_path):
    cv2.imwrite(str(tmp_path / "picture.png"), PICTURES[0, ..., ::-1])
    arguments = "--preprocess", "0..255", "--method", "saliency", "--target", 1, "--save-maps", "--output", "found"
    status, printed, _ = run("explain", "picture.png", "--model", served(kind, "exported"), *arguments)
    assert status == 0
    probabilities = served(kind, "live")(PICTURES[:1]).numpy()[0]
    listed = [line.split() for line in printed.splitlines() if "class " in line and "explained" not in line]
    rows = {
        int(words[words.index("class") + 1]): words for words in listed if words[words.index("class") + 1].isdigit()
    }
    order = [int(index) for index in rows]
    assert order[: len(probabilities)] == np.argsort(-probabilities, kind="stable").tolist()
    for index, words in rows.items():
        assert f"{probabilities[index]:.4f}" in words
    assert ("log odds" in printed) == (kind == "log_odds")
    (entry,) = json.loads((tmp_path / "found" / "manifest.json").read_text())["results"]
    assert entry["probability"] == pytest.approx(float(probabilities[1]), rel=1e-4)


# Raw outputs.


@pytest.mark.parametrize("name, options", [("occlusion", {}), ("rise", {"masks": 2}), ("score_cam", {})])
def test_what_watches_the_softmax_of_raw_outputs_says_so(name, options):
    model = photographs_model(lambda features: dense(3, 0, features))
    with pytest.warns(TfvizWarning, match="raw outputs are taken for logits .* their softmax"):
        getattr(tfviz, name)(model, PICTURES, 1, **options)


def test_nothing_is_said_of_one_raw_output_or_of_a_gradient():
    tfviz.occlusion(photographs_model(lambda features: dense(1, 0, features)), PICTURES)
    tfviz.saliency(photographs_model(lambda features: dense(3, 0, features)), PICTURES, 1)


def test_a_warning_within_another_method_is_said():
    model = photographs_model(lambda features: dense(3, 0, features))
    with pytest.warns(TfvizWarning, match="their softmax") as caught:
        tfviz.smooth_grad(model, PICTURES, 1, samples=2, of="rise", options={"masks": 2})
    assert len(caught) == 1


# Several outputs.


def test_the_hint_about_several_outputs_names_the_one_with_a_softmax():
    image = layers.Input(SHAPE)
    features = layers.Flatten()(image)
    outputs = {
        "age": dense(1, 0, features),
        "box": dense(4, 0, features),
        "index": layers.Lambda(lambda x: tf.argmax(x, 1))(features),
        "kind": dense(3, 0, features, activation="softmax"),
        "labels": dense(3, 0, features, activation="sigmoid"),
    }

    def hint(*names):
        with pytest.raises(tfviz.UnsupportedModelError) as caught:
            tfviz.trace(keras.Model(image, {name: outputs[name] for name in names}))
        return str(caught.value)

    assert "trace(model, output='kind')" in hint("age", "box", "index", "kind", "labels")
    assert "trace(model, output='labels')" in hint("age", "index", "labels")
    assert "trace(model, output='age')" in hint("index", "age")


def test_the_best_classes_of_a_model_that_gives_no_others():
    image = layers.Input(SHAPE)
    p = dense(5, 0, layers.Flatten()(image), activation="softmax")
    best = layers.Lambda(lambda p: tuple(tf.math.top_k(p, 2)))(p)
    model = keras.Model(image, {"values": best[0], "indices": best[1]})
    with pytest.raises(tfviz.UnsupportedModelError, match="output='values'"):
        tfviz.trace(model)
    found = tfviz.explain(tfviz.trace(model, output="values"), images(), 0, methods="saliency")
    np.testing.assert_allclose(found.probabilities, model(images())["values"], rtol=1e-5)
    with pytest.raises(tfviz.UnsupportedModelError, match="what with score=") as caught:
        tfviz.trace(keras.Model(image, [best[1], best[1] + 1]))
    assert "output=" not in str(caught.value)
