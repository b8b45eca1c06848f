"""What is random, or of the whole batch, on the way to a score: said by name, and removed where it can be."""

from __future__ import annotations

import itertools
import json
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from keras import layers
from support.model_zoo import distance
from support.thinning import by_day, every, spread

import tfviz
from tfviz.network.rewriting.draws import DRAWS

SHAPE = (12, 12, 3)
IMAGES = np.random.default_rng(0).uniform(size=(3, *SHAPE)).astype(np.float32)
KERNEL = np.random.default_rng(1).normal(size=(3, 3, 3, 4)).astype(np.float32)
DENSE = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)
KERASES = {"keras": keras, "tf_keras": tf_keras}


def network(kind, layer, **called):
    """A network of Keras 3 or tf_keras whose first layer is `layer`."""
    own = KERASES[kind].layers
    image = own.Input(SHAPE)
    x = own.Conv2D(4, 3, activation="relu", name="conv")(layer(image, **called))
    model = KERASES[kind].Model(image, own.Dense(3, name="scores")(own.GlobalAveragePooling2D()(x)))
    model.get_layer("conv").set_weights([KERNEL, DENSE[:, 0]])
    model.get_layer("scores").set_weights([DENSE, DENSE[0]])
    return model


def exported(model, folder):
    model.export(str(folder))
    return str(folder)


def plain(function):
    """A network whose images `function` changes, as a SavedModel would have it."""

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32)])
    def serve(images):
        x = tf.nn.relu(tf.nn.conv2d(function(images), KERNEL, 1, "SAME"))
        return {"scores": tf.reduce_mean(x, [1, 2]) @ DENSE}

    module = tf.Module()
    module.serve = serve
    module.signatures = {"serving_default": serve.get_concrete_function()}
    return module


def said(model, **how):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = tfviz.trace(model, **how)
    return network, [str(each.message) for each in caught if issubclass(each.category, tfviz.TfvizWarning)]


def uniform(x, low=0.0, high=1.0):
    return tf.random.uniform(tf.shape(x), low, high)


# What is said.


def test_an_export_of_keras_keeps_augmentation_on(tmp_path):
    first = keras.Sequential([layers.RandomFlip(), layers.RandomTranslation(0.1, 0.1, name="moved")])
    model = network("keras", first)
    assert said(model)[1] == [], "it is run as in inference"
    (message,) = said(exported(model, tmp_path))[1]
    assert "numbers, drawn in random_flip (StatelessRandomUniformV2), moved (StatelessRandomUniformV2): " in message
    assert "ExportArchive endpoint that calls the model with training=False" in message


def test_monte_carlo_dropout_of_tf_keras():
    (message,) = said(network("tf_keras", tf_keras.layers.Dropout(0.5, name="uncertain"), training=True))[1]
    assert message.startswith(
        "the score depends on random numbers, drawn in dropout (RandomUniform): a map is that of one"
    )


@pytest.mark.parametrize("operation", ["FusedBatchNormV3", "Mean"])
def test_statistics_of_the_batch(operation):
    own = tf_keras.layers
    image = own.Input(SHAPE)
    norm = own.BatchNormalization(name="norm")
    x = norm(image, training=True) if operation != "Mean" else image
    x = own.GlobalAveragePooling2D()(own.Conv2D(4, 3)(x))
    x = norm(x, training=True) if operation == "Mean" else x
    (message,) = said(tf_keras.Model(image, own.Dense(2)(x)))[1]
    assert message.startswith(
        f"the score depends on statistics of the whole batch, taken in norm ({operation}): an image's"
    )


def in_a_loop(x):
    return tf.map_fn(lambda image: image + tf.random.normal(SHAPE), x)


def in_a_condition(x):
    return tf.cond(tf.reduce_max(x) > 0.5, lambda: x + tf.random.normal(tf.shape(x)), lambda: x)


def in_a_call(x):
    return tf.function(lambda x: x * tf.random.stateless_uniform(tf.shape(x), [1, 2]))(x)


def of_weights(x):
    return x * (1 + tf.random.normal([3]))


def by_a_generator(x):
    # Of the shape of the images: what is the same in every run still differs by an image's place.
    return x + tf.random.stateless_normal(tf.shape(x), [3, 4])


@pytest.mark.parametrize("function", [in_a_loop, in_a_condition, in_a_call, of_weights, by_a_generator])
def test_draws_that_reach_the_score(function):
    (message,) = said(plain(function))[1]
    assert message.startswith("the score depends on random numbers, drawn in ") and "Random" in message


def mean_of_each(x):
    return tf.map_fn(lambda image: image - tf.reduce_mean(image), x)


def unused(x):
    tf.random.normal(tf.shape(x))
    return x


def of_its_shape_alone(x):
    return x * tf.cast(tf.size(tf.random.normal([2, 3])), tf.float32)


def of_another_output_of_a_loop(x):
    def body(i, x, noise):
        return i + 1, 2 * x, noise + tf.random.normal([])

    return tf.while_loop(lambda i, x, noise: i < 2, body, (0, x, 0.0))[1]


def of_a_branch_that_is_never_taken(x):
    training = tf.compat.v1.placeholder_with_default(False, [])
    return tf.raw_ops.If(
        cond=training, input=[x], Tout=[tf.float32], then_branch=noisy, else_branch=as_it_is, output_shapes=[x.shape]
    )[0]


SPEC = tf.TensorSpec([None, *SHAPE], tf.float32)
noisy = tf.function(lambda x: [x + tf.random.normal(tf.shape(x))]).get_concrete_function(SPEC)
as_it_is = tf.function(lambda x: [tf.identity(x)]).get_concrete_function(SPEC)

QUIET = [
    mean_of_each,
    unused,
    of_its_shape_alone,
    of_another_output_of_a_loop,
    of_a_branch_that_is_never_taken,
    lambda x: x @ tf.random.stateless_normal([3, 3], [1, 2]),
    lambda x: tf.where(tf.reduce_mean(x) > 0.2, 2 * x, x),
    lambda x: x - tf.reduce_mean(x, [1, 2], keepdims=True),
]


@pytest.mark.parametrize("function", QUIET)
def test_what_is_no_chance_of_the_score_is_not_mentioned(function):
    assert said(plain(function))[1] == []


def test_every_operation_of_tensorflow_that_draws_is_known():
    """Those that give, move or take a seed or a state are none, nor are gradients and datasets."""
    named = "Random Multinomial TruncatedNormal Uniform[A-Z]?[a-z]*$ StandardNormal SampleDistorted CandidateSampler"
    others = "Dataset|Grad$|Seed|Queue|GetAlg|GetKeyCounter|Quantize|Quantized|Uniform(Add|Dequantize|Requantize|Clip)"
    found = {
        name for name in dir(tf.raw_ops) if re.search("|".join(named.split()), name) and not re.search(others, name)
    }
    assert found - DRAWS == set() and len(found) > 30


# What is removed.

REMOVED = {
    "RandomFlip": (),
    "RandomTranslation": (0.2, 0.2),
    "RandomRotation": (0.2,),
    "RandomZoom": (0.2,),
    "RandomContrast": (0.2,),
    "RandomBrightness": (0.2,),
}


def assert_at_rest(network, twin):
    reference = tfviz.trace(twin)
    assert distance(network.logits(IMAGES), reference.logits(IMAGES)) < 1e-6
    for method in (tfviz.gradient, tfviz.grad_cam):
        assert distance(method(network, IMAGES, 1), method(reference, IMAGES, 1)) < 1e-6
    assert network.layers == reference.layers


@pytest.mark.parametrize("name, kind", by_day(itertools.product(REMOVED, KERASES), spread(REMOVED, KERASES)))
def test_augmentation_of_an_export_goes(kind, name, tmp_path):
    layer = getattr(KERASES[kind].layers, name)
    model = network(kind, layer(*REMOVED[name]))
    found, messages = said(exported(model, tmp_path), random="off")
    assert messages == [] and found.running.random == "off"
    assert_at_rest(found, network(kind, KERASES[kind].layers.Activation("linear")))


@pytest.mark.parametrize(
    "layer",
    [
        lambda own: own.Dropout(0.4, name="uncertain"),
        pytest.param(lambda own: own.SpatialDropout2D(0.4, name="spatial"), marks=pytest.mark.slow),
        pytest.param(lambda own: own.GaussianDropout(0.4, name="multiplied"), marks=pytest.mark.slow),
        lambda own: own.GaussianNoise(0.4, name="added"),
        pytest.param(lambda own: own.AlphaDropout(0.4), marks=pytest.mark.slow),
        lambda own: own.RandomFlip(name="turned"),
        lambda own: own.RandomRotation(0.2, name="rotated"),
    ],
)
def test_live_layers_that_train_go(layer):
    found, messages = said(network("tf_keras", layer(tf_keras.layers), training=True), random="off")
    assert messages == []
    assert_at_rest(found, network("tf_keras", tf_keras.layers.Activation("linear")))


def test_a_batch_normalisation_takes_its_moving_statistics():
    norm = tf_keras.layers.BatchNormalization()
    trains, rests = (network("tf_keras", norm, training=each) for each in (True, False))
    norm.set_weights([DENSE[0] + 2, DENSE[1], DENSE[2], DENSE[3] ** 2])
    found, messages = said(trains, random="off")
    assert messages == []
    assert_at_rest(found, rests)


def always(dropout):
    """A layer of Keras 3 that drops whatever it is told."""

    class Always(dropout):
        def call(self, x, training=None):
            return super().call(x, training=True)

    return Always


@pytest.mark.parametrize("saved", [False, True])
def test_monte_carlo_dropout_of_keras(saved, tmp_path):
    model = network("keras", always(layers.Dropout)(0.4))
    found, messages = said(exported(model, tmp_path) if saved else model, random="off")
    assert messages == []
    assert_at_rest(found, network("keras", layers.Activation("linear")))


AVERAGING_OUT = {
    "masked, then scaled": lambda x: tf.where(uniform(x) < 0.8, x, 0.0) / 0.8,
    "scaled, then masked": lambda x: x / 0.8 * tf.cast(uniform(x) >= 0.2, tf.float32),
    "by a mask that is scaled": lambda x: x * (tf.cast(tf.greater(0.8, uniform(x)), tf.float32) / 0.8),
    "by floor": lambda x: (x / 0.75) * tf.floor(0.75 + uniform(x)),
    "by uniform numbers": lambda x: x * uniform(x, 0.5, 1.5),
    "added": lambda x: uniform(x, -1.0, 1.0) / 4 + x,
    "taken away": lambda x: x - tf.random.normal(tf.shape(x), stddev=0.1),
    "turned or not": lambda x: tf.where(uniform(x[:, :1, :1, :1]) > 0.3, x[:, :, ::-1], x),
    "left or changed": lambda x: tf.where(uniform(x[:, :1, :1, :1]) > 0.3, x, x**2),
    "twice": lambda x: x * uniform(x, 0.5, 1.5) + 0.1 * tf.random.normal([3]),
}


@pytest.mark.parametrize("name", by_day(AVERAGING_OUT, every(AVERAGING_OUT, 2)))
def test_chance_that_averages_out_goes(name):
    found, messages = said(plain(AVERAGING_OUT[name]), random="off")
    assert messages == []
    assert_at_rest(found, plain(tf.identity))


STAYING = {
    "RandomShuffle": tf.random.shuffle,
    "not scaled": lambda x: x * tf.cast(uniform(x) < 0.5, tf.float32),
    "not around one": lambda x: x * uniform(x),
    "not around zero": lambda x: x + uniform(x),
    "taken from noise": lambda x: tf.random.normal(tf.shape(x)) - x,
    "one of two": lambda x: tf.where(uniform(x) < 0.5, x**2, 3 * x),
    "in a loop": in_a_loop,
}


@pytest.mark.parametrize("name", STAYING)
def test_what_cannot_be_removed_is_named(name):
    with pytest.raises(tfviz.UnsupportedModelError, match=r"random is 'off', but .* random numbers, drawn in .*Random"):
        tfviz.trace(plain(STAYING[name]), random="off")


def test_a_crop_and_moments_cannot_be_removed(tmp_path):
    crop = exported(network("keras", layers.RandomCrop(8, 8)), tmp_path)
    with pytest.raises(tfviz.UnsupportedModelError, match=r"drawn in random_crop \(StatelessRandom"):
        tfviz.trace(crop, random="off")
    moments = plain(lambda x: x - tf.reduce_mean(x, 0))
    with pytest.raises(tfviz.UnsupportedModelError, match=r"statistics of the whole batch, taken in .* \(?Mean"):
        tfviz.trace(moments, random="off")
    with pytest.raises(tfviz.TfvizError, match="random is 'of', expected 'keep' or 'off'"):
        tfviz.trace(moments, random="of")


def test_the_command_line_removes_it_and_says_so(run, tmp_path):
    exported(network("keras", layers.RandomFlip()), tmp_path / "saved")
    keras.utils.save_img(str(tmp_path / "picture.png"), IMAGES[0])
    command = ["explain", "picture.png", "--model", "saved", "--preprocess", "0..1", "--method", "saliency"]
    _, printed, errors = run(*command)
    assert "drawn in random_flip" in " ".join((printed + errors).split())
    status, printed, errors = run(*command, "--random", "off", "--save-maps", "--output", "off")
    assert status == 0 and "random_flip" not in printed + errors
    written = tmp_path / "off" / "manifest.json"
    assert json.loads(written.read_text())["model"]["random"] == "off"


def test_what_is_drawn_while_images_are_decoded(tmp_path):
    """Such as a random crop of each file: the image that is explained is one that was drawn."""

    def decode(record):
        picture = tf.cast(tf.io.decode_png(record, 3), tf.float32) / 255
        return tf.image.resize(tf.image.random_crop(picture, [10, 10, 3]), SHAPE[:2])

    module = tf.Module()
    module.dense = tf.Variable(tf.ones([3, 2]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def served(records):
        images = tf.map_fn(decode, records, fn_output_signature=tf.TensorSpec(SHAPE, tf.float32))
        return {"scores": tf.reduce_mean(images**2, (1, 2)) @ module.dense}

    module.served, module.signatures = served, {"serving_default": served.get_concrete_function()}
    with pytest.warns(tfviz.TfvizWarning, match=r"while it decodes images: what is explained is one draw") as caught:
        tfviz.trace(module)
    assert len(caught) == 1 and "Random" in str(caught[0].message)
    with pytest.raises(tfviz.UnsupportedModelError, match=r"random is 'off', but .* random numbers, drawn in"):
        tfviz.trace(module, random="off")
