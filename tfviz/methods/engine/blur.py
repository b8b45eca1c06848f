"""Blurs images with a Gaussian inside compiled functions.

A Gaussian over a square is the product of one down the rows and one across the columns, so two depthwise convolutions
with a column and a row of weights do what one with a square kernel would. The deviation may be a tensor, so that the
kernel follows the size of the images.
"""

from __future__ import annotations

import tensorflow as tf


def gaussian_blur(images: tf.Tensor, deviation: tf.Tensor | float) -> tf.Tensor:
    """Return images (N, H, W, C) under a Gaussian of `deviation` pixels, cut off at three times that, reflected."""
    deviation = tf.cast(deviation, tf.float32)
    radius = tf.maximum(1, tf.cast(tf.round(3 * deviation), tf.int32))
    # A reflection cannot reach further than the image.
    radius = tf.minimum(radius, tf.reduce_min(tf.shape(images)[1:3]))
    offsets = tf.cast(tf.range(-radius, radius + 1), tf.float32)
    weights = tf.exp(-0.5 * tf.square(offsets / deviation))
    kernel = (
        tf.ones([1, 1, images.shape[3], 1]) * (weights / tf.reduce_sum(weights))[:, tf.newaxis, tf.newaxis, tf.newaxis]
    )
    padded = tf.pad(images, [[0, 0], [radius, radius], [radius, radius], [0, 0]], "SYMMETRIC")
    down = tf.nn.depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")
    across = tf.nn.depthwise_conv2d(down, tf.transpose(kernel, [1, 0, 2, 3]), [1, 1, 1, 1], "VALID")
    return tf.ensure_shape(across, images.shape)
