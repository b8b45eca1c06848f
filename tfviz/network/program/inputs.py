"""Sorts the arguments of a network: the image that is explained, the inputs held fixed, the records that are decoded.

A signature that decodes files is one program, not two models. Its image is the first batch of decoded images that
everything else follows from, and the program is cut there: the part before it runs as it is, so that no decoding need
be differentiable, or known. The part after the cut may still ask how many records there are (`COUNTING`), but not for
their contents. Operations have no types of their own: types follow from inputs, so that a network of uint8 images is
replayed with floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf

from tfviz.data_format import DataFormat
from tfviz.errors import UnsupportedModelError, suggestion
from tfviz.network.program.program import Program, Value

EXPECTED = "images (N, height, width, channels) or encoded ones, strings (N,)"
LISTED = 8
# Operations that tell no more about the encoded images than how many there are.
COUNTING = frozenset({"Shape", "ShapeN", "Size", "Rank"})
NO_EXTRA_INPUTS: Mapping[str, tf.Tensor] = {}
HANDED_ON = frozenset({"Identity", "IdentityN", "Reshape", "ExpandDims", "Squeeze"})


@dataclass(frozen=True, eq=False)
class Decoding:
    """The part of a program that makes the image of encoded records: run as it is, and not explained.

    records: strings (N,). program: from the records to the decoded images. cut: the name of the operation that gives
    these. counted: whether the rest asks how many records there are; it is then given as many empty strings.
    one_by_one: whether it decodes one at a time, as a signature that takes records (1,) does.
    """

    records: Value
    program: Program
    cut: str
    counted: bool
    one_by_one: bool = False


@dataclass(frozen=True, eq=False)
class Inputs:
    """The role of each argument of a program.

    name: the input that is, or holds, the image. image: its value; after decoding, if it is encoded. extra_inputs: the
    inputs that are held fixed, by name. alias: what a Keras model calls its one input. program: what runs from the
    image on. decoding: None if images are numbers. data_format: how the model itself takes its images; `image` is
    (N, H, W, C). warnings: what must be said of that.
    """

    name: str
    image: Value
    extra_inputs: dict[str, Value]
    program: Program
    decoding: Decoding | None = None
    alias: str | None = None
    data_format: DataFormat = DataFormat.CHANNELS_LAST
    warnings: Sequence[str] = ()

    @cached_property
    def specs(self) -> dict[str, tf.TensorSpec]:
        """The specs of the inputs beside the image, by name."""
        return {name: tf.TensorSpec(value.shape, value.dtype) for name, value in self.extra_inputs.items()}

    def arguments(self, images: tf.Tensor, extra_inputs: Mapping[str, tf.Tensor]) -> dict[Value, tf.Tensor]:
        """Return the arguments of `program`, without the variables, for float32 images (N, H, W, C).

        A network of integer images is given float ones: its operations take them as they are, and its cast to float
        leaves them unchanged.
        """
        dtype = self.image.dtype
        found = {self.image: tf.cast(images, dtype) if dtype.is_floating else images}
        found.update((value, extra_inputs[name]) for name, value in self.extra_inputs.items())
        if self.decoding is not None and self.decoding.counted:
            found[self.decoding.records] = tf.fill(tf.shape(images)[:1], "")
        return found


def is_image(value: Value) -> bool:
    """Return whether a value may be a batch of images as numbers."""
    return bool(value.shape.rank == 4 and (value.dtype.is_floating or value.dtype.is_integer))


def is_encoded(value: Value) -> bool:
    """Return whether a value may be a batch of encoded images."""
    return bool(value.shape.rank == 1 and value.dtype == tf.string)


def is_batch(spec: tf.TensorSpec) -> bool:
    """Return whether an input beside the image has something for each image, and is not one value for all."""
    return bool(spec.shape.rank) and spec.shape[0] is None


def rows_of(
    extra_inputs: Mapping[str, Any], specs: Mapping[str, tf.TensorSpec], first: int, last: int
) -> dict[str, Any]:
    """Return the inputs beside the images from `first` up to `last`; one value for all stays as it is."""
    return {name: each[first:last] if is_batch(specs[name]) else each for name, each in extra_inputs.items()}


def find_inputs(
    program: Program, given: Mapping[str, Value], name: str | None, cut: str | None, alias: str | None = None
) -> Inputs:
    """Return the roles of the inputs `given` by name; `name`: the image's. `cut`: the operation that decodes it.

    `alias` is what a Keras model calls its one input, and may be used as its name. Inputs that the outputs do not need
    have no role. If the image is encoded, the value at the cut becomes the image, and the program begins there. Raises
    `UnsupportedModelError` if none or several may be the image, or the image cannot be cut out.
    """
    name = _choose(given, next(iter(given)) if name and name == alias else name)
    image = given[name]
    needed = program.needed_for(program.outputs)
    extra_inputs = {each: value for each, value in given.items() if each != name and value in needed}
    if is_image(image):
        if cut is not None:
            raise UnsupportedModelError(f"cut is for encoded images, but the input {name!r} is one of numbers")
        return Inputs(name, image, extra_inputs, program, alias=alias)
    if image.shape[0] not in (None, 1):
        raise UnsupportedModelError(
            f"the model takes batches of exactly {image.shape[0]} encoded images, expected any number or one: "
            "export it with an open batch size (None)"
        )
    decoded, rest = _find_cut(program, image, cut)
    decoding = Decoding(
        image,
        program.giving([decoded]),
        decoded.step.name if decoded.step else "",
        counted=_takes(rest, image),
        one_by_one=image.shape[0] == 1,
    )
    # The steps that made the image are not a part of the network.
    decoded.step = None
    return Inputs(name, decoded, extra_inputs, rest, decoding, alias)


def _choose(given: Mapping[str, Value], name: str | None) -> str:
    """Return the name of the input that is the image: the one asked for, or the only one that may be.

    Inputs that are images as numbers come before those that may be encoded, so that a text beside an image is not
    taken for another one. Raises `UnsupportedModelError` for a name that is not one of `given` or not an image's, and
    without a name if not exactly one qualifies.
    """
    if name is not None and name not in given:
        hint = suggestion(name, given, f"the model takes {_described(given)}")
        raise UnsupportedModelError(f"no input {name!r}; {hint}")
    usable = [each for each, value in given.items() if is_image(value)]
    usable = usable or [each for each, value in given.items() if is_encoded(value)]
    if name is not None:
        if not (is_image(given[name]) or is_encoded(given[name])):
            raise UnsupportedModelError(f"the input {name!r} is not an image: {_described(given)}; expected {EXPECTED}")
        return name
    if len(usable) != 1:
        hint = f"say which with input={usable[0]!r} (--input-name)" if usable else f"expected one input of {EXPECTED}"
        several = "several inputs that may be the image" if usable else "no input that may be an image"
        raise UnsupportedModelError(f"the model has {several} ({_described(given)}); {hint}")
    return usable[0]


def _described(given: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {value.dtype.name} {value.shape}" for name, value in given.items()) or "nothing"


def _find_cut(program: Program, records: Value, name: str | None) -> tuple[Value, Program]:
    """Return the first batch of images that all else follows from, or the one named, and the program after it.

    Candidates are all batches of images that the records make, in the order in which they are made: the earlier the
    cut, the more of the preprocessing is explained. If a signature takes a single record, an image of known size comes
    before one of any size, which only decoding made. Raises `UnsupportedModelError` if the one named is not among them,
    or if the program after it (without a name, after every one) reads more of the records than their number.
    """
    follows = program.depending_on([records])
    made = [value for step in program.steps for value in step.outputs if value in follows and is_image(value)]
    candidates = [value for value in made if value.shape[0] is None]
    if records.shape[0] == 1:
        # The image of the one record may have any size until it is resized.
        candidates = sorted(
            (value for value in made if value.shape[0] in (None, 1)), key=lambda value: None in value.shape[1:3]
        )
    names = {value.step.name: value for value in candidates if value.step}
    for each, value in names.items():
        if name in (None, each) and (rest := _after(program, records, value)) is not None:
            return value, rest
    if name in names:
        raise UnsupportedModelError(
            f"the images at {name!r} cannot be cut out: the outputs depend on the records beside them too"
        )
    found = ", ".join(map(repr, list(names)[:LISTED])) or "no image"
    problem = f"no operation {name!r} gives" if name is not None else "nothing in the model is"
    raise UnsupportedModelError(f"{problem} a batch of decoded images that all else follows from; it makes {found}")


def _after(program: Program, records: Value, image: Value) -> Program | None:
    """Return the program from `image` on; None if it needs more of the records than their number.

    The records themselves may be handed on or reshaped on the way to an operation that counts them.
    """
    rest = program.giving(program.outputs, known=[image])
    told = {records}
    for step in rest.steps:
        if told.intersection(step.inputs) and step.type not in COUNTING:
            if step.type not in HANDED_ON:
                return None
            told.update(step.outputs)
    return rest


def _takes(program: Program, value: Value) -> bool:
    return any(value in step.inputs for step in program.steps)
