"""Moves an image at random before the network sees it, so that no pattern of single pixels can satisfy the objective.

One movement is drawn per step and shared by all images, so that an image does not depend on the others of its batch.
The borders are grey, the mean colour of pictures. `Movement.places` follows single cells through the same movement, for
objectives that read one place.
"""

from __future__ import annotations

from math import pi
from typing import NamedTuple

import tensorflow as tf

from tfviz.methods.visualization.recipe import Recipe


class Movement(NamedTuple):
    """How all images (H, W) of a step are moved: in a border of `pad` pixels rolled by `offset`, turned and scaled.

    offset: pixels (2,) down and to the right, int32. angle: radians, anticlockwise. factor: by which they grow.
    """

    size: tuple[int, ...]
    pad: int
    offset: tf.Tensor
    angle: tf.Tensor | None = None
    factor: tf.Tensor | None = None

    def places(self, cells: tf.Tensor, grid: tf.Tensor) -> tf.Tensor:
        """Return where the cells (N, 2), rows and columns, of a `grid` (h, w) over the image have moved to.

        Places are floats, counted in cells; for a cell that has left the image it is the nearest place inside.
        """
        size, grid = tf.constant(self.size, tf.float32), tf.cast(grid, tf.float32)
        pixels = (tf.cast(cells, tf.float32) + 0.5) * size / grid
        # Counted from the corner of the border, since rolling goes around at its edge.
        rolled = tf.math.floormod(pixels + self.pad + tf.cast(self.offset, tf.float32), size + 2 * self.pad)
        pixels = rolled - self.pad
        if self.angle is not None and self.factor is not None:
            down, right = tf.unstack(pixels - size / 2, axis=1)
            cosine, sine = tf.cos(self.angle) * self.factor, tf.sin(self.angle) * self.factor
            pixels = tf.stack([cosine * down - sine * right, sine * down + cosine * right], axis=1) + size / 2
        return tf.clip_by_value(pixels * grid / size - 0.5, 0.0, grid - 1)


def draw_movement(recipe: Recipe, size: tuple[int, ...], draw: tuple[tf.Tensor, tf.Tensor]) -> Movement:
    """Return how images of a size (H, W) are moved in a step; `draw` are the seed and the number of the step."""
    seed, number = draw
    offset = tf.random.stateless_uniform((2,), (seed, number), -recipe.jitter, recipe.jitter + 1, tf.int32)
    if not (recipe.rotate or recipe.scale):
        return Movement(size, recipe.pad, offset)
    # Steps are counted from 0, and the start draws with -1: numbers below that belong to no other draw.
    angle, change = tf.unstack(tf.random.stateless_uniform((2,), (seed, -2 - number), -1.0, 1.0))
    return Movement(size, recipe.pad, offset, recipe.rotate * angle * pi / 180, 1 + recipe.scale * change)


def transform(images: tf.Tensor, movement: Movement, grey: tf.Tensor) -> tf.Tensor:
    """Return images (N, H, W, C), with `grey` (C,) around them, as the network is shown them: all moved alike."""
    shape, pad = images.shape, movement.pad
    has_border = bool(pad) or movement.angle is not None
    if has_border:
        images -= grey  # zeros then stand for grey
    if pad:
        images = tf.pad(images, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
    images = tf.roll(images, movement.offset, axis=(1, 2))
    if movement.angle is not None and movement.factor is not None:
        images = turn_and_scale(images, movement.angle, movement.factor)
    if pad:
        images = tf.slice(images, [0, pad, pad, 0], [-1, *shape[1:]])
    if has_border:
        images += grey
    return tf.ensure_shape(images, shape)


def turn_and_scale(images: tf.Tensor, angle: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Return images (N, H, W, C) turned about their centre by `angle` (radians, anticlockwise) and scaled.

    Bilinear, with zeros in places that were outside.
    """
    size = tf.shape(images)[1:3]
    bottom, right = tf.unstack(tf.cast(size - 1, tf.float32))
    # For each place in the result the operation wants the place before: the inverse of turning and scaling.
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
