"""One operation of a traced model run again, on other inputs.

The operation is called by its name in `tf.raw_ops` with the attributes that it has in the graph. Attributes that follow
from the inputs, such as their type, are left out, so that the same step runs on tensors of another type: a network of
uint8 images on floats, a float32 one in bfloat16. The arguments of a few raw operations have other names than in their
definition; both lists have the same order, which a test checks for every operation of TensorFlow.

They are called one by one, since a call of the whole function would be a single operation to the caller's tape.
Operations that run programs (conditions, loops, calls) are not run here but by `replay`. An operation that is not among
`tf.raw_ops` is called by its definition, see `unpublished_operation`; one without a definition in this process, or
whose attributes are functions, is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.program.internals import operation_definition, unpublished_operation
from tfviz.network.program.program import Step, Value, by_argument

Tensors = list[tf.Tensor]
TensorsByValue = Mapping[Value, tf.Tensor]
UNCHANGED: Mapping[str, Any] = {}


def run_operation(step: Step, inputs: Sequence[tf.Tensor], changed: Mapping[str, Any] = UNCHANGED) -> Tensors:
    """Run the operation of a step without inner programs on other inputs, with its attributes `changed` by name.

    inputs: a tensor for each of `step.inputs`, of any types that the operation takes together. Returns a tensor for
    each of `step.outputs`; none for an operation that only acts, such as an assertion. Raises `UnsupportedModelError`
    for an operation that cannot be called, and what TensorFlow raises for types or shapes that do not fit.
    """
    operation = step.operation
    function, names = _raw_signature(step.type)
    definition = operation.op_def
    given = by_argument(operation, definition.input_arg, inputs)
    arguments = {names[name]: value for name, value in given.items()}
    for attribute in definition.attr:
        # Attributes that follow from the inputs, such as their type, are not arguments of a raw operation.
        if attribute.name in names:
            arguments[names[attribute.name]] = changed.get(attribute.name, operation.get_attr(attribute.name))
    result = function(**arguments)
    return [] if isinstance(result, tf.Operation) else tf.nest.flatten(result)


@cache
def _raw_signature(operation_type: str) -> tuple[Callable[..., Any], dict[str, str]]:
    """Return the raw operation and, for each name in its definition, the name of its argument.

    A few of `tf.raw_ops` differ (`Squeeze.squeeze_dims` and `Mean.reduction_indices` are both `axis`). The names that
    are left over on either side stand in the same order. Raises `UnsupportedModelError` for a type that neither
    `tf.raw_ops` nor `unpublished_operation` can call.
    """
    function = getattr(tf.raw_ops, operation_type, None)
    if function is None:
        if function := unpublished_operation(operation_type):
            return function, {name: name for name in _defined_names(operation_type)}
        raise UnsupportedModelError(
            f"the model holds the operation {operation_type}, which is not one of TensorFlow {tf.__version__}'s own "
            "and cannot be replayed"
        )
    parameters = [name for name in inspect.signature(function).parameters if name != "name"]
    defined = _defined_names(operation_type)
    renamed = zip(
        [name for name in defined if name not in parameters],
        [name for name in parameters if name not in defined],
        strict=True,
    )
    return function, {**{name: name for name in defined if name in parameters}, **dict(renamed)}


def _defined_names(operation_type: str) -> list[str]:
    """Return the names of an operation's inputs and attributes, but for attributes that the inputs determine."""
    definition = operation_definition(operation_type)
    inferred = {
        name
        for argument in definition.input_arg
        for name in (argument.type_attr, argument.number_attr, argument.type_list_attr)
    }
    attributes = [attribute.name for attribute in definition.attr if attribute.name not in inferred]
    return [argument.name for argument in definition.input_arg] + attributes
