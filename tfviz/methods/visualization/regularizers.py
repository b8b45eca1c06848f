"""Regularizers: penalties and constraints against high contrast and fine patterns.

Networks answer to both without need. A penalty is subtracted from the objective; a constraint changes the image after a
step.
"""

from __future__ import annotations

import tensorflow as tf

from tfviz.methods.engine import gaussian_blur
from tfviz.methods.visualization.colors import Colors
from tfviz.methods.visualization.recipe import Recipe


def penalty(images: tf.Tensor, recipe: Recipe, colors: Colors) -> tf.Tensor:
    """Return what is subtracted from the objective (N,): λ‖I‖² and the total variation, in units of the pixel range."""
    shares, total = images / colors.span, tf.zeros(tf.shape(images)[:1])
    if recipe.l2:
        total += recipe.l2 * tf.reduce_sum(tf.square(shares), axis=(1, 2, 3))
    if recipe.total_variation:
        total += recipe.total_variation * tf.image.total_variation(shares)
    return total


def constrain(images: tf.Tensor, recipe: Recipe, colors: Colors, number: tf.Tensor) -> tf.Tensor:
    """Return images (N, H, W, C) after a step: within the pixel range, and blurred every few steps."""
    if recipe.clamp:
        images = tf.clip_by_value(images, colors.low, colors.high)
    if recipe.blur_every:
        is_due = tf.equal((number + 1) % recipe.blur_every, 0)
        images = tf.cond(is_due, lambda: gaussian_blur(images, recipe.blur), lambda: images)
    return images
