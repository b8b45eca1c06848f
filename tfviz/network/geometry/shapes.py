"""Computes what the size of an image settles: shapes that were open with the batch, and which branches are taken.

`reshape(x, (batch, -1, depth))` hides how many tokens an image has, since the batch is a number of the running program.
With the batch fixed TensorFlow infers all shapes; the program is traced, and not run, on two sizes of the batch, and a
size that is the same for both does not depend on it. For a known size of the image this is done when a model is traced;
of a network of open size, `maps` asks it for the sizes that it tries.

A replay is traced, so the shapes are those of the program as it was rewritten, and not of the model's own graph. That
costs a trace of the network for each size of the batch, and is left out if only the batch is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import tensorflow as tf

from tfviz.network.geometry.conditions import decided
from tfviz.network.program import Inputs, Program, Value
from tfviz.network.replay import replay

BATCHES = (2, 3)
"""A size that is the same for both of these does not depend on the batch."""


def settled(inputs: Inputs) -> Inputs:
    """Return inputs whose program is without the conditions, and with the sizes, that the image's size settles."""
    program = decided(inputs.program, inputs.image)
    sharpen(program, inputs.image)
    return replace(inputs, program=program)


def sharpen(program: Program, image: Value) -> None:
    """Give the values of a program the sizes that follow from the image's, if any are open.

    The values are changed. Nothing is done if the image's own size is open, or if the program cannot be traced.
    """
    depending = program.depending_on([image])
    is_vague = any(_is_vague(value) for value in depending if value.dtype.is_floating)
    if not image.shape[1:].is_fully_defined() or not is_vague:
        return
    for value, shape in sizes_for(program, image, image.shape[1:]).items():
        value.shape = shape


def sizes_for(program: Program, image: Value, size: Sequence[int]) -> dict[Value, tf.TensorShape]:
    """Return the shapes that values have for images of a size (H, W, C); a size that follows the batch is open.

    Empty if the program cannot be traced for them, as a model that refuses a batch of more than one.
    """
    try:
        first, second = (_shapes(program, image, (batch, *size)) for batch in BATCHES)
    except (ValueError, TypeError, tf.errors.OpError):
        return {}
    return {value: _common(shape, second[value]) for value, shape in first.items() if value in second}


def _common(first: tf.TensorShape, second: tf.TensorShape) -> tf.TensorShape:
    """Return what two shapes share: open where their sizes differ, of unknown rank if their ranks do."""
    if first.rank is None or first.rank != second.rank:
        return tf.TensorShape(None)
    return tf.TensorShape([one if one == two else None for one, two in zip(first, second, strict=True)])


def _is_vague(value: Value) -> bool:
    return value.shape.rank is None or not value.shape[1:].is_fully_defined()


def _shapes(program: Program, image: Value, shape: Sequence[int]) -> dict[Value, tf.TensorShape]:
    """Return the shapes that TensorFlow infers for all values when images have a shape (N, H, W, C)."""
    found: dict[Value, tf.TensorShape] = {}

    def run(*arguments: tf.Tensor) -> list[Any]:
        tensors = replay(program, dict(zip(program.inputs, arguments, strict=True)))
        found.update((value, tensor.shape) for value, tensor in tensors.items())
        return []

    def spec(value: Value) -> tf.TensorSpec:
        if value is image:
            return tf.TensorSpec(shape, value.dtype)
        is_open = bool(value.shape.rank) and value.shape[0] is None
        return tf.TensorSpec([shape[0], *value.shape[1:]] if is_open else value.shape, value.dtype)

    tf.function(run, autograph=False).get_concrete_function(*map(spec, program.inputs))
    return found
