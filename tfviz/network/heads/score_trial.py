"""Checks that a score of the user's gives one number for each image.

Its shape does not show that: the sum over the images of an output (N, 3) has three entries, which would pass for a
batch of three. So the score is tried on random outputs of two batches, whose sizes its result must follow. Outputs may
be of several crops of each image, which a score joins again; then it is tried on more of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import TfvizError, one_line
from tfviz.network.program import Value

EXPECTED = "expected a number an image (N,)"
# Two sizes of a batch each; the second for crops, of which an image may have 2 to 6, 8, 10 or 12.
BATCHES = ((2, 3), (120, 240))
SIZE_IF_OPEN = 64
MOST_NUMBERS = 30_000_000  # of the outputs that are tried: beyond, the shape must do


def as_floats(score: Any) -> tf.Tensor:
    """Return a score in float32; raise `TfvizError` if it is not numbers."""
    try:
        found = tf.convert_to_tensor(score)
    except (TypeError, ValueError) as error:
        raise TfvizError(f"the score returns {type(score).__name__}, {EXPECTED}: {one_line(error)}") from error
    if not (found.dtype.is_floating or found.dtype.is_integer or found.dtype.is_bool):
        raise TfvizError(f"the score returns {found.dtype.name}, {EXPECTED}")
    return tf.cast(found, tf.float32)


def check_score(traced: Any, values: Sequence[Value]) -> None:
    """Raise `TfvizError` if a score does not give one number for each image.

    traced: from the outputs, and logits of their shapes, to the score, for any number of images. A score that does not
    run on random outputs is not judged by them, as it may need those of a real network.
    """
    shape, is_open = traced.structured_outputs.shape, any(map(_is_open, values))
    if shape.rank not in (1, None) or (is_open and shape.rank == 1 and shape[0] is not None):
        raise TfvizError(f"the score returns the shape {tuple(shape)}, {EXPECTED}")
    if not is_open or any(value.shape.rank is None for value in values):
        return
    wrong = ""
    for sizes in BATCHES:
        if sum(int(np.prod(_sizes(value, size))) for value in values for size in sizes) > MOST_NUMBERS:
            break
        shapes = [_shape_of(traced, values, size) for size in sizes]
        if _follow(shapes, sizes):
            return
        for size, found in zip(sizes, shapes, strict=True):
            if found not in (None, (size,)):
                wrong = wrong or f"the score returns the shape {found} for {size} images, {EXPECTED}"
    if wrong:
        raise TfvizError(wrong)


def _is_open(value: Value) -> bool:
    """Return whether a value may have any number of images."""
    return value.shape.rank is None or (value.shape.rank > 0 and value.shape[0] is None)


def _follow(shapes: Sequence[tuple[int, ...] | None], sizes: tuple[int, int]) -> bool:
    """Return whether scores of two batches have one number for each image, which may have several crops."""
    counts = [shape[0] for shape in shapes if shape is not None and len(shape) == 1]
    if len(counts) < 2 or 0 in counts:
        return False
    return counts[0] * sizes[1] == counts[1] * sizes[0] and sizes[0] % counts[0] == 0


def _shape_of(traced: Any, values: Sequence[Value], size: int) -> tuple[int, ...] | None:
    """Return the shape of the score of random outputs; None if it cannot be computed."""
    # Numbers, even if a network is traced inside of a function that is being traced.
    with tf.init_scope():
        outputs = [_random(value, size) for value in values]
        logits = [tf.zeros(each.shape) if each.dtype == tf.string else tf.cast(each, tf.float32) for each in outputs]
        try:
            return tuple(traced(*outputs, *logits).shape)
        except (tf.errors.OpError, TypeError, ValueError):
            return None


def _sizes(value: Value, size: int) -> list[int]:
    """Return the shape of a value of a batch."""
    shape = list(value.shape)
    return [shape[0] or size, *(each or SIZE_IF_OPEN for each in shape[1:])] if shape else []


def _random(value: Value, size: int) -> tf.Tensor:
    """Return numbers from -1 to 1 of a value's shape and type; integers and truth values are 0 and 1."""
    shape = _sizes(value, size)
    if value.dtype == tf.string:
        return tf.fill(shape, "")
    # Not TensorFlow's normal numbers, which take three times as long: 0.2 s for a segmentation of 256 x 256.
    numbers = 2 * np.random.default_rng(size).random(shape, np.float32) - 1
    return tf.cast(numbers if value.dtype.is_floating else numbers > 0, value.dtype)
