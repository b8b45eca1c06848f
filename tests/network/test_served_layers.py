"""SavedModels as layers: TFSMLayer in Keras 3, KerasLayer of TensorFlow Hub in tf_keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import SHAPE, distance, model_of, random_images, randomise

import tfviz

# In one process, so that the features are written once.
pytestmark = pytest.mark.xdist_group("served layers")


def features_of(model):
    return type(model)(model.inputs, model.get_layer("conv2").output)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The features of a model, saved by each Keras, and those of a shared layer by tf_keras."""
    root = tmp_path_factory.mktemp("features")
    features_of(model_of("functional")).export(str(root / "keras"))
    tf_keras_zoo = pytest.importorskip("support.tf_keras_zoo")
    tf.saved_model.save(features_of(tf_keras_zoo.twin("functional")), str(root / "tf_keras"))
    tf.saved_model.save(tf_keras_zoo.twin("shared_layer"), str(root / "shared"))
    return root


def gradient_of(function, images, index):
    """The gradient by a tape around the model itself."""
    with tf.GradientTape() as tape:
        x = tf.constant(images)
        tape.watch(x)
        score = function(x)[:, index]
    return tape.gradient(score, x)


@pytest.mark.parametrize("writer", ["keras", "tf_keras"])
def test_a_served_layer(writer, folders):
    """Keras 3 adds a number to the name of every scope, the writer of the SavedModel inside may not."""
    served = layers.TFSMLayer(str(folders / writer), call_endpoint="serving_default", name="served")
    image = layers.Input(SHAPE)
    x = layers.Conv2D(3, 3, padding="same", activation="relu", name="before")(image)
    (x,) = served(x).values()
    x = layers.GlobalAveragePooling2D(name="pool")(layers.Conv2D(4, 3, name="after")(x))
    model = randomise(keras.Model(image, layers.Dense(5, name="scores")(x)))
    network, images = tfviz.trace(model), random_images()
    assert list(network.layers) == ["before", "conv1", "halve", "conv2", "served", "after"]
    assert distance(tfviz.gradient(network, images, 2), gradient_of(model, images, 2)) < 1e-5


def test_a_served_layer_alone(saved_folder):
    served = layers.TFSMLayer(saved_folder("functional"), call_endpoint="serving_default")
    network, images, expected = tfviz.trace(served), random_images(), model_of("functional")
    assert network.image_shape == SHAPE and network.head.kind == "softmax"
    assert network.layers == tfviz.trace(expected).layers
    assert distance(tfviz.gradient(network, images, 2), tfviz.gradient(expected, images, 2)) < 1e-6
    assert tfviz.trace(served, image_shape=SHAPE).image_shape == SHAPE


def test_a_served_layer_under_layers_without_variables(folders):
    served = layers.TFSMLayer(str(folders / "tf_keras"), call_endpoint="serving_default", name="served")
    image = layers.Input(SHAPE)
    (x,) = served(layers.Rescaling(2.0, name="rescale")(image)).values()
    found = tfviz.trace(keras.Model(image, layers.GlobalAveragePooling2D(name="pool")(x))).layers
    assert list(found) == ["rescale", "conv1", "halve", "conv2", "served"]


def test_a_shared_layer_in_a_served_one(folders):
    served = layers.TFSMLayer(str(folders / "shared"), call_endpoint="serving_default")
    images, expected = random_images(), model_of("shared_layer")
    assert tfviz.trace(served).layers == tfviz.trace(expected).layers
    ours, theirs = (tfviz.layer_cam(model, images, 1, layer="conv:0") for model in (served, expected))
    assert distance(ours, theirs) < 1e-5


@pytest.mark.parametrize("writer", ["keras", "tf_keras"])
def test_a_layer_of_tensorflow_hub(writer, folders):
    hub, library = pytest.importorskip("tensorflow_hub"), pytest.importorskip("tf_keras")
    # Keras 3 calls the output of its signature output_0, tf_keras by the name of the layer.
    (output,) = tf.saved_model.load(str(folders / writer)).signatures["serving_default"].structured_outputs
    module = hub.KerasLayer(str(folders / writer), signature="serving_default", output_key=output, name="module")
    model = library.Sequential(
        [
            library.layers.Input(SHAPE),
            library.layers.Conv2D(3, 3, padding="same", name="before"),
            module,
            library.layers.GlobalAveragePooling2D(name="pool"),
            library.layers.Dense(5, name="scores"),
        ]
    )
    randomise(model)
    network, images = tfviz.trace(model), random_images()
    assert list(network.layers)[:4] == ["before", "conv1", "halve", "conv2"] and network.default_layer == "conv2"
    assert distance(tfviz.gradient(network, images, 2), gradient_of(model, images, 2)) < 1e-5
    np.testing.assert_allclose(network.logits(images), model.predict(images, verbose=0), rtol=1e-4, atol=1e-6)
