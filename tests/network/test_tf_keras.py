"""Models of tf_keras, live and saved: the same maps as those of Keras 3 with the same weights."""

from __future__ import annotations

import gc
import re
import sys
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import KINDS, SHAPE, build, distance, model_of, random_images, randomise
from support.tf_keras_zoo import tf_keras, twin, zoo
from support.thinning import by_day

import tfviz
from tfviz.errors import UnsupportedModelError

# In one process, so that the forms of a model are written once.
pytestmark = pytest.mark.xdist_group("tf_keras")

layers = tf_keras.layers
QUICK = ["nested", "relu_op", "depthwise", "vision_transformer"]
QUICK_AND_SLOW = by_day(KINDS, QUICK)


def closed(inputs, x, name="closed"):
    """A model of five classes on top of a feature map."""
    return randomise(tf_keras.Model(inputs, zoo.head(x), name=name))


@pytest.mark.parametrize("kind", QUICK_AND_SLOW)
def test_every_kind_has_the_maps_of_its_keras_twin(kind):
    model, images = twin(kind), random_images()
    before = model.get_weights()
    ours, theirs = tfviz.trace(model), tfviz.trace(model_of(kind))
    assert ours.head.kind == theirs.head.kind
    assert ours.image_shape == theirs.image_shape and ours.num_classes == theirs.num_classes
    names = {"Relu": "conv1/tf.nn.relu", "Relu_1": "conv2/tf.nn.relu_1"} if kind == "relu_op" else {}
    expected = {names.get(name, name): shape for name, shape in theirs.layers.items()}
    if kind == "vision_transformer":
        # Its layer normalisation and dense layers fold the batch into the tokens, which then cannot be followed.
        expected = {name: expected[name] for name in ("patches", "tokens", "attended", "block")}
    assert ours.layers == expected
    assert ours.default_layer == names.get(theirs.default_layer, theirs.default_layer)
    for method, target in ((tfviz.gradient, 1), (tfviz.layer_cam, None)):
        assert distance(method(ours, images, target), method(theirs, images, target)) < 1e-5
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def between_layers():
    """Operations of TensorFlow between layers, one behind the other, and a nested model that begins and ends so."""
    image = tf_keras.Input(SHAPE)
    x = tf_keras.layers.Conv2D(4, 3, activation="relu", name="stem")(image)
    x = tf.reshape(x[:, 1:13, 1:13], (-1, 12, 12, 4))
    within = tf_keras.Input((12, 12, 4))
    inner = tf_keras.Model(within, tf.nn.relu(tf_keras.layers.Conv2D(4, 1, name="mix")(within * 2.0)), name="inner")
    y = tf_keras.layers.Conv2D(2, 1, name="beside")(x)
    return closed(image, tf.concat([inner(x), y], -1), "between")


@pytest.mark.parametrize("form", ["live", "saved"])
def test_operations_between_layers_are_called_by_the_layer_before(form, tmp_path):
    model = between_layers()
    if form == "saved":
        tf.saved_model.save(model, str(tmp_path))
    seen = tfviz.trace(model if form == "live" else str(tmp_path))
    names = [re.sub(r"_\d+$", "", name) for name in seen.layers]
    assert names == [
        *("stem", "stem/tf.__operators__.getitem", "stem/tf.reshape", "stem/tf.math.multiply"),
        *("mix", "mix/tf.nn.relu", "beside", "beside/tf.concat"),
    ]
    # The names that Keras gave them are known, too.
    given = [name.rpartition("/")[2] for name in seen.layers]
    assert [seen.find_layer(name).shape for name in given] == list(seen.layers.values())
    assert seen.default_layer == list(seen.layers)[-1]


@pytest.mark.parametrize("layer", ["stem", "conv:0", "conv:1"])
def test_the_calls_of_a_shared_layer(layer):
    images = random_images()
    ours = tfviz.hires_cam(twin("shared_layer"), images, 1, layer=layer, upsample=False)
    assert distance(ours, tfviz.hires_cam(model_of("shared_layer"), images, 1, layer=layer, upsample=False)) < 1e-5


class Sharing(tf_keras.Model):
    """Calls a convolution, an activation without variables and a whole Sequential twice, and tf.nn.relu in between."""

    def __init__(self):
        super().__init__(name="sharing")
        self.conv = layers.Conv2D(3, 3, padding="same", name="conv")
        self.act = layers.ReLU(name="act")
        self.block = tf_keras.Sequential(
            [layers.Conv2D(3, 3, padding="same", name="inner"), layers.ReLU(name="end")], name="block"
        )
        self.once = layers.Lambda(lambda x: tf.nn.relu(tf.nn.relu(x - 0.1)), name="once")
        self.scores = layers.Dense(5, name="scores")

    def call(self, x):
        x = self.act(self.conv(self.act(self.conv(x))))
        x = self.once(tf.nn.relu(self.block(self.block(x))))
        return self.scores(tf.reduce_mean(x, [1, 2]))


def test_calls_are_told_apart_by_what_repeats():
    model = Sharing()
    model(random_images())
    network = tfviz.trace(randomise(model))
    assert list(network.layers) == [
        "conv:0",
        "act:0",
        "conv:1",
        "act:1",
        "block:0/inner",
        "block:0/end",
        "block:1/inner",
        "block:1/end",
        "Relu",
        "once",
    ]
    x = tf.constant(random_images())
    first = model.act(model.conv(x))
    with tf.GradientTape() as tape:
        tape.watch(first)
        features = model.act(model.conv(first))
        score = model.scores(tf.reduce_mean(model.once(tf.nn.relu(model.block(model.block(features)))), [1, 2]))[:, 2]
    expected = tf.nn.relu(tf.reduce_sum(first * tape.gradient(score, first), -1))
    np.testing.assert_allclose(
        tfviz.hires_cam(network, x, 2, layer="act:0", upsample=False), expected, rtol=1e-5, atol=1e-7
    )


class Twice(keras.layers.Layer):
    """Convolves twice with the same kernel in one call."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(3, 3, shape[-1], shape[-1]), name="kernel")

    def call(self, x):
        return tf.nn.conv2d(tf.nn.conv2d(x, self.kernel, 1, "SAME"), self.kernel, 1, "SAME")


def test_one_call_of_keras_3_stays_one_whatever_it_repeats():
    image = keras.layers.Input(SHAPE)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D(name="pool")(Twice(name="twice")(image)))
    assert list(tfviz.trace(model).layers) == ["twice"]


def test_the_scopes_that_tensorflow_opens_are_no_layers():
    image = layers.Input(SHAPE)
    x = layers.Resizing(20, 20, name="resize")(image)
    x = layers.UpSampling2D(name="up")(layers.Conv2D(4, 3, name="conv")(x))
    x = layers.GroupNormalization(2, name="group")(layers.Activation("gelu", name="gelu")(x))
    found = tfviz.trace(closed(image, layers.LayerNormalization(axis=[1, 2, 3], name="norm")(x))).layers
    assert list(found) == ["resize", "conv", "up", "gelu", "group", "norm"]


# The cache.


@pytest.mark.parametrize("make", [twin, build], ids=["tf_keras", "keras"])
def test_training_makes_no_other_trace(make):
    model, images = make("functional"), random_images()
    first = tfviz.gradient(model, images, 1)
    compiled = tfviz.trace(model).compiled
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, np.array([0, 1]), validation_data=(images, np.array([0, 1])), verbose=0)
    model.predict(images, verbose=0)
    model.trainable = False
    assert tfviz.trace(model).compiled is compiled
    assert distance(tfviz.gradient(model, images, 1), first) > 1e-3
    scores = model.get_layer("scores")
    scores.kernel.assign(tf.zeros_like(scores.kernel))
    np.testing.assert_allclose(tfviz.trace(model).logits(images), np.tile(scores.bias, (2, 1)), rtol=1e-6)


class Wrapping(tf_keras.layers.Layer):
    """A layer of the user's own that keeps its layers in its attributes."""

    def __init__(self):
        super().__init__(name="wrapping")
        self.inside = {"conv": layers.Conv2D(4, 3, name="conv")}

    def call(self, x):
        return self.inside["conv"](x)


def test_another_activation_or_constant_is_another_trace():
    image = layers.Input(SHAPE)
    wrapping, normalise = Wrapping(), layers.Normalization(axis=-1, mean=[0.0] * 3, variance=[1.0] * 3)
    model, images = closed(image, wrapping(normalise(image))), random_images()
    plain = tfviz.trace(model).logits(images)
    wrapping.inside["conv"].activation = tf.nn.relu
    rectified = tfviz.trace(model).logits(images)
    assert not np.allclose(rectified, plain)
    normalise.mean = normalise.mean + 1.0
    assert not np.allclose(tfviz.trace(model).logits(images), rectified)
    np.testing.assert_allclose(
        tf.nn.softmax(tfviz.trace(model).logits(images)), model.predict(images, verbose=0), rtol=1e-4
    )


@pytest.mark.parametrize("kind", ["functional", "subclassed", "nested"])
def test_an_explained_model_can_be_forgotten(kind):
    model = twin(kind)
    tfviz.saliency(model, random_images())
    reference, variable = weakref.ref(model), weakref.ref(model.weights[0])
    tf_keras.backend.clear_session()
    del model
    gc.collect()
    assert reference() is None and variable() is None


# Files and folders.


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The same model in every form that tf_keras writes."""
    folder, model = tmp_path_factory.mktemp("tf_keras"), twin("nested")
    with pytest.warns(UserWarning, match="HDF5"):
        model.save(folder / "file.h5")
    model.save(folder / "file.keras")
    model.save(folder / "tf_format", save_format="tf")
    model.export(str(folder / "exported"))
    tf.saved_model.save(model, str(folder / "saved_model"))
    return folder


@pytest.mark.parametrize(
    "form",
    by_day(["file.h5", "file.keras", "tf_format", "exported", "saved_model"], ["file.h5", "file.keras", "tf_format"]),
)
def test_what_tf_keras_saved(form, saved):
    images, expected = random_images(), model_of("nested")
    network = tfviz.trace(saved / form)
    assert (network.head.kind, network.layers) == ("softmax", tfviz.trace(expected).layers)
    assert network.name == form.partition(".")[0]
    for method in (tfviz.gradient, tfviz.grad_cam):
        assert distance(method(network, images, 1), method(expected, images, 1)) < 1e-5


@pytest.mark.parametrize("form", ["file.h5", "file.keras"])
def test_tf_keras_is_asked_for_where_it_is_absent(form, saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    said = rf"{form}' was saved by Keras 2\..*, and Keras 3\..* cannot read it: pip install tf_keras$"
    with pytest.raises(UnsupportedModelError, match=said):
        tfviz.trace(saved / form)


def test_what_does_not_need_tf_keras_does_not_import_it(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    model_of("functional").save(tmp_path / "keras3.keras")
    for path in (tmp_path / "keras3.keras", saved / "tf_format"):
        assert tfviz.gradient(path, random_images(), 1).any()
    assert tfviz.gradient(model_of("functional"), random_images(), 1).any()


def test_a_file_that_keras_3_can_read_is_read_by_it(tmp_path):
    """One without a layer whose settings have changed."""
    twin("functional").save(tmp_path / "simple.keras")
    network = tfviz.trace(tmp_path / "simple.keras")
    images = random_images()
    assert distance(tfviz.gradient(network, images, 1), tfviz.gradient(model_of("functional"), images, 1)) < 1e-5
