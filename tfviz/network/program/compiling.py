"""Functions that are traced once and never again, and the reason when one fails.

A concrete function cannot be retraced, so that no call is slow by surprise, and its custom gradients leave TensorFlow's
registry, which would keep its graph and the weights of the model for ever. The function that a loop runs is not
inlined: in a graph with a loop, TensorFlow's pass that takes oneDNN's kernels meets operations in an order that differs
from process to process. If it met a max-pool gradient before its pooling, SmoothGrad and visualisations ran at 0.7 of
their speed, by chance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.program.internals import forget_gradients

CODE = re.compile(r"^\(\d+\)\s+[A-Z_]+:\s*")
# The text after the reason in TensorFlow's messages: the operation, or (XLA) where in the code it was made.
AFTER = re.compile(r"\n\t \[\[|\n+Stack trace for op definition|\{\{node [^}]*\}\}\n|\nThe op is created at")

# A tape's messages about an operation in the graph, and in the body of a loop.
WITHOUT_GRADIENT = re.compile(r"(?:gradient registry has no entry for: |op type: )(\w+)")


def compile_function(function: Callable[..., Any], *specs: Any, **named: Any) -> Any:
    """Return a function of tensors compiled for arguments of these specs, those by position or those by name.

    Sizes that a spec leaves open stay open, so that one function serves batches of every size. It is never traced for
    other arguments: TensorFlow refuses another type when it is called, but may run another shape, which callers must
    check. Raises `UnsupportedModelError` if it asks for a gradient through an operation that has none.
    """
    # Autograph would turn an error of tfviz into one of TensorFlow, of many lines.
    traced = tf.function(function, input_signature=specs or None, autograph=False)
    try:
        # A concrete function cannot be traced again, and is called 0.1 ms faster than a tf.function.
        found = traced.get_concrete_function(**named)
    except LookupError as error:
        lacking = operation_without_gradient(error)
        raise UnsupportedModelError(
            f"TensorFlow has no gradient through the operation {lacking}, which the model has; methods that need none, "
            "such as occlusion, rise and eigen_cam, still work"
        ) from error
    forget_gradients(found.graph)
    return found


def operation_without_gradient(error: LookupError) -> str:
    """Return the type of the operation that has no gradient; raise the error again if it says something else."""
    found = WITHOUT_GRADIENT.search(str(error))
    if found is None:
        raise error
    return found[1]


def with_captured(function: Any, captured: Sequence[tf.Tensor]) -> Callable[..., Any]:
    """Return a function that calls a concrete function with other tensors in place of those that it captured.

    captured: a tensor for each of `function.captured_inputs`, in that order, such as another device's handles of the
    same variables. So a function that was compiled once runs on every replica of a `tf.distribute` strategy.
    """
    types = [tensor.dtype for tensor in function.outputs]

    def call(*arguments: Any) -> Any:
        inputs = [*tf.nest.flatten(arguments), *captured]
        outputs = tf.raw_ops.StatefulPartitionedCall(args=inputs, Tout=types, f=function)
        return tf.nest.pack_sequence_as(function.structured_outputs, outputs)

    return call


def on_its_own(function: Any) -> Any:
    """Return a function that TensorFlow does not inline, for the body of a loop: see the top of this module."""
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


def checked(tensor: tf.Tensor, checks: Iterable[Any]) -> tf.Tensor:
    """Return a tensor that is computed only after all checks, TensorFlow's assertions, have passed.

    Without this order a kernel may fail on the wrong input first, with a message of its own.
    """
    with tf.control_dependencies(checks):
        return tf.identity(tensor)


def reason_of(error: tf.errors.OpError) -> str:
    """Return why a compiled function failed: the line of TensorFlow's message that says so.

    The code of the error, the operation's name and the place in Python where it was made are left out: that place is
    always in `operations`, and tells a user nothing.
    """
    # The reason stands between the place where the operation was made and its name.
    return CODE.sub("", AFTER.split(error.message)[0].rstrip().rpartition("\n")[2].strip())
