"""The gradient and what is read from it, against closed forms."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, distance, linear, model_of, random_images

import tfviz

IMAGES = random_images(3, (4, 4, 3))


def kernel_of(model, target):
    return model.get_weights()[0][:, target].reshape(4, 4, 3)


@pytest.mark.parametrize("target", range(CLASSES))
def test_the_gradient_of_a_linear_model_is_its_kernel(target):
    model = linear()
    gradient = tfviz.gradient(model, IMAGES, target)
    np.testing.assert_array_equal(gradient, np.broadcast_to(kernel_of(model, target), IMAGES.shape))
    assert (gradient < 0).any() and (gradient > 0).any()


def test_saliency_is_the_largest_absolute_gradient_over_channels():
    model = linear()
    kernel = kernel_of(model, 2)
    expected = [[max(abs(value) for value in kernel[row, column]) for column in range(4)] for row in range(4)]
    np.testing.assert_array_equal(tfviz.saliency(model, IMAGES, 2), np.broadcast_to(np.float32(expected), (3, 4, 4)))
    assert (kernel.max(-1) < np.abs(kernel).max(-1)).any(), "else the sign does not matter"


def test_input_x_gradient_adds_up_to_the_logit():
    """Of a linear model, without its bias."""
    model = linear()
    result = tfviz.input_x_gradient(model, IMAGES, 1)
    np.testing.assert_allclose(result, IMAGES * kernel_of(model, 1), rtol=1e-6)
    logits = tfviz.trace(model).logits(IMAGES)[:, 1] - model.get_weights()[1][1]
    np.testing.assert_allclose(result.sum((1, 2, 3)), logits, rtol=1e-4)


def test_the_gradient_of_a_quadratic():
    image = layers.Input((4, 4, 3))
    squares = layers.Lambda(lambda x: tf.reduce_sum(x**2, [1, 2]), output_shape=(3,))(image)
    model = keras.Model(image, squares)
    expected = np.zeros_like(IMAGES)
    expected[..., 1] = 2 * IMAGES[..., 1]
    np.testing.assert_allclose(tfviz.gradient(model, IMAGES, 1), expected, rtol=1e-6)
    np.testing.assert_allclose(tfviz.input_x_gradient(model, IMAGES, 1), IMAGES * expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["functional", "nested", "residual", "depthwise", "silu", "recurrent", "open_size"])
def test_the_gradient_of_the_logit_and_not_of_the_softmax(kind):
    """log p_1 − log p_3 is s_1 − s_3: an oracle through the model's own softmax."""
    model = model_of(kind)
    images = random_images()
    with tf.GradientTape() as tape:
        x = tf.constant(images)
        tape.watch(x)
        log = tf.math.log(model(x, training=False))
        difference = log[:, 1] - log[:, 3]
    ours = tfviz.gradient(model, images, 1) - tfviz.gradient(model, images, 3)
    assert distance(ours, tape.gradient(difference, x)) < 1e-4


@pytest.mark.parametrize("kind", ["functional", "nested", "residual"])
def test_the_gradient_is_the_slope_of_the_logit(kind):
    """Central differences along a random direction."""
    network = tfviz.trace(model_of(kind))
    images = random_images(1)
    direction = random_images(1, seed=1) * np.float32(1e-3)
    rise = network.logits(images + direction)[:, 2] - network.logits(images - direction)[:, 2]
    slope = (tfviz.gradient(network, images, 2) * 2 * direction).sum()
    np.testing.assert_allclose(slope, rise[0], rtol=0.05, atol=1e-6)


@pytest.mark.parametrize("kind", ["functional", "subclassed"])
def test_what_is_read_from_the_gradient(kind):
    images = random_images()
    gradient = tfviz.gradient(model_of(kind), images, 4)
    np.testing.assert_allclose(tfviz.saliency(model_of(kind), images, 4), np.abs(gradient).max(-1), rtol=1e-5)
    np.testing.assert_allclose(
        tfviz.input_x_gradient(model_of(kind), images, 4), images * gradient, rtol=1e-4, atol=1e-8
    )
