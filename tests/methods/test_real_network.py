"""A trained network with batch normalisation, depthwise convolutions and ReLU6, on photographs, against slow oracles.

The oracles run the same network in float64 by Keras and a tape, which knows nothing of replays and rules.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.photographs import sample_images

import tfviz
from tfviz.demo import load_imagenet

pytestmark = pytest.mark.xdist_group("imagenet")

IMAGES = sample_images()
ESPRESSO, TIGER_CAT = 967, 282
TARGETS = [ESPRESSO, TIGER_CAT]
LAYERS = ["block5c_add", "top_activation"]


@pytest.fixture(scope="module")
def model():
    return load_imagenet()


@pytest.fixture(scope="module")
def network(model):
    return tfviz.trace(model)


@tf.custom_gradient
def guided_relu6(values):
    """ReLU6 whose gradient passes where it and the value are positive, and the value is not cut off."""

    def gradient(upstream):
        return tf.where((values > 0) & (values < 6), tf.maximum(upstream, 0), 0)

    return tf.clip_by_value(values, 0, 6), gradient


class GuidedReLU6(keras.layers.Layer):
    def call(self, values):
        return guided_relu6(values)


def in_float64(model, relu=None):
    """The model until its logits, in float64, with another layer for its ReLUs; it also gives the values of LAYERS."""

    def clone(layer):
        if relu is not None and isinstance(layer, keras.layers.ReLU):
            return relu(name=layer.name, dtype="float64")
        settings = {**layer.get_config(), "dtype": "float64"}
        if layer.name == "predictions":
            settings["activation"] = "linear"
        return type(layer).from_config(settings)

    doubled = keras.models.clone_model(model, clone_function=clone)
    doubled.set_weights([value.astype(np.float64) for value in model.get_weights()])
    return keras.Model(doubled.input, [*(doubled.get_layer(name).output for name in LAYERS), doubled.output])


def by_tape(model):
    """The values of LAYERS, and the gradients of the targets' logits by them and by the images."""
    images = tf.constant(IMAGES, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(images)
        *features, logits = model(images)
        score = tf.reduce_sum(tf.gather(logits, TARGETS, batch_dims=1))
    gradients = tape.gradient(score, [*features, images])
    return dict(zip(LAYERS, features, strict=True)), dict(zip([*LAYERS, "images"], gradients, strict=True))


@pytest.fixture(scope="module")
def expected(model):
    return by_tape(in_float64(model))


def distance(ours, expected):
    """The largest relative distance of an image's maps: the norm of the difference by that of what is expected."""
    axes = tuple(range(1, expected.ndim))
    difference = np.sqrt(np.square(ours - expected).sum(axis=axes))
    return (difference / np.sqrt(np.square(expected).sum(axis=axes))).max()


def test_the_gradient_is_the_tapes(network, expected):
    """Keras' own tape in float32 is 4.6e-3 away in the first photograph, and 1e-6 in the second: a ReLU tips over."""
    assert distance(tfviz.gradient(network, IMAGES, TARGETS), expected[1]["images"].numpy()) < 5e-3


def test_guided_backprop_passes_through_relu6(model, network):
    guided = by_tape(in_float64(model, GuidedReLU6))[1]["images"].numpy()
    assert distance(tfviz.guided_backprop(network, IMAGES, TARGETS), guided) < 3e-3


@pytest.mark.parametrize("layer", LAYERS)
def test_grad_cam_is_the_weighted_sum(network, expected, layer):
    features, gradients = (each[layer].numpy() for each in expected)
    cam = np.maximum(np.einsum("nc,nhwc->nhw", gradients.mean(axis=(1, 2)), features), 0)
    assert distance(tfviz.grad_cam(network, IMAGES, TARGETS, layer=layer, upsample=False), cam) < 1e-4


def test_full_grad_is_complete(network):
    """Batch normalisation, the rescaling and the bounds of ReLU6 are biases, too."""
    found = tfviz.full_grad_decomposition(network, IMAGES, TARGETS)
    assert np.abs(found.completeness_error).max() < 1e-4


def test_the_maps_follow_their_class(network):
    """Espresso is in the cup: the maximum of its map lies in the middle of the photograph, and not on the saucer."""
    cam = tfviz.grad_cam(network, IMAGES[:1], ESPRESSO)[0]
    row, column = np.unravel_index(cam.argmax(), cam.shape)
    assert 30 < row < 130 and 60 < column < 170


@pytest.mark.slow
def test_a_saved_and_an_exported_network_give_the_same_maps(model, network, tmp_path):
    cam = tfviz.grad_cam(network, IMAGES, TARGETS)
    model.export(tmp_path / "saved", verbose=False)
    saved = tfviz.grad_cam(tmp_path / "saved", IMAGES, TARGETS, layer="top_activation")
    np.testing.assert_allclose(saved, cam, rtol=1e-3, atol=1e-4 * cam.max())
    tfviz.export(network, tmp_path / "exported", methods=("grad_cam",))
    served = tf.saved_model.load(str(tmp_path / "exported")).signatures["grad_cam"]
    np.testing.assert_allclose(served(images=IMAGES, targets=TARGETS)["maps"], cam, rtol=1e-3, atol=1e-4 * cam.max())
