"""Grad-CAM against classic CAM, a hand-written VGG16 and a slow resizing."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, SHAPE, distance, model_of, nested_vgg16, random_images, randomise
from support.slow import slow_resize

import tfviz
from tfviz.errors import TfvizWarning


def features_of(model, name, images):
    return keras.Model(model.input, model.get_layer(name).output)(images).numpy()


def classic_cam(model, name, images, target):
    """Zhou 2016 over the number of places, loop by loop: relu(Σ_k w_kc A_k) / (h·w)."""
    maps = features_of(model, name, images)
    kernel = model.get_layer("scores").get_weights()[0]
    total = np.zeros(maps.shape[:3])
    for channel in range(maps.shape[-1]):
        total += kernel[channel, target] * maps[..., channel]
    return np.maximum(total, 0) / (maps.shape[1] * maps.shape[2])


@pytest.mark.parametrize("target", range(CLASSES))
@pytest.mark.parametrize("kind", ["functional", "residual"])
def test_grad_cam_of_pooling_and_a_dense_layer_is_classic_cam(kind, target):
    model = model_of(kind)
    images = random_images(3)
    expected = classic_cam(model, {"functional": "conv2", "residual": "block2_out"}[kind], images, target)
    if not expected.any(axis=(1, 2)).all():
        with pytest.warns(TfvizWarning, match="grad_cam is zero everywhere for image"):
            raw = tfviz.grad_cam(model, images, target, upsample=False)
    else:
        raw = tfviz.grad_cam(model, images, target, upsample=False)
    np.testing.assert_allclose(raw, expected, rtol=1e-4, atol=1e-7)


def test_the_weights_are_the_mean_gradient_over_places():
    """Behind a Flatten the gradient differs from place to place."""
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    model = randomise(
        keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="scores")(layers.Flatten()(x)))
    )
    images = random_images()
    maps = features_of(model, "conv", images)
    kernel = model.get_layer("scores").get_weights()[0][:, 1].reshape(maps.shape[1:])
    expected = np.zeros(maps.shape[:3])
    for channel in range(4):
        expected += kernel[..., channel].mean() * maps[..., channel]
    assert (expected < 0).any() and (expected > 0).any()
    np.testing.assert_allclose(
        tfviz.grad_cam(model, images, 1, upsample=False), np.maximum(expected, 0), rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("height, width", [(16, 16), (17, 29), (24, 11)])
def test_maps_are_resized_with_half_pixel_centres(height, width):
    model = model_of("open_size")
    images = random_images(2, (height, width, 3))
    raw = tfviz.grad_cam(model, images, 3, upsample=False)
    upsampled = tfviz.grad_cam(model, images, 3)
    assert upsampled.shape == (2, height, width)
    expected = [slow_resize(one, height, width) for one in raw]
    np.testing.assert_allclose(upsampled, expected, rtol=1e-4, atol=1e-6 * raw.max())


def test_a_layer_larger_than_its_successors():
    """Grad-CAM at the first layer, whose gradient comes through pooling and another convolution."""
    model = model_of("functional")
    images = random_images()
    rest = layers.Input((16, 16, 4))
    x = model.get_layer("conv2")(model.get_layer("halve")(rest))
    behind = keras.Model(rest, model.get_layer("pool")(x))
    maps = tf.constant(features_of(model, "conv1", images))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        score = behind(maps) @ model.get_layer("scores").get_weights()[0][:, 2:3]
    weights = tape.gradient(score, maps).numpy().mean((1, 2), keepdims=True)
    expected = np.maximum((weights * maps.numpy()).sum(-1), 0)
    ours = tfviz.grad_cam(model, images, 2, layer="conv1", upsample=False)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-7)


def vgg16_cam(images, target):
    """Grad-CAM at block5_conv3, by hand."""
    model = nested_vgg16()
    backbone = model.get_layer("vgg16")
    x = tf.constant(images) / 0.5
    for block, depth in enumerate([2, 2, 3, 3, 3], start=1):
        for index in range(1, depth + 1):
            kernel, bias = map(tf.convert_to_tensor, backbone.get_layer(f"block{block}_conv{index}").weights)
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + bias)
        if block < 5:
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
    kernel, bias = map(tf.convert_to_tensor, model.get_layer("scores").weights)
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = (tf.reduce_mean(tf.nn.max_pool2d(x, 2, 2, "VALID"), [1, 2]) @ kernel + bias)[:, target]
    weights = tf.reduce_mean(tape.gradient(score, x), [1, 2], keepdims=True)
    return np.maximum(tf.reduce_sum(weights * x, -1), 0)


@pytest.mark.parametrize("form", [pytest.param("keras", marks=pytest.mark.slow), "saved"])
def test_the_commonest_model(form, loaded):
    model = nested_vgg16() if form == "keras" else loaded("nested_vgg16")
    images = random_images(2, (64, 64, 3))
    target = int(np.argmax([vgg16_cam(images, target).sum() for target in range(CLASSES)]))
    expected = vgg16_cam(images, target)
    raw = tfviz.grad_cam(model, images, target, layer="block5_conv3", upsample=False)
    assert distance(raw, expected) < 1e-4
    np.testing.assert_array_equal(tfviz.grad_cam(model, images, target, upsample=False), raw)
    upsampled = [slow_resize(one, 64, 64) for one in expected]
    assert distance(tfviz.grad_cam(model, images, target, layer="vgg16/block5_conv3"), upsampled) < 1e-4


@pytest.mark.parametrize("layer", [None, "conv1", "conv2"])
def test_guided_grad_cam_is_the_product(layer):
    model = model_of("functional")
    images = random_images()
    expected = tfviz.guided_backprop(model, images, 1) * tfviz.grad_cam(model, images, 1, layer=layer)[..., np.newaxis]
    assert expected.any()
    np.testing.assert_allclose(
        tfviz.guided_grad_cam(model, images, 1, layer=layer), expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max()
    )


def test_an_all_zero_map_is_warned_about():
    """A kernel of minus ones: every feature speaks against its class."""
    model = randomise(
        keras.Sequential(
            [
                layers.Input(SHAPE),
                layers.Conv2D(4, 3, activation="relu", name="conv"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(2, name="scores"),
            ]
        )
    )
    model.get_layer("scores").kernel.assign(np.tile(np.float32([[-1, 1]]), (4, 1)))
    images = random_images(7)
    with pytest.warns(TfvizWarning, match="grad_cam is zero everywhere for image 0, 1, 2, 3, 4 and others: nothing"):
        assert not tfviz.grad_cam(model, images, 0).any()
    assert tfviz.grad_cam(model, images, 1).any(axis=(1, 2)).all()
    with pytest.warns(TfvizWarning, match="grad_cam is zero everywhere for image 2, 5: nothing that it looks at"):
        tfviz.grad_cam(model, images, [1, 1, 0, 1, 1, 0, 1], batch_size=2)


def test_the_layer_that_was_looked_at():
    assert tfviz.Explainer(model_of("functional"), "grad_cam").layer == "conv2"
    assert tfviz.Explainer(model_of("functional"), "grad_cam", layer="conv1").layer == "conv1"
    assert tfviz.Explainer(nested_vgg16(), "guided_grad_cam", layer="vgg16/block5_conv3").layer == "block5_conv3"
    assert tfviz.Explainer(model_of("functional"), "saliency").layer is None
