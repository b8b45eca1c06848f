"""How an image is moved about before the network sees it: what survives that is no accident of single pixels."""

from __future__ import annotations

from math import pi

import tensorflow as tf

from tfviz.methods.visualization.recipe import Recipe


def transform(images: tf.Tensor, recipe: Recipe, grey: tf.Tensor, draw: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Return images (N, H, W, C), with `grey` (C,) around them, as the network is shown them: all moved alike.

    `draw` are the seed and the number of the step.
    """
    shape, (seed, number) = images.shape, draw
    has_border = bool(recipe.pad or recipe.rotate or recipe.scale)
    if has_border:
        images -= grey  # whose place zeros take
    if recipe.pad:
        images = tf.pad(images, [[0, 0], [recipe.pad, recipe.pad], [recipe.pad, recipe.pad], [0, 0]])
    offset = tf.random.stateless_uniform((2,), (seed, number), -recipe.jitter, recipe.jitter + 1, tf.int32)
    images = tf.roll(images, offset, axis=(1, 2))
    if recipe.rotate or recipe.scale:
        # Steps are counted from 0 up: numbers below -1 are those of no other draw.
        angle, change = tf.unstack(tf.random.stateless_uniform((2,), (seed, -2 - number), -1.0, 1.0))
        images = turn_and_scale(images, recipe.rotate * angle * pi / 180, 1 + recipe.scale * change)
    if recipe.pad:
        images = tf.slice(images, [0, recipe.pad, recipe.pad, 0], [-1, *shape[1:]])
    if has_border:
        images += grey
    return tf.ensure_shape(images, shape)


def turn_and_scale(images: tf.Tensor, angle: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Return images (N, H, W, C) turned about their centre by `angle` (radians, anticlockwise) and scaled.

    Bilinear, with zeros where nothing was.
    """
    size = tf.shape(images)[1:3]
    bottom, right = tf.unstack(tf.cast(size - 1, tf.float32))
    # The operation asks, for a place in the result, where it was: the inverse of turning and scaling.
    cosine, sine = tf.cos(angle) / factor, tf.sin(angle) / factor
    left_shift = (right - (cosine * right - sine * bottom)) / 2
    top_shift = (bottom - (sine * right + cosine * bottom)) / 2
    zero = tf.zeros([])
    inverse = tf.stack([cosine, -sine, left_shift, sine, cosine, top_shift, zero, zero])
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=inverse[tf.newaxis],
        output_shape=size,
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
