"""Values that are the same for every image: constants, and what a program computes of them and of shapes.

Each is computed by its own operations when it is asked for, and for two sizes of the batch: only what is equal for both
does not depend on it. Values that the numbers of an image reach are never looked at, and neither are large ones, inner
programs or operations with a state. This is what settles the arguments of slices, reshapings and conditions that a
model computes from shapes.

`tf.get_static_value` would not do: it knows a few operations on shapes, and nothing of what is given to an inner
program. Folding all constants of a program at once would cost more than the few that are asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.network.program import SHAPES, Program, Step, Value, run_operation

# A constant does not depend on the size of the batch: what is equal for both of these does not.
BATCHES = (1, 1_000_003)
LARGEST = 4096
"""Numbers of a value; one that has more is not arithmetic on shapes."""


class Constants:
    """Computes values of one program that are the same for every image, each when it is asked for.

    given: the constants that the arguments of a program inside another one are. of_image: the values that the
    numbers of the images reach, which have no constants but their shapes. What was found is kept.
    """

    def __init__(self, program: Program, images: Collection[Value], given: Mapping[Value, Any] | None = None) -> None:
        self._given = given or {}
        self._found: dict[tuple[Value, int], Any] = {}
        # Those that follow from the numbers of the image are never looked at: their chains are as long as the network.
        self.of_image = program.reached_by(images)

    def find(self, value: Value) -> Any:
        """Return the array that a value always is, None if it depends on the image or the batch, or is too large."""
        first, second = (self._fold(value, batch) for batch in BATCHES)
        return first if first is not None and second is not None and np.array_equal(first, second) else None

    def find_sizes(self, value: Value) -> Any:
        """Return the array (n,), a number for each axis, that a value always is, except for its first number.

        That is the batch's and meaningless: the shape that a reshaping is given, or the end of a slice, may begin with
        how many images there are. None as for `find`, and for a value that is not (n,).
        """
        first, second = (self._fold(value, batch) for batch in BATCHES)
        is_known = first is not None and second is not None and first.shape == second.shape and first.ndim == 1
        return first if is_known and np.array_equal(first[1:], second[1:]) else None

    def _fold(self, value: Value, batch: int) -> Any:
        """Return the array of a value for a batch of that size, computed once."""
        key = value, batch
        if key not in self._found:
            self._found[key] = self._compute(value, batch)
        return self._found[key]

    def _compute(self, value: Value, batch: int) -> Any:
        """Return the array of a value for a batch of that size, None if it is not constant or too large."""
        if value in self._given:
            return self._given[value]
        step = value.step
        if step is None or value.dtype in (tf.variant, tf.resource) or (value.shape.num_elements() or 0) > LARGEST:
            return None
        index = step.outputs.index(value)
        if step.type == "Const":
            return tf.get_static_value(step.operation.outputs[index])
        if step.type in SHAPES:
            return _of_shape(step, index, batch)
        if value in self.of_image or step.programs or not step.inputs or step.operation.op_def.is_stateful:
            return None
        inputs = [self._fold(each, batch) for each in step.inputs]
        if any(each is None for each in inputs):
            return None
        # A network may be traced inside of a function that is being traced.
        with tf.init_scope():
            tensors = [tf.constant(each, value.dtype) for each, value in zip(inputs, step.inputs, strict=True)]
            return run_operation(step, tensors)[index].numpy()


def _of_shape(step: Step, index: int, batch: int) -> Any:
    """Return the result of an operation of `SHAPES` for a batch of that size, None if the shape is open."""
    shape = step.inputs[index if step.type == "ShapeN" else 0].shape
    if shape.rank is None:
        return None
    if step.type == "Rank":
        return np.int32(shape.rank)
    sizes = [batch if axis == 0 and size is None else size for axis, size in enumerate(shape)]
    if any(size is None for size in sizes):
        return None
    if step.type in ("ZerosLike", "OnesLike"):
        is_small = int(np.prod(sizes)) <= LARGEST
        fill = np.zeros if step.type == "ZerosLike" else np.ones
        return fill(sizes, step.outputs[0].dtype.as_numpy_dtype) if is_small else None
    found = np.array(sizes if step.type != "Size" else np.prod(sizes, dtype=np.int64))
    return found.astype(step.outputs[index].dtype.as_numpy_dtype)
