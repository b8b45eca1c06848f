"""Runs a program again, step by step, so that every value in it lies on the caller's tape."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.internals import operation_definition
from tfviz.network.program import CALLS, CASES, CONDITIONS, LOOPS, Program, Step, Value, by_argument
from tfviz.network.rules import Rule

Tensors = list[tf.Tensor]
Change = Callable[[tf.Tensor], tf.Tensor]
NOTHING: Mapping[Value, Change] = {}


def replay(
    program: Program,
    arguments: Mapping[Value, tf.Tensor],
    *,
    rule: Rule | None = None,
    tape: tf.GradientTape | None = None,
    watched: Collection[Value] = (),
    changed: Mapping[Value, Change] = NOTHING,
) -> dict[Value, tf.Tensor]:
    """Run `program` and return the tensor of every value.

    Operations that `rule` names get its backward pass. The `tape` watches each value of `watched` as it appears, so
    that what lies before it is not differentiated. A value in `changed` goes on as what its function makes of it.
    """
    tensors = dict(arguments)

    def watch(values: Sequence[Value]) -> None:
        for value in values:
            if value in changed:
                tensors[value] = changed[value](tensors[value])
            if tape is not None and value in watched:
                tape.watch(tensors[value])

    watch(program.inputs)
    for step in program.steps:
        results = _run(step, [tensors[value] for value in step.inputs], rule)
        tensors.update(zip(step.outputs, results, strict=True))
        watch(step.outputs)
    return tensors


def _run(step: Step, inputs: Tensors, rule: Rule | None) -> Tensors:
    if step.type in CONDITIONS:
        return _run_condition(step, inputs, rule)
    if step.type in CASES:
        index, *arguments = inputs
        cases = [lambda program=program: _outputs(program, arguments, rule) for program in step.programs]
        return list(tf.switch_case(index, cases))
    if step.type in LOOPS:
        return _run_loop(step, inputs, rule)
    if step.type in CALLS:
        # Calls that are left in a program are those that XLA must compile.
        compiled = tf.function(
            lambda *tensors: _outputs(step.programs[0], tensors, rule), jit_compile=True, autograph=False
        )
        return list(compiled(*inputs))

    def operation(*tensors: tf.Tensor) -> Tensors:
        return run_operation(step, tensors)

    if rule is not None and step.type in rule.operations:
        return [rule.apply(lambda tensor: operation(tensor)[0], inputs[0])]
    return operation(*inputs)


def _outputs(program: Program, arguments: Sequence[tf.Tensor], rule: Rule | None) -> Tensors:
    tensors = replay(program, dict(zip(program.inputs, arguments, strict=True)), rule=rule)
    return [tensors[value] for value in program.outputs]


def _run_condition(step: Step, inputs: Tensors, rule: Rule | None) -> Tensors:
    condition, *arguments = inputs
    branches = [lambda program=program: _outputs(program, arguments, rule) for program in step.programs]
    return list(tf.cond(tf.cast(condition, tf.bool), *branches))


def _run_loop(step: Step, inputs: Tensors, rule: Rule | None) -> Tensors:
    condition, body = step.programs
    return list(
        tf.while_loop(
            lambda *tensors: _outputs(condition, tensors, rule)[0],
            lambda *tensors: _outputs(body, tensors, rule),
            inputs,
            shape_invariants=[value.shape for value in step.outputs],
        )
    )


def run_operation(step: Step, inputs: Sequence[tf.Tensor]) -> Tensors:
    """Run the operation of a step that holds no program, on other inputs."""
    operation = step.operation
    function, names = _raw_signature(step.type)
    definition = operation.op_def
    given = by_argument(operation, definition.input_arg, inputs)
    arguments = {names[name]: value for name, value in given.items()}
    for attribute in definition.attr:
        # Attributes that follow from the inputs, such as their type, are not arguments of a raw operation.
        if attribute.name in names:
            arguments[names[attribute.name]] = operation.get_attr(attribute.name)
    result = function(**arguments)
    return [] if isinstance(result, tf.Operation) else tf.nest.flatten(result)


@cache
def _raw_signature(operation_type: str) -> tuple[Callable[..., Any], dict[str, str]]:
    """Return the raw operation and, for each name in its definition, the name of its argument.

    A few differ (`Squeeze.squeeze_dims` and `Mean.reduction_indices` are both `axis`). The names that are left over on
    either side stand in the same order, which a test checks for every operation of TensorFlow.
    """
    function = getattr(tf.raw_ops, operation_type, None)
    if function is None:
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
    definition = operation_definition(operation_type)
    inferred = {
        name
        for argument in definition.input_arg
        for name in (argument.type_attr, argument.number_attr, argument.type_list_attr)
    }
    attributes = [attribute.name for attribute in definition.attr if attribute.name not in inferred]
    return [argument.name for argument in definition.input_arg] + attributes
