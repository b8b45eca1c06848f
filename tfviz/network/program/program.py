"""A traced function as one flat list of steps: nested calls inlined, operations that nothing needs dropped.

A model is traced once and its operations are run again one by one under our own tape. Hooks and clones depend on how a
model is written; a list of operations does not, so nesting, sharing, subclassing and exporting make no difference, and
nothing of the user's is touched. A `Value` is a tensor of the trace and a `Step` an operation under its full scoped
name, from which `layers` reads the layers. What cannot be inlined (conditions, loops, calls that XLA must compile)
stays one step that holds its programs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.program.internals import function_graph

CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
# Attributes that hold functions to run: the branches of a condition, both halves of a loop.
CONDITIONS = {"If": ("then_branch", "else_branch"), "StatelessIf": ("then_branch", "else_branch")}
CASES = {"Case": "branches", "StatelessCase": "branches"}
LOOPS = {"While": ("cond", "body"), "StatelessWhile": ("cond", "body")}
# Their results follow from the shape of their inputs, and not from the numbers in them.
SHAPES = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"})
NORMALISATIONS = frozenset({"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"})
HANDLES = frozenset({tf.resource, tf.variant})  # types without numbers
# TensorFlow 1 loops are cycles in the graph, which a list of steps cannot express.
CYCLES = frozenset({"Enter", "NextIteration", "LoopCond"})


def _cast(tensor: tf.Tensor, value: Value, dtype: tf.DType) -> tf.Tensor:
    # Only float32 is ever replayed in another type; a network of integers is given floats, which stay.
    return tf.cast(tensor, dtype) if value.dtype == tf.float32 and tensor.dtype != dtype else tensor


@dataclass(eq=False, repr=False)
class Value:
    """A tensor of a program: its static shape and type, and the step that makes it (None for an argument)."""

    shape: tf.TensorShape
    dtype: tf.DType
    step: Step | None = None

    def zeros(self) -> tf.Tensor:
        """Return zeros, or empty strings, of its shape and type; an open size is 1."""
        return tf.zeros([size or 1 for size in self.shape], self.dtype)

    def constant(self) -> Any:
        """Return the array that a value always is, if TensorFlow can tell without running it; else None."""
        made = self.step
        return None if made is None else tf.get_static_value(made.operation.outputs[made.outputs.index(self)])

    def as_traced(self, tensor: tf.Tensor) -> tf.Tensor:
        """Return the tensor of a replay in this value's own type, if it was computed in a shorter one than float32."""
        return _cast(tensor, self, self.dtype)


@dataclass(eq=False, repr=False)
class Step:
    """One operation of a program, with the programs that it runs inside.

    operation: that of the traced graph, whose attributes are read. name: its full scoped name, such as
    `vgg16/block1_conv1/Relu`. programs: the branches of a condition, the condition and the body of a loop, or the
    function of a call that XLA compiles.
    taken: the types of its inputs if it runs in a reduced precision, see `precision`; empty for those of the values.
    """

    operation: tf.Operation
    name: str
    inputs: list[Value]
    outputs: list[Value] = field(default_factory=list)
    programs: tuple[Program, ...] = ()
    taken: tuple[tf.DType, ...] = ()

    @property
    def type(self) -> str:
        """The operation's type, such as `Conv2D`."""
        return str(self.operation.type)

    def branch(self, chosen: Any) -> Program:
        """Return the program that a condition, or a case, runs for the value of its first input."""
        # The first branch of a condition is for true; a case out of bounds is the last one.
        number = int(not chosen) if self.type in CONDITIONS else int(chosen)
        return self.programs[number if 0 <= number < len(self.programs) else -1]

    def taking(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Return the tensors of its inputs in the types that it takes."""
        types = self.taken or [value.dtype for value in self.inputs]
        return [_cast(*each) for each in zip(tensors, self.inputs, types, strict=True)]


@dataclass(eq=False, repr=False)
class Boundary(Step):
    """A step in front of the model that turns the image into the order that it takes; not an operation of the model."""


@dataclass(eq=False, repr=False)
class EachImage(Step):
    """Several steps as one that is run on each image by itself: its one program computes the values of one image.

    The first input is the images, which tell how many there are. alone: the specs of its outputs for one image.
    split: for every other input, whether it has rows for each image or is the same for all.
    """

    alone: tuple[tf.TensorSpec, ...] = ()
    split: tuple[bool, ...] = ()

    @property
    def type(self) -> str:
        """Not the type of any operation, since no operation does what this step does."""
        return "EachImage"


@dataclass(eq=False, repr=False)
class Program:
    """Steps in an order in which they can run.

    inputs, outputs: as the graph orders them. calls: the names of the nested calls that were inlined, which look like
    scopes of layers and are none.
    """

    inputs: list[Value]
    steps: list[Step]
    outputs: list[Value]
    calls: frozenset[str] = frozenset()

    def all_steps(self) -> Iterator[Step]:
        """Yield the steps, those of the programs inside them included."""
        for step in self.steps:
            yield step
            for program in step.programs:
                yield from program.all_steps()

    def giving(self, outputs: list[Value], known: Collection[Value] = ()) -> Program:
        """Return the part of this program that `outputs` need, with the values `known` as further arguments."""
        needed = self.needed_for(outputs, known)
        steps = [step for step in self.steps if any(value in needed for value in step.outputs)]
        return Program([*known, *self.inputs], steps, outputs, self.calls)

    def depending_on(self, sources: Iterable[Value]) -> set[Value]:
        """Return the values that depend on any of `sources`, those included."""
        found = set(sources)
        for step in self.steps:
            if any(value in found for value in step.inputs):
                found.update(step.outputs)
        return found

    def reached_by(self, sources: Iterable[Value]) -> set[Value]:
        """Return the values that the numbers of `sources`, and not only their shapes, reach, those included."""
        found = set(sources)
        for step in self.steps:
            if step.type not in SHAPES and any(value in found for value in step.inputs):
                found.update(step.outputs)
        return found

    def uses(self) -> Counter[Value]:
        """Return how often each value is used: by steps, and as an output."""
        return Counter(self.outputs) + Counter(value for step in self.steps for value in step.inputs)

    def needed_for(self, results: Iterable[Value], known: Collection[Value] = ()) -> set[Value]:
        """Return the values that any of `results` depends on, those included, up to the `known` ones."""
        found = {*results}.difference(known)
        for step in reversed(self.steps):
            if any(value in found for value in step.outputs):
                found.update(value for value in step.inputs if value not in known)
        return found


def by_argument(operation: tf.Operation, definitions: Iterable[Any], values: Iterable[Any]) -> dict[str, Any]:
    """Return values by the names of the arguments in an operation's definition; lists of those that are several.

    The inputs of a `ConcatV2` of two values are `{"values": [first, second], "axis": axis}`.
    """
    remaining = iter(values)
    found: dict[str, Any] = {}
    for argument in definitions:
        if argument.number_attr or argument.type_list_attr:
            length = operation.get_attr(argument.number_attr or argument.type_list_attr)
            count = length if isinstance(length, int) else len(length)
            found[argument.name] = [next(remaining) for _ in range(count)]
        else:
            found[argument.name] = next(remaining)
    return found


def is_compiled_call(operation: tf.Operation) -> bool:
    """Return whether `operation` calls a function that must be compiled by XLA as a whole.

    Keras wraps depthwise convolutions in one on CPU: without XLA their grouped gradient has no kernel.
    """
    if operation.type not in CALLS:
        return False
    return "_XlaMustCompile" in operation.node_def.attr and bool(operation.get_attr("_XlaMustCompile"))


def program_of(graph: tf.Graph) -> Program:
    """Return the program of a function graph; its inputs and outputs are the graph's, in order."""
    inputs = [_value(tensor) for tensor in graph.inputs]
    steps: list[Step] = []
    calls: list[str] = []
    outputs = _inline(graph, inputs, "", steps, calls)
    return Program(inputs, steps, outputs, frozenset(calls)).giving(outputs)


def _value(tensor: tf.Tensor, step: Step | None = None) -> Value:
    return Value(tensor.shape, tensor.dtype, step)


def _inline(
    graph: tf.Graph, arguments: Sequence[Value], prefix: str, steps: list[Step], calls: list[str]
) -> list[Value]:
    """Append the steps of a graph, and of the calls in it, under a name's `prefix`; return the graph's outputs."""
    values = {tensor.ref(): value for tensor, value in zip(graph.inputs, arguments, strict=True)}
    for operation in graph.get_operations():
        if operation.type in CYCLES:
            raise UnsupportedModelError(
                f"the model holds a TensorFlow 1 loop ({operation.name}); export it again with TensorFlow 2"
            )
        if operation.type == "Placeholder":
            continue
        name = prefix + operation.name
        inputs = [values[tensor.ref()] for tensor in operation.inputs]
        if operation.type in CALLS and not is_compiled_call(operation):
            calls.append(name)
            nested = function_graph(graph, operation.get_attr("f").name)
            outputs = _inline(nested, inputs, name + "/", steps, calls)
        else:
            step = Step(operation, name, inputs, programs=_programs(graph, operation))
            step.outputs = [_value(tensor, step) for tensor in operation.outputs]
            steps.append(step)
            outputs = step.outputs
        values.update((tensor.ref(), value) for tensor, value in zip(operation.outputs, outputs, strict=True))
    return [values[tensor.ref()] for tensor in graph.outputs]


def _programs(graph: tf.Graph, operation: tf.Operation) -> tuple[Program, ...]:
    """Return the programs that an operation runs: branches, both halves of a loop, the body of a compiled call."""
    attributes: tuple[str, ...] = CONDITIONS.get(operation.type) or LOOPS.get(operation.type) or ()
    if is_compiled_call(operation):
        attributes = ("f",)
    functions = [operation.get_attr(name) for name in attributes]
    if operation.type in CASES:
        functions = operation.get_attr(CASES[operation.type])
    return tuple(program_of(function_graph(graph, function.name)) for function in functions)
