"""The features that a network reads of serialised `tf.train.Example`s, found in the operations that parse them.

A signature does not say what its strings are. The parsing operations name their features, in attributes or constants,
and each feature is followed through the program, into loops and conditions: it is a picture if what an image decoder is
given depends on it, and stands beside the picture if only the decoded images do. So pictures need no agreed name, and a
crop that an Example asks for is known. What decides how often a loop runs, or which branch is taken, acts on the
results.

What is not found: names that are computed, pixels that are not an encoded file (`decode_raw`, lists of numbers), and
what depends on a sparse or ragged feature by its indices, shape or row lengths alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.program import CASES, CONDITIONS, LOOPS, SHAPES, Program, Step, Value, by_argument
from tfviz.network.traced import TracedNetwork

PARSERS = frozenset({"ParseExample", "ParseExampleV2", "ParseSingleExample"})
DECODERS = frozenset(
    {
        "DecodeAndCropJpeg", "DecodeBmp", "DecodeGif", "DecodeImage", "DecodeJpeg", "DecodePng", "DecodeWebP",
    }
)  # fmt: skip


@dataclass(frozen=True)
class ExampleFormat:
    """The format of the Examples that a network takes.

    features: the names of all that it parses. pictures: of those that are decoded as image files. beside: of the others
    that change the decoded images. required: by name, the type and shape of each of the others that has no default, and
    so must be in every Example.
    """

    features: tuple[str, ...]
    pictures: tuple[str, ...]
    beside: tuple[str, ...]
    required: Mapping[str, tf.TensorSpec]

    @property
    def picture(self) -> str:
        """The feature that is decoded as an image file; raises `UnsupportedModelError` unless there is exactly one."""
        if len(self.pictures) == 1:
            return self.pictures[0]
        names = ", ".join(map(repr, self.pictures or self.features))
        decoded = f"decodes {names}" if self.pictures else f"parses {names} and decodes none of them"
        raise UnsupportedModelError(
            f"of serialised Examples the network {decoded} as image files, expected one; explain it in Python"
        )


@dataclass(frozen=True, eq=False)
class _Feature:
    """A feature where it is parsed. value: what it becomes. required: what an Example must have; None for nothing."""

    name: str
    value: Value
    required: tf.TensorSpec | None = None


def find_example_format(network: TracedNetwork) -> ExampleFormat | None:
    """Return the format of the Examples that a network takes, None if it takes none.

    A text is a picture if what an operation decodes as an image file follows from it.
    """
    decoding = network.inputs.decoding
    if decoding is None:
        return None
    steps = list(decoding.program.all_steps())
    found = [feature for step in steps if step.type in PARSERS for feature in _features(step)]
    following = {feature: _following(decoding.program, feature.value) for feature in found}
    contents = {step.inputs[0] for step in steps if step.type in DECODERS}
    pictures = _names(each for each in found if each.value.dtype == tf.string and contents & following[each])
    others = [each for each in found if each.name not in pictures]
    beside = _names(each for each in others if network.image in following[each])
    required = {each.name: each.required for each in others if each.required}
    return ExampleFormat(_names(found), pictures, beside, required) if found else None


def _names(features: Iterable[_Feature]) -> tuple[str, ...]:
    """Return the names of features, each once: a signature may parse one in several places."""
    return tuple(dict.fromkeys(each.name for each in features))


def _features(step: Step) -> Iterator[_Feature]:
    """Yield the features that an operation parses, as far as the graph says their names."""
    operation = step.operation
    inputs = by_argument(operation, operation.op_def.input_arg, operation.inputs)
    outputs = by_argument(operation, operation.op_def.output_arg, step.outputs)
    dense = zip(outputs["dense_values"], operation.get_attr("dense_shapes"), inputs["dense_defaults"], strict=True)
    for name, (value, shape, default) in zip(_keys(operation, inputs, "dense_keys"), dense, strict=False):
        # A feature whose default is empty has none.
        lacks = default.shape.num_elements() == 0
        yield _Feature(name, value, tf.TensorSpec(shape, default.dtype) if lacks else None)
    for kind in ("sparse", "ragged"):
        names, values = _keys(operation, inputs, f"{kind}_keys"), outputs.get(f"{kind}_values", ())
        yield from map(_Feature, names, values)


def _keys(operation: tf.Operation, inputs: Mapping[str, Any], argument: str) -> list[str]:
    """Return the names in one argument of a parsing operation: an attribute, a constant, or a constant for each."""
    if argument in inputs:
        constants = tf.nest.map_structure(tf.get_static_value, inputs[argument])
        return [
            key.decode()
            for constant in tf.nest.flatten(constants)
            if constant is not None
            for key in np.ravel(constant)
        ]
    is_attribute = argument in {attribute.name for attribute in operation.op_def.attr}
    return [key.decode() for key in operation.get_attr(argument)] if is_attribute else []


def _following(program: Program, source: Value) -> set[Value]:
    """Return the values that depend on one, those inside of loops and conditions included."""
    found = {source}
    _follow(program, found)
    return found


def _follow(program: Program, found: set[Value]) -> None:
    """Add to the values that were found those of a program, and of the programs in it, that depend on them."""
    for step in program.steps:
        if step.type in LOOPS:
            _follow_loop(step, found)
        elif step.programs:
            _follow_branches(step, found)
        elif not found.isdisjoint(step.inputs) and not _reads_fixed_shape(step):
            found.update(step.outputs)


def _follow_branches(step: Step, found: set[Value]) -> None:
    """Follow the programs of a condition or case, whose first input chooses one, or that of a compiled call."""
    is_choice = step.type in CONDITIONS or step.type in CASES
    for nested in step.programs:
        given = zip(nested.inputs, step.inputs[1:] if is_choice else step.inputs, strict=True)
        found.update(inside for inside, value in given if value in found)
        _follow(nested, found)
    is_chosen = is_choice and step.inputs[0] in found
    for output, *made in zip(step.outputs, *(nested.outputs for nested in step.programs), strict=True):
        if is_chosen or not found.isdisjoint(made):
            found.add(output)


def _follow_loop(step: Step, found: set[Value]) -> None:
    """Follow the condition and the body of a loop, round after round until no more is found.

    A loop returns what it was given if it runs no round, and what decides how often it runs acts on all its results.
    """
    condition, body = step.programs
    count = 0
    while count < len(found):
        count = len(found)
        for nested in step.programs:
            given = zip(nested.inputs, step.inputs, body.outputs, strict=True)
            found.update(inside for inside, *values in given if not found.isdisjoint(values))
            _follow(nested, found)
    is_counted = condition.outputs[0] in found
    for output, *values in zip(step.outputs, step.inputs, body.outputs, strict=True):
        if is_counted or not found.isdisjoint(values):
            found.add(output)


def _reads_fixed_shape(step: Step) -> bool:
    """Return whether a step reads only the shape of a feature that has one shape in all Examples.

    `tf.map_fn` over several features runs as often as the first of them has rows.
    """
    source = step.inputs[0] if step.type in SHAPES else None
    if source is None or source.step is None or source.step.type not in PARSERS:
        return False
    operation = source.step.operation
    dense = by_argument(operation, operation.op_def.output_arg, source.step.outputs)["dense_values"]
    shapes = dict(zip(dense, operation.get_attr("dense_shapes"), strict=True))
    return source in shapes and bool(tf.TensorShape(shapes[source]).is_fully_defined())
