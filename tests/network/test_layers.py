"""Layers are found by the names that people gave them, in whatever form the model comes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, SHAPE, head, model_of, nested_vgg16, random_images, randomise
from support.thinning import by_day

import tfviz
from tfviz.errors import UnknownLayerError

SAVED = ["functional", "nested", "subclassed", "shared_layer", "open_size", "residual", "relu_layer", "relu_op"]
SAVED += ["bfloat16", "with_lambda", "depthwise"]

LISTED = {
    "functional": {"conv1": (16, 16, 4), "halve": (8, 8, 4), "conv2": (6, 6, 6)},
    "sequential": {"conv1": (14, 14, 4), "conv2": (6, 6, 6)},
    "lazily_built": {"conv1": (14, 14, 4), "conv2": (6, 6, 6)},
    "nested": {"rescale": SHAPE, "conv1": (16, 16, 4), "norm": (16, 16, 4), "conv2": (14, 14, 6)},
    "subclassed": {"conv1": (16, 16, 4), "Relu": (16, 16, 4), "conv2": (14, 14, 6), "Relu_1": (14, 14, 6)},
    "shared_layer": {"stem": (16, 16, 4), "conv:0": (16, 16, 4), "conv:1": (16, 16, 4)},
    "relu_layer": {"conv1": (16, 16, 4), "relu1": (16, 16, 4), "conv2": (14, 14, 6), "relu2": (14, 14, 6)},
    "relu_op": {"conv1": (16, 16, 4), "Relu": (16, 16, 4), "conv2": (14, 14, 6), "Relu_1": (14, 14, 6)},
    "open_size": {"conv1": (None, None, 4), "conv2": (None, None, 6)},
    "recurrent": {"conv": (7, 7, 4)},
    "bfloat16": {"conv1": (14, 14, 4), "conv2": (12, 12, 6)},
}
DEFAULTS = {
    "functional": "conv2",
    "lazily_built": "conv2",
    "nested": "conv2",
    "subclassed": "Relu_1",
    "shared_layer": "conv:1",
    "relu_layer": "relu2",
    "residual": "block2_out",
    "depthwise": "add",
    "loop": "grow",
    "recurrent": "conv",
}


def values_at(network, name, images):
    """The map of a layer when the network runs."""
    value = network.find_layer(name).value
    return tf.function(lambda images: network.replay(images)[value])(images).numpy()


@pytest.mark.parametrize("kind", LISTED)
def test_the_layers_of_a_model(kind):
    assert list(tfviz.trace(model_of(kind)).layers.items()) == list(LISTED[kind].items())


@pytest.mark.parametrize("kind", DEFAULTS)
def test_the_default_layer(kind):
    network = tfviz.trace(model_of(kind))
    assert network.default_layer == DEFAULTS[kind]
    assert network.find_layer(None) is network.find_layer(DEFAULTS[kind])


@pytest.mark.parametrize("kind", by_day(SAVED, ["nested", "subclassed", "shared_layer", "open_size", "relu_op"]))
def test_a_saved_model_has_the_layers_of_the_live_one(kind, loaded):
    live, saved = tfviz.trace(model_of(kind)), tfviz.trace(loaded(kind))
    assert list(saved.layers.items()) == list(live.layers.items())
    assert saved.default_layer == live.default_layer
    last = list(live.layers)[-1]
    np.testing.assert_array_equal(*(values_at(network, last, random_images()) for network in (saved, live)))


@pytest.mark.parametrize("name", ["conv1", "halve", "conv2"])
def test_a_layer_is_its_output_after_the_activation(name):
    model = model_of("functional")
    expected = keras.Model(model.input, model.get_layer(name).output)(random_images())
    np.testing.assert_allclose(values_at(tfviz.trace(model), name, random_images()), expected, rtol=1e-5, atol=1e-6)


def test_the_calls_of_a_shared_layer():
    model = model_of("shared_layer")
    network = tfviz.trace(model)
    stem = keras.Model(model.input, model.get_layer("stem").output)(random_images())
    once = model.get_layer("conv")(stem)
    twice = model.get_layer("conv")(once)
    for name, expected in (("conv:0", once), ("conv:1", twice)):
        np.testing.assert_allclose(values_at(network, name, random_images()), expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(UnknownLayerError, match="'conv' names 2 layers; say which: 'conv:0', 'conv:1'"):
        network.find_layer("conv")


def test_names_that_look_like_suffixes():
    """Keras adds `_1` to the scope of conv1, so that it looks like the layer conv1_1 beside it."""
    image = layers.Input(SHAPE)
    x = image
    for filters, name in enumerate(["conv1_1", "conv1", "conv", "conv_2", "conv1_1_1", "7_7"], start=2):
        x = layers.Conv2D(filters, 1, activation="relu", name=name)(x)
    network = tfviz.trace(randomise(keras.Model(image, head(x))))
    expected = {"conv1_1": 2, "conv1": 3, "conv": 4, "conv_2": 5, "conv1_1_1": 6, "7_7": 7}
    assert {name: shape[-1] for name, shape in network.layers.items()} == expected
    for name, filters in expected.items():
        assert network.find_layer(name).shape == (16, 16, filters)


def two_backbones():
    def backbone(name, filters):
        inner = layers.Input(SHAPE)
        x = layers.Conv2D(filters, 3, activation="relu", name="conv")(inner)
        return keras.Model(inner, layers.Conv2D(filters + 1, 3, activation="relu", name=f"top_{name}")(x), name=name)

    image = layers.Input(SHAPE)
    x = layers.Concatenate(name="join")([backbone("left", 2)(image), backbone("right", 4)(image)])
    return randomise(keras.Model(image, head(x)))


def test_names_that_repeat_are_told_apart_by_their_path():
    network = tfviz.trace(two_backbones())
    assert set(network.layers) == {"left/conv", "top_left", "right/conv", "top_right", "join"}
    assert network.layers["left/conv"][-1] == 2 and network.layers["right/conv"][-1] == 4
    assert network.find_layer("right/top_right") is network.find_layer("top_right")
    with pytest.raises(UnknownLayerError, match="'conv' names 2 layers; say which: 'left/conv', 'right/conv'"):
        network.find_layer("conv")


def test_a_backbone_that_is_called_twice():
    """A Siamese network of one image and its mirror."""
    inner = layers.Input(SHAPE)
    backbone = keras.Model(inner, layers.Conv2D(4, 3, activation="relu", name="conv")(inner), name="twin")
    image = layers.Input(SHAPE)
    mirrored = layers.Lambda(lambda x: x[:, :, ::-1], output_shape=SHAPE, name="mirror")(image)
    x = layers.Subtract(name="difference")([backbone(image), backbone(mirrored)])
    network = tfviz.trace(randomise(keras.Model(image, head(x))))
    assert list(network.layers) == ["mirror", "twin:0/conv", "twin:1/conv", "difference"]
    images = random_images()
    first = values_at(network, "twin:0/conv", images)
    second = values_at(network, "twin:1/conv", images)
    np.testing.assert_allclose(first, values_at(network, "twin:1/conv", images[:, :, ::-1]), rtol=1e-5, atol=1e-6)
    assert not np.allclose(first, second)


def test_the_commonest_model(loaded):
    for model in (nested_vgg16(), loaded("nested_vgg16")):
        network = tfviz.trace(model)
        assert network.default_layer == "block5_conv3"
        assert network.find_layer("vgg16/block5_conv3") is network.find_layer("block5_conv3")
        assert network.layers["block5_conv3"] == (4, 4, 512) and network.layers["block5_pool"] == (2, 2, 512)
        names = list(network.layers)
        assert names[:3] == ["rescale", "block1_conv1", "block1_conv2"] and len(names) == 19
        assert network.find_layer("vgg16").value is network.find_layer("block5_pool").value


def with_end(*end):
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="features")(image)
    for layer in end:
        x = layer(x)
    return keras.Model(image, x)


ENDS = {
    "dropout and pooling": [layers.MaxPooling2D(2), layers.Dropout(0.5), layers.GlobalAveragePooling2D()],
    "flattening": [layers.AveragePooling2D(2), layers.Flatten()],
    "padding": [layers.ZeroPadding2D(1), layers.SpatialDropout2D(0.2), layers.Flatten()],
    "global maximum": [layers.GlobalMaxPooling2D()],
    "kept dimensions": [layers.GlobalAveragePooling2D(keepdims=True), layers.Flatten()],
    "reshaping": [layers.Reshape((14 * 14 * 4,))],
    "a mean": [layers.Lambda(lambda x: tf.reduce_mean(x, [1, 2]), output_shape=(4,))],
    "two dense layers": [layers.Flatten(), layers.Dense(7, activation="relu", name="hidden")],
}


@pytest.mark.parametrize("end", ENDS)
def test_the_default_layer_lies_before_pooling_dropout_and_padding(end):
    network = tfviz.trace(with_end(*ENDS[end], layers.Dense(CLASSES, activation="softmax")))
    assert network.default_layer == "features"


def test_the_default_layer_of_a_convolutional_head():
    """The map of class scores (SqueezeNet) is the last one."""
    end = [layers.Conv2D(CLASSES, 1, name="classes"), layers.GlobalAveragePooling2D(), layers.Softmax()]
    assert tfviz.trace(with_end(*end)).default_layer == "classes"


def test_squeeze_and_excitation_is_not_the_last_pooling():
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="features")(image)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply(name="gated")([x, layers.Conv2D(4, 1, activation="sigmoid", name="gate")(gate)])
    network = tfviz.trace(keras.Model(image, head(x)))
    assert network.default_layer == "gated"
    assert set(network.layers) == {"features", "gated"}  # a gate of 1 x 1 is no map


def test_a_layer_of_one_place_is_said_to_have_no_map():
    network = tfviz.trace(with_end(layers.GlobalAveragePooling2D(keepdims=True, name="one"), layers.Flatten()))
    with pytest.raises(UnknownLayerError, match=r"^'one' has no spatial map \(its shape is \(1, 1, 4\)\); its layers"):
        network.find_layer("one")


def test_a_network_without_maps():
    model = keras.Sequential([layers.Input(SHAPE), layers.Flatten(), layers.Dense(CLASSES, activation="softmax")])
    network = tfviz.trace(model)
    assert network.layers == {} and network.default_layer is None
    with pytest.raises(UnknownLayerError, match="no layer with a map before its head; its layers are none"):
        network.find_layer(None)
    with pytest.raises(UnknownLayerError, match="no layer 'conv' with a spatial map; its layers are none"):
        tfviz.grad_cam(model, random_images(), layer="conv")


def test_operations_inside_a_layer_are_found_but_not_listed():
    image = layers.Input(SHAPE)
    x = layers.Lambda(lambda x: tf.nn.relu(tf.negative(x, name="minus")), output_shape=SHAPE, name="flip")(image)
    network = tfviz.trace(keras.Model(image, head(x)))
    images = random_images()
    np.testing.assert_array_equal(values_at(network, "flip/minus", images), -images)
    np.testing.assert_array_equal(values_at(network, "flip", images), np.maximum(-images, 0))
    assert list(network.layers) == ["flip"]


def test_a_graph_that_keras_did_not_write(loaded):
    assert list(tfviz.trace(loaded("with_signature")).layers.values()) == [(16, 16, 4)] * 3
    assert tfviz.trace(loaded("with_signature")).find_layer("Relu").shape == (16, 16, 4)
    assert tfviz.trace(loaded("with_signature")).default_layer == "Relu"


@pytest.mark.parametrize(
    "name, message",
    [
        ("block5_conv4", "no layer 'block5_conv4' with a spatial map; did you mean .*'block5_conv3'.*It has 19 layers"),
        ("zzz", "no layer 'zzz' with a spatial map; its last layers of 19 are 'block4_pool', .*'block5_pool'"),
        ("scores", r"'scores' has no spatial map \(its shape is \(5,\)\); its last layers of 19 are 'block4_pool'"),
        ("pool", r"'pool' has no spatial map \(its shape is \(512,\)\); did you mean 'block._pool'"),
        ("conv3", "no layer 'conv3' with a spatial map"),
        ("lock5_conv3", "did you mean 'block5_conv3'"),
        ("", "no layer '' with a spatial map"),
    ],
)
def test_an_unknown_layer(name, message):
    with pytest.raises(UnknownLayerError, match=message) as raised:
        tfviz.grad_cam(nested_vgg16(), random_images(shape=(64, 64, 3)), layer=name)
    assert "\n" not in str(raised.value)


def test_an_unknown_layer_of_a_small_network():
    with pytest.raises(UnknownLayerError, match=r"its layers are 'conv1', 'halve', 'conv2'$"):
        tfviz.trace(model_of("functional")).find_layer("zzz")


def test_nearest_upsampling_is_one_layer():
    """Keras repeats the rows, then the columns, each in a scope of TensorFlow's."""
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="down")(image)
    x = layers.UpSampling2D(name="up")(x)
    model = keras.Model(image, layers.Conv2D(2, 1, name="classes")(x))
    network = tfviz.trace(model, score=lambda outputs: tf.reduce_mean(outputs[..., 1], [1, 2]))
    assert network.layers == {"down": (8, 8, 4), "up": (16, 16, 4), "classes": (16, 16, 2)}
