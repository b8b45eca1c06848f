"""Functions that are traced once and never again, and what they say when they fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.program.internals import forget_gradients

CODE = re.compile(r"^\(\d+\)\s+[A-Z_]+:\s*")
# What TensorFlow says after the reason: the operation, or (XLA) where in the code it was made.
AFTER = re.compile(r"\n\t \[\[|\n+Stack trace for op definition|\{\{node [^}]*\}\}\n|\nThe op is created at")

# What a tape says of an operation in the graph, and in the body of a loop.
WITHOUT_GRADIENT = re.compile(r"(?:gradient registry has no entry for: |op type: )(\w+)")


def compile_function(function: Callable[..., Any], *specs: Any, **named: Any) -> Any:
    """Return a function of tensors compiled for arguments of these specs, those by position or those by name.

    Raises `UnsupportedModelError` if it asks for a gradient through an operation that has none.
    """
    # Autograph would turn an error of tfviz into one of TensorFlow, of many lines.
    traced = tf.function(function, input_signature=specs or None, autograph=False)
    try:
        # A concrete function cannot be traced again, and is called 0.1 ms faster than a tf.function.
        found = traced.get_concrete_function(**named)
    except LookupError as error:
        lacking = operation_without_gradient(error)
        raise UnsupportedModelError(
            f"TensorFlow has no gradient through the operation {lacking}, which the model has; methods that take no "
            "gradient, such as occlusion, rise and eigen_cam, do without"
        ) from error
    forget_gradients(found.graph)
    return found


def operation_without_gradient(error: LookupError) -> str:
    """Return the type of the operation that has no gradient; raise the error again where it says something else."""
    found = WITHOUT_GRADIENT.search(str(error))
    if found is None:
        raise error
    return found[1]


def with_captured(function: Any, captured: Sequence[tf.Tensor]) -> Callable[..., Any]:
    """Return a concrete function as it is called with other tensors in the place of those that it captured."""
    types = [tensor.dtype for tensor in function.outputs]

    def call(*arguments: Any) -> Any:
        inputs = [*tf.nest.flatten(arguments), *captured]
        outputs = tf.raw_ops.StatefulPartitionedCall(args=inputs, Tout=types, f=function)
        return tf.nest.pack_sequence_as(function.structured_outputs, outputs)

    return call


def on_its_own(function: Any) -> Any:
    """Return a function whose operations TensorFlow keeps a graph of their own, for the body of a loop.

    Where they become part of a graph with a loop, TensorFlow meets them in an order that differs from process to
    process, and may meet the gradient of a max pooling before the pooling: then it does not take its fast kernel.
    """
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


def checked(tensor: tf.Tensor, checks: Iterable[Any]) -> tf.Tensor:
    """Return a tensor that is there when all checks, assertions of TensorFlow, have passed.

    Without this order a kernel that uses what is wrong may be the first to fail, in words of its own.
    """
    with tf.control_dependencies(checks):
        return tf.identity(tensor)


def reason_of(error: tf.errors.OpError) -> str:
    """Return why a compiled function failed: the line of TensorFlow's message that says so."""
    # It stands between where the operation was made and what it is called.
    return CODE.sub("", AFTER.split(error.message)[0].rstrip().rpartition("\n")[2].strip())
