"""Runs a network in a shorter floating-point type: which of its operations take that type.

A precision is a property of steps, not of a program: each says in which types it takes its inputs (`Step.taken`), and
the replay casts them. A step takes the shorter type if TensorFlow has the operation and its gradient in it, which is
tried once for each kind of step. What is made of weights alone stays float32 and is rounded once. Loops that their own
numbers end are not rounded: in bfloat16, 256 + 1 is 256, for ever.

TensorFlow is asked, since the types that an operation, its gradient and the gradient's helpers have kernels for differ
by device and release: a list would be wrong on the next machine. Scores are cast to float32, as are the gradients of
images and layers. What is lost is not estimated here; `explain` measures it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import tensorflow as tf

from tfviz.errors import TfvizError, suggestion
from tfviz.network.program import (
    HANDLES,
    LOOPS,
    Program,
    Step,
    Value,
    by_argument,
    has_kernel,
    is_compiled_call,
    run_operation,
)

FULL = "float32"
PRECISIONS: dict[str, tf.DType] = {FULL: tf.float32, "bfloat16": tf.bfloat16, "float16": tf.float16}
# Operations that stay in float32: Bitcast hands on bits, not numbers; sums soon leave float16, which ends at 65,504.
KEPT = {"bfloat16": frozenset({"Bitcast"}), "float16": frozenset({"Bitcast", "Sum", "Mean"})}
# The one operation whose list of types follows from its inputs and is bound to nothing else.
IDENTITIES = frozenset({"IdentityN"})

Follow = Callable[[Program, Collection[Value]], Collection[Value]]


def find_precision(name: str | None) -> str:
    """Return the name of a precision, `float32` for None; raise `TfvizError` if there is none of that name."""
    if name is None:
        return FULL
    if not isinstance(name, str) or name not in PRECISIONS:
        hint = suggestion(name, PRECISIONS, f"expected {', '.join(PRECISIONS)}")
        raise TfvizError(f"no precision {name!r}; {hint}")
    return name


def in_precision(program: Program, image: Value, name: str) -> Program:
    """Return a program whose steps run in another precision; its values are those of the program.

    A step takes the other type if it works on what the float32 `image` gives it, and TensorFlow has it and its
    gradient in that type on this machine's first kind of device. All else stays as it is, with casts around it: what is
    made of weights and constants alone (these are cast once a pass), integers, float64, operations on variables and on
    lists of tensors, and loops that end by what they compute.
    """
    return program if name == FULL else _Reduction(PRECISIONS[name]).of_program(program, [image])


class _Reduction:
    """Programs in a shorter type. It remembers which operations fit, by their type and those of their inputs.

    They must fit the kernels of a GPU if TensorFlow sees one, else those of the CPU.
    """

    def __init__(self, dtype: tf.DType) -> None:
        self._dtype = dtype
        self._device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        self._tried: dict[Any, bool] = {}

    def of_program(self, program: Program, sources: Collection[Value], *, compiled: bool = False) -> Program:
        """Return a program in the type, whose inputs `sources` depend on the image; `compiled` by XLA or not."""
        reached = _reached(program, sources)
        steps = [self._of_step(step, reached, compiled) for step in program.steps]
        return replace(program, steps=steps)

    def _of_step(self, step: Step, reached: Collection[Value], compiled: bool) -> Step:
        """Return a step with the types that it takes; as it is if the image does not reach it or it does not fit."""
        if not any(value in reached for value in step.inputs):
            return step
        if step.programs:
            return self._of_programs(step, reached, compiled)
        taken = self._types_of(step, reached)
        changes = [dtype for dtype, value in zip(taken, step.inputs, strict=True) if dtype != value.dtype]
        return replace(step, taken=taken) if changes and self._fits(step, taken, compiled) else step

    def _of_programs(self, step: Step, reached: Collection[Value], compiled: bool) -> Step:
        """Return a step whose inner programs run in the type; a loop that rounding might not end stays as it is."""
        # The first input of a condition chooses a branch, and is not given to it.
        ahead = len(step.inputs) - len(step.programs[0].inputs)
        places = {place - ahead for place, value in enumerate(step.inputs) if value in reached}
        compiled = compiled or is_compiled_call(step.operation)
        if step.type in LOOPS:
            condition, body = step.programs
            decisive = _carried(body, places, Program.depending_on)
            # With rounded numbers, the loop may never end.
            if condition.depending_on(condition.inputs[place] for place in decisive).intersection(condition.outputs):
                return step
            places = _carried(body, places, _reached)
        inside = (
            self.of_program(program, [program.inputs[place] for place in places if place >= 0], compiled=compiled)
            for program in step.programs
        )
        return replace(step, programs=tuple(inside))

    def _types_of(self, step: Step, reached: Collection[Value]) -> tuple[tf.DType, ...]:
        """Return the type of each input in the new precision: changed if it must be that of what the image reaches."""
        kept = tuple(value.dtype for value in step.inputs)
        if step.type in KEPT[self._dtype.name] or HANDLES.intersection(
            value.dtype for value in (*step.inputs, *step.outputs)
        ):
            return kept
        attributes = _type_attributes(step)
        following = {attributes[place] for place, value in enumerate(step.inputs) if value in reached} - {None}
        return tuple(
            self._dtype if dtype == tf.float32 and attribute in following else dtype
            for dtype, attribute in zip(kept, attributes, strict=True)
        )

    def _fits(self, step: Step, taken: tuple[tf.DType, ...], compiled: bool) -> bool:
        """Return whether TensorFlow has the operation and its gradient in these types.

        Attributes and shapes are assumed not to matter, so 200 convolutions need one trial.
        """
        key = (step.type, taken, tuple(value.dtype for value in step.outputs), compiled)
        if key not in self._tried:
            self._tried[key] = self._try(step, taken, compiled)
        return self._tried[key]

    def _try(self, step: Step, taken: tuple[tf.DType, ...], compiled: bool) -> bool:
        """Run a step and its gradient on placeholders of these types, and look for the kernels of all operations.

        The graph is never run: TensorFlow refuses types when operations are made, but misses kernels only when they
        run, so the registry of kernels is asked for every operation made here, those of the gradient included.
        """
        with tf.Graph().as_default() as graph:
            inputs = [
                tf.raw_ops.Placeholder(dtype=dtype, shape=value.shape)
                for dtype, value in zip(taken, step.inputs, strict=True)
            ]
            try:
                results = [result for result in run_operation(step, inputs) if result.dtype.is_floating]
                tf.gradients(results, [each for each in inputs if each.dtype.is_floating]) if results else None
            except (TypeError, ValueError, LookupError):
                return False
        # XLA has its kernels for all types that an operation may have.
        made = [] if compiled else graph.get_operations()
        return all(has_kernel(each, self._device) for each in made if self._dtype in _types_in(each))


def _reached(program: Program, sources: Collection[Value]) -> set[Value]:
    """Return the floating-point values, and lists of such, that the sources reach by way of others of the kind."""
    found = set(sources)
    for step in program.steps:
        if any(value in found for value in step.inputs):
            found.update(value for value in step.outputs if value.dtype.is_floating or value.dtype == tf.variant)
    return found


def _carried(body: Program, places: Collection[int], follow: Follow) -> set[int]:
    """Return which inputs of a loop's body depend on those at `places`, in any iteration.

    A body hands its outputs to its inputs of the same number the next time, so this is repeated until nothing is added.
    follow: what of a program depends on some of its values, such as `Program.depending_on`.
    """
    found: set[int] = set(places)
    while True:
        inside = follow(body, [body.inputs[place] for place in found])
        grown = found.union(place for place, value in enumerate(body.outputs) if value in inside)
        if grown == found:
            return found
        found = grown


def _type_attributes(step: Step) -> list[str | int | None]:
    """Return what determines the type of each input of a step: an attribute's name, a number of its own, or nothing.

    A list of types may be that of a function that somebody else wrote; only those of identities follow the inputs.
    """
    if step.type in IDENTITIES:
        return list(range(len(step.inputs)))
    arguments = step.operation.op_def.input_arg
    places = by_argument(step.operation, arguments, range(len(step.inputs)))
    bound: dict[int, str] = {}
    for argument in arguments:
        numbers = places[argument.name]
        bound.update(dict.fromkeys(numbers if isinstance(numbers, list) else [numbers], argument.type_attr))
    return [bound[place] or None for place in range(len(step.inputs))]


def _types_in(operation: tf.Operation) -> set[tf.DType]:
    return {tensor.dtype for tensor in (*operation.inputs, *operation.outputs)}
