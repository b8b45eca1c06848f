"""Logits are found behind softmax and sigmoid, in Keras and SavedModel form, and targets pick among them."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, SHAPE, linear, model_of, random_images, randomise
from support.thinning import by_day, spread

import tfviz
from tfviz.errors import InvalidTargetsError, TfvizError, UnsupportedModelError


def features(x):
    return layers.GlobalAveragePooling2D(name="pool")(layers.Conv2D(6, 3, activation="relu", name="conv")(x))


def dense(classes=CLASSES, **options):
    return layers.Dense(classes, name="scores", **options)


# The last layers of a model and what tfviz should see in them: the kind of head and the number of classes.
HEADS = {
    "dense softmax": (lambda: [dense(activation="softmax")], "softmax", CLASSES),
    "softmax layer": (lambda: [dense(), layers.Softmax()], "softmax", CLASSES),
    "softmax activation": (lambda: [dense(), layers.Activation("softmax")], "softmax", CLASSES),
    "lambda softmax": (lambda: [dense(), layers.Lambda(tf.nn.softmax, output_shape=(CLASSES,))], "softmax", CLASSES),
    "log softmax": (lambda: [dense(), layers.Activation("log_softmax")], "softmax", CLASSES),
    "dense sigmoid": (lambda: [dense(1, activation="sigmoid")], "sigmoid", 2),
    "lambda sigmoid": (lambda: [dense(1), layers.Lambda(tf.nn.sigmoid, output_shape=(1,))], "sigmoid", 2),
    "multi-label sigmoid": (lambda: [dense(activation="sigmoid")], "sigmoid", CLASSES),
    "raw": (lambda: [dense()], "none", CLASSES),
    "raw of one": (lambda: [dense(1)], "none", 1),
    "reshaped softmax": (
        lambda: [dense(), layers.Reshape((1, 1, CLASSES)), layers.Softmax(), layers.Reshape((CLASSES,))],
        "softmax",
        CLASSES,
    ),
    "cast softmax": (
        lambda: [dense(dtype="mixed_bfloat16"), layers.Activation("softmax", dtype="float32")],
        "softmax",
        CLASSES,
    ),
    "cast after softmax": (
        lambda: [
            dense(),
            layers.Activation("softmax", dtype="float64"),
            layers.Activation("linear", dtype="float32"),
        ],
        "softmax",
        CLASSES,
    ),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The model of every head, and its SavedModel."""
    built = {}

    def get(name, form):
        if name not in built:
            image = layers.Input(SHAPE)
            outputs = features(image)
            for layer in HEADS[name][0]():
                outputs = layer(outputs)
            model = randomise(keras.Model(image, outputs))
            folder = str(tmp_path_factory.mktemp("head"))
            model.export(folder)
            built[name] = {"keras": model, "saved": tf.saved_model.load(folder)}
        return built[name][form], built[name]["keras"]

    return get


def logits_of(model, images):
    """The oracle: pooled features times the last kernel."""
    pooled = keras.Model(model.input, model.get_layer("pool").output)(images).numpy()
    kernel, bias = (variable.numpy() for variable in model.get_layer("scores").weights)
    return pooled @ kernel + bias


@pytest.mark.parametrize(
    "name, form", by_day(itertools.product(HEADS, ["keras", "saved"]), spread(HEADS, ["keras", "saved"]))
)
def test_logits(name, form, models):
    opened, model = models(name, form)
    network = tfviz.trace(opened)
    _, kind, classes = HEADS[name]
    assert (network.head.kind, network.num_classes) == (kind, classes)
    images = random_images(3)
    logits = network.logits(images)
    assert logits.dtype == np.float32
    tolerance = 2e-2 if name == "cast softmax" else 1e-5
    np.testing.assert_allclose(logits, logits_of(model, images), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", HEADS)
def test_probabilities_are_what_the_model_says(name, models):
    _, model = models(name, "keras")
    network = tfviz.trace(model)
    images = random_images(3)
    said = np.asarray(tf.cast(model(images), tf.float32))
    ours = network.head.probabilities(tf.constant(network.logits(images))).numpy()
    assert network.head.has_classes == (name != "raw of one")
    if name == "raw":
        said = np.asarray(tf.nn.softmax(said))
    elif name == "raw of one":
        said = np.full((3, 1), np.nan)
    elif name == "log softmax":
        said = np.exp(said)
    elif said.shape[1] == 1:
        said = np.concatenate([1 - said, said], axis=1)
    np.testing.assert_allclose(ours, said, rtol=2e-2 if name == "cast softmax" else 1e-5, atol=1e-6)


def gradient_of_logit(model, images, index):
    """The oracle: an eager tape over the layers before the head."""
    pooled = keras.Model(model.input, model.get_layer("pool").output)
    kernel = tf.convert_to_tensor(model.get_layer("scores").weights[0])
    with tf.GradientTape() as tape:
        x = tf.constant(images)
        tape.watch(x)
        score = tf.linalg.matvec(pooled(x), kernel[:, index])
    return tape.gradient(score, x).numpy()


@pytest.mark.parametrize("name", ["dense softmax", "multi-label sigmoid", "raw", "reshaped softmax", "log softmax"])
def test_the_logit_of_the_target_is_explained(name, models):
    opened, model = models(name, "keras")
    images = random_images()
    for target in (0, CLASSES - 1):
        expected = gradient_of_logit(model, images, target)
        np.testing.assert_allclose(tfviz.gradient(opened, images, target), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("form", ["keras", "saved"])
def test_a_single_logit_is_negated_for_class_0(form, models):
    opened, model = models("dense sigmoid", form)
    images = random_images(4)
    expected = gradient_of_logit(model, images, 0)
    one, zero = (tfviz.gradient(opened, images, target) for target in (1, 0))
    np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(zero, -one)
    with pytest.raises(InvalidTargetsError, match="target 2 is out of range: the network has 2 classes, 0 to 1"):
        tfviz.gradient(opened, images, 2)


def test_the_predicted_class_of_a_single_logit():
    """A linear model whose logit is the brightness minus a half."""
    model = keras.Sequential(
        [
            layers.Input((4, 4, 1)),
            layers.GlobalAveragePooling2D(),
            layers.Dense(
                1,
                activation="sigmoid",
                kernel_initializer="ones",
                bias_initializer=lambda *_, **__: tf.constant([-0.5]),
            ),
        ]
    )
    images = np.stack([np.full((4, 4, 1), value, np.float32) for value in (0.0, 1.0, 0.4, 0.6)])
    signs = np.sign(tfviz.gradient(model, images)[:, 0, 0, 0])
    assert signs.tolist() == [-1, 1, -1, 1]


def test_scores_of_targets():
    head = tfviz.trace(model_of("functional")).head
    logits = tf.constant([[1.0, 5.0, 2.0], [4.0, 0.0, -1.0]])
    assert head.predicted(logits).numpy().tolist() == [1, 0]
    assert head.scores(logits, tf.constant([2, 2])).numpy().tolist() == [2.0, -1.0]


def test_the_prediction_of_every_image_is_its_own_target():
    model = linear()
    images = random_images(6, (4, 4, 3))
    kernel, bias = model.get_weights()
    predicted = (images.reshape(6, -1) @ kernel + bias).argmax(axis=1)
    assert len(set(predicted)) > 1
    np.testing.assert_array_equal(tfviz.gradient(model, images), kernel.T[predicted].reshape(images.shape))


def several_outputs():
    image = layers.Input(SHAPE)
    pooled = features(image)
    outputs = {"kind": dense(activation="softmax")(pooled), "size": layers.Dense(1, name="size")(pooled)}
    return randomise(keras.Model(image, outputs))


def test_a_custom_score_of_several_outputs():
    model = several_outputs()
    with pytest.raises(
        UnsupportedModelError, match=r"has several outputs \('kind' \(None, 5\), 'size' .*expected one of class scores"
    ):
        tfviz.trace(model)
    network = tfviz.trace(model, score=lambda outputs: 3 * outputs["size"][:, 0])
    assert network.num_classes is None and network.head.kind == "custom"
    images = random_images()
    pooled = keras.Model(model.input, model.get_layer("pool").output)
    kernel, bias = (tf.convert_to_tensor(variable) for variable in model.get_layer("size").weights)
    with tf.GradientTape() as tape:
        x = tf.constant(images)
        tape.watch(x)
        score = 3 * (pooled(x) @ kernel + bias)[:, 0]
    np.testing.assert_allclose(tfviz.gradient(network, images), tape.gradient(score, x), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(network.logits(images)[:, 0], score, rtol=1e-5)
    with pytest.raises(InvalidTargetsError, match="score of your own, which has no targets; pass None, or 0"):
        tfviz.gradient(network, images, 1)
    for none in (0, np.zeros(len(images), int)):
        np.testing.assert_array_equal(tfviz.gradient(network, images, none), tfviz.gradient(network, images))
        assert tfviz.explain(network, images, none, methods="gradient").titles()[0].startswith("score ")


def test_a_custom_score_of_one_output():
    """The difference of two probabilities of a softmax; the output is given as it is, not in a list."""
    model = model_of("functional")
    images = random_images()
    network = tfviz.trace(model, score=lambda outputs: outputs[:, 0] - outputs[:, 1])
    with tf.GradientTape() as tape:
        x = tf.constant(images)
        tape.watch(x)
        outputs = model(x)
        score = outputs[:, 0] - outputs[:, 1]
    np.testing.assert_allclose(tfviz.gradient(network, images), tape.gradient(score, x), rtol=1e-4, atol=1e-8)
    assert tfviz.trace(model).head.kind == "softmax", "a custom score must not stay with the model"


def test_a_custom_score_of_a_dense_prediction():
    """Segmentation: explain the mean logit of a region."""
    image = layers.Input(SHAPE)
    model = randomise(keras.Model(image, layers.Conv2D(3, 3, padding="same", name="classes")(image)))
    with pytest.raises(UnsupportedModelError, match=r"output has the shape \(None, 16, 16, 3\).*trace\(model, score="):
        tfviz.gradient(model, random_images())
    network = tfviz.trace(model, score=lambda outputs: tf.reduce_mean(outputs[:, 4:8, 4:8, 1], [1, 2]))
    gradient = tfviz.gradient(network, random_images())
    assert gradient[:, 3:9, 3:9].any(axis=(1, 2, 3)).all()
    assert not gradient[:, :3].any() and not gradient[:, 9:].any()


def test_a_custom_score_of_the_wrong_shape():
    with pytest.raises(TfvizError, match=r"score.*\(N,\)"):
        tfviz.trace(model_of("functional"), score=lambda outputs: outputs)


def test_softmax_over_another_axis_is_no_head():
    """Attention over places at the very end: the output is no class score of its softmax."""
    image = layers.Input(SHAPE)
    x = layers.Conv2D(1, 3, name="conv")(image)
    x = layers.Softmax(axis=-1)(layers.Reshape((14 * 14,))(x))
    x = layers.Lambda(lambda x: tf.reshape(x, [-1, 98])[:, :98], output_shape=(98,))(x)
    network = tfviz.trace(keras.Model(image, x))
    assert network.head.kind == "none" and network.num_classes == 98


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_logits_of_mixed_precision_lie_before_the_cast_softmax(kind):
    network = tfviz.trace(model_of(kind))
    assert (network.head.kind, network.num_classes) == ("softmax", CLASSES)
    logits = network.logits(random_images())
    np.testing.assert_allclose(tf.nn.softmax(logits), model_of(kind)(random_images()), rtol=2e-2)
    assert logits.min() < 0
