"""Tries steps of a program on random images, outside of any graph.

This is how `fixed_batch` learns what an operation does to a batch. Results are compared up to a thousandth of the
largest value, as batches of other sizes are summed in another order. Random images bring out what zeros would hide,
which give the same in any batch.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfviz.network.program import Program, Step, TensorsByValue, Value
from tfviz.network.replay import run_step

ROUNDING = 1e-3  # of the largest value: batches of other sizes are summed in another order


def results_of(step: Step, tensors: TensorsByValue) -> dict[Value, tf.Tensor]:
    """Return the results of a step, by their values, for the tensors of its inputs; raise what TensorFlow raises."""
    if step.type == "Const":  # its value cannot be handed over outside of a graph
        return {step.outputs[0]: tf.constant(tf.make_ndarray(step.operation.get_attr("value")))}

    def of(*inputs: tf.Tensor) -> list[tf.Tensor]:
        return run_step(step, list(inputs), None)

    # A function has a graph for the constants inside.
    call = tf.function(of, autograph=False) if step.programs else of
    found = call(*step.taking([tensors[value] for value in step.inputs]))
    return dict(zip(step.outputs, found, strict=True))


def random_input(value: Value, size: int, side: int, generator: np.random.Generator) -> tf.Tensor:
    """Return random images, or other inputs, of a value's shape and type, `side` standing for an open size.

    There are `size` of them. Floats lie from 0 to 1, as do the parts of complex numbers, integers from 0 to
    255, and texts are empty.
    """
    shape = [size, *(each or side for each in value.shape[1:])]
    if value.dtype == tf.string:
        return tf.fill(shape, "")
    if value.dtype.is_floating:
        return tf.constant(generator.random(shape), value.dtype)
    if value.dtype.is_complex:
        return tf.constant(generator.random(shape) + 1j * generator.random(shape), value.dtype)
    if value.dtype.is_bool:
        return tf.constant(generator.random(shape) < 0.5)
    return tf.constant(generator.integers(0, min(value.dtype.max, 255) + 1, shape), value.dtype)


def are_equal(found: tf.Tensor, expected: tf.Tensor) -> bool:
    """Return whether tensors are equal but for rounding."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if not found.dtype.is_floating:
        return bool(np.array_equal(found.numpy(), expected.numpy()))
    ours, theirs = (tf.cast(each, tf.float64).numpy() for each in (found, expected))
    finite = np.abs(theirs[np.isfinite(theirs)])
    return np.allclose(ours, theirs, rtol=0, atol=ROUNDING * finite.max(initial=0), equal_nan=True)


def forget_sizes(program: Program, size: int) -> None:
    """Leave the first axis of all values of a program open that may be the batch."""
    values = [*program.inputs, *(value for step in program.steps for value in step.outputs)]
    for value in values:
        if value.shape.rank and value.shape[0] == size:
            value.shape = tf.TensorShape([None, *value.shape[1:]])
    for step in program.steps:
        for inner in step.programs:
            forget_sizes(inner, size)
