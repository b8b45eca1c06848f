"""The features of serialised `tf.train.Example`s, and the Examples that pictures become for a network of those.

A network that takes Examples is shown pictures by wrapping each into an Example of one feature. If Examples must have
other features too, a picture cannot say what they are: for explanations that is an error, but where only the network's
own decoding is looked at (`trial_record`) zeros and empty texts will do. An Example may also be given as it is; parsing
tells it from an image file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types

from tfviz.apps.model.example_format import ExampleFormat
from tfviz.errors import InvalidImagesError

_ZEROS: dict[tf.DType, Any] = {tf.string: b"", tf.float32: 0.0, tf.int64: 0}
"""Of the types that Examples are parsed to."""


def read_features(record: bytes) -> dict[str, list[Any]]:
    """Return the values of every feature of an Example by its name; raise `InvalidImagesError` for anything else.

    Values are bytes, floats or integers, all of one kind in a feature; a feature that is empty has none.
    """
    try:
        found = tf.train.Example.FromString(record).features.feature
    except DecodeError as error:
        raise InvalidImagesError("the record is not a tf.train.Example") from error
    return {name: list(getattr(each, each.WhichOneof("kind") or "bytes_list").value) for name, each in found.items()}


def serialise(features: Mapping[str, Sequence[Any]]) -> bytes:
    """Return the serialised Example of features, each of one value or more.

    The first value of a feature says what all of them are: bytes, Python floats or integers.
    """
    example = tf.train.Example(
        features=tf.train.Features(feature={name: _feature(values) for name, values in features.items()})
    )
    encoded: bytes = example.SerializeToString()
    return encoded


def find_picture(features: Mapping[str, Sequence[Any]], name: str) -> bytes:
    """Return the encoded picture in the feature of that name; raise `InvalidImagesError` if there is none."""
    if not features.get(name):
        found = ", ".join(sorted(features)) or "none"
        raise InvalidImagesError(f"the Example has no {name}; its features are: {found}")
    (encoded, *others) = features[name]
    if others or not isinstance(encoded, bytes):
        raise InvalidImagesError(f"{name} is not the bytes of one picture")
    return encoded


def picture_in(content: bytes, examples: ExampleFormat | None) -> bytes:
    """Return the encoded picture in an Example that a network takes; the content itself of an image file.

    Nothing is both: an image file begins as no Example does. Raises as `find_picture`.
    """
    if examples is None:
        return content
    try:
        features = read_features(content)
    except InvalidImagesError:
        return content
    return find_picture(features, examples.picture) if features else content


def to_example(encoded: bytes, examples: ExampleFormat, name: str) -> bytes:
    """Return the Example of an encoded picture, called so in errors, for a network that takes Examples.

    Raises
    ------
    InvalidImagesError
        The Examples must have other features, too, which no picture says.
    UnsupportedModelError
        The network does not decode one feature of them.
    """
    described = ", ".join(f"{name!r} {spec.dtype.name} {spec.shape}" for name, spec in examples.required.items())
    if described:
        raise InvalidImagesError(
            f"{name} cannot be made an Example as the network takes them, which has {described} beside the picture in "
            f"{examples.picture!r}: give tfviz batch TFRecords of such Examples, or explain them in Python"
        )
    return serialise({examples.picture: [encoded]})


def trial_record(encoded: bytes, examples: ExampleFormat) -> bytes:
    """Return the Example of an encoded picture, with zeros or empty texts for what must be beside it."""
    others = {name: [_ZEROS[spec.dtype]] * spec.shape.num_elements() for name, spec in examples.required.items()}
    # Serialised messages that follow each other are one. The picture comes last, because NumPy's texts lose the zeros
    # at their end.
    return serialise(others) + serialise({examples.picture: [encoded]})


def _feature(values: Sequence[Any]) -> Any:
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
