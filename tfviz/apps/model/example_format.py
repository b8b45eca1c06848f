"""The features that a network reads of serialised `tf.train.Example`s, found in the operations that parse them.

A signature does not say what its strings are. The parsing operations name their features, in attributes or constants,
and each feature is followed through the program, into loops and conditions: it is a picture if what an image decoder is
given depends on it, and stands beside the picture if only the decoded images do. So pictures need no agreed name, and a
crop that an Example asks for is known.

What is not found: names that are computed, pixels that are not an encoded file (`decode_raw`, lists of numbers), what
depends on a feature only from the second round of a loop on, since a loop is followed once, and what depends on it only
by the number of rounds, since a loop's condition is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.program import CASES, CONDITIONS, LOOPS, Program, Step, Value, by_argument
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
        if not step.programs:
            if not found.isdisjoint(step.inputs):
                found.update(step.outputs)
            continue
        is_choice = step.type in CONDITIONS or step.type in CASES
        for nested in step.programs:
            given = zip(nested.inputs, step.inputs[1:] if is_choice else step.inputs, strict=True)
            found.update(inside for inside, value in given if value in found)
            _follow(nested, found)
        # A loop's first program is its condition.
        results = [nested.outputs for nested in (step.programs[1:] if step.type in LOOPS else step.programs)]
        is_chosen = is_choice and step.inputs[0] in found
        for output, *made in zip(step.outputs, *results, strict=True):
            if is_chosen or not found.isdisjoint(made):
                found.add(output)
