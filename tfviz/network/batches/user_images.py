"""Checks what a user gives a network to look at: images as numbers or encoded, and the other inputs.

Whatever a network cannot take is refused here, with the name of the input or the number of the image. Shapes and types
are checked when they are given, values of images a batch at a time. Encoded images are decoded a batch at a time by the
network itself; if that fails, each is tried alone, to find the one at fault. Networks of integer images are given
floats: numbers that their type cannot hold are refused, but not those between two integers.

Nothing is converted that could mean something else: a shape with channels in the wrong place, fractions for another
input of integers, a masked array or texts for bytes are errors, not guesses. Images become float32 and are not scaled:
preprocessing is the caller's. Whether their numbers are in the right range is asked by `diagnosis`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.arrays import refuse_masked
from tfviz.data_format import DataFormat
from tfviz.errors import InvalidImagesError
from tfviz.network.batches.not_numbers import LONGEST, UNREAD, how_to_read, read_file, what_they_are
from tfviz.network.batches.records import as_objects, values_of_strings
from tfviz.network.program import Inputs, is_batch, reason_of, rows_of
from tfviz.network.rewriting import in_own_order

# TensorFlow cannot raise an error whose message quotes bytes that are not text.
UNDECODED = (tf.errors.OpError, UnicodeDecodeError)
# Numbers between two integers are explained, too, and interpolation may end a hair beyond the last.
HALF = 0.5
SEVERAL_SHAPES = "images of different shapes; expected one array (N, height, width, channels)"


@dataclass(frozen=True)
class Expected:
    """What a network expects to be given.

    data_format: that of the images. decode: a compiled function that makes images, float32 (n, H, W, C), of records
    (n,) and the other inputs by name.
    """

    inputs: Inputs
    data_format: DataFormat
    decode: Callable[[tf.Tensor, Mapping[str, Any]], tf.Tensor]


class Given:
    """Checked images, or records of encoded ones, and the network's other inputs; raises `InvalidImagesError`.

    count: the number of images. Encoded ones are decoded a part at a time.
    """

    def __init__(self, expected: Expected, given: Any) -> None:
        self._expected, self._specs = expected, expected.inputs.specs
        images, extra_inputs = _split(expected.inputs, given)
        self._records = _as_records(expected.inputs, images)
        self._images = None if self._records is not None else _check_images(expected, images)
        self.count = len(self._records if self._images is None else self._images)  # type: ignore[arg-type]  # one is given
        self._extra_inputs = {name: self._check(name, spec, extra_inputs[name]) for name, spec in self._specs.items()}

    def part(self, first: int, last: int, number: int) -> tuple[np.ndarray, dict[str, tf.Tensor]]:
        """Return the images from `first` up to `last`, float32 (n, H, W, C), and the other inputs.

        `number` is that of the first of them in errors.
        """
        rows = rows_of(self._extra_inputs, self._specs, first, last) if self._specs else {}
        extra_inputs = {name: tf.constant(values, self._specs[name].dtype) for name, values in rows.items()}
        if self._images is None:
            images = _decode(self._expected, self._records[first:last], extra_inputs, number)  # type: ignore[index]  # given
        else:
            # Converted a part at a time: as floats, a thousand pictures of bytes take four times their memory.
            images = self._images[first:last].astype(np.float32, copy=False)
        _check_values(images, self._expected.inputs.image.dtype, number)
        return images, extra_inputs

    def _check(self, name: str, spec: tf.TensorSpec, value: Any) -> np.ndarray:
        """Return the input of that name as an array of the type that the network takes; raise `InvalidImagesError`.

        Its shape must be that of the spec, with as many entries as there are images if the first axis is open.
        """
        refuse_masked(f"values of the input {name!r}", value)
        try:
            original = np.asarray(value)
            array = original.astype(spec.dtype.as_numpy_dtype, copy=False)
        except (TypeError, ValueError) as error:
            raise InvalidImagesError(f"the input {name!r} cannot be made {spec.dtype.name}: {error}") from error
        is_discrete = spec.dtype.is_integer or spec.dtype.is_bool
        if is_discrete and (original.dtype.kind not in "fiub" or not np.array_equal(array, original)):
            raise InvalidImagesError(
                f"the input {name!r} holds values that are not {spec.dtype.name}: {original.flat[0]}"
            )
        if spec.dtype.is_floating and not np.isfinite(array.astype(np.float64)).all():
            raise InvalidImagesError(f"the input {name!r} holds NaN or infinite values")
        expected = [self.count, *spec.shape[1:]] if is_batch(spec) else spec.shape
        if not tf.TensorShape(expected).is_compatible_with(array.shape):
            raise InvalidImagesError(
                f"the input {name!r} has the shape {array.shape}, expected {tuple(expected)} for {self.count} images"
            )
        return array


def _split(inputs: Inputs, given: Any) -> tuple[Any, Mapping[str, Any]]:
    """Return the images, and the other inputs by name; raise `InvalidImagesError` if an input is missing.

    The image of a Keras model with one input may also go by the name that Keras has for it.
    """
    name = inputs.name
    expected = [name, *inputs.extra_inputs]
    if isinstance(given, Mapping):
        if inputs.alias in given and name not in given:
            given = {**given, name: given[inputs.alias]}
        missing = [name for name in expected if name not in given]
        if missing:
            raise InvalidImagesError(
                f"the input {missing[0]!r} is missing: the network takes {', '.join(map(repr, expected))}, "
                f"got {', '.join(map(repr, given)) or 'none'}"
            )
        # A dictionary may hold inputs that the explained output does not need.
        return given[name], given
    if inputs.extra_inputs:
        raise InvalidImagesError(
            f"the network takes {', '.join(map(repr, expected))}: give a dictionary of all, not the images alone"
        )
    return given, {}


def _as_records(inputs: Inputs, images: Any) -> np.ndarray | None:
    """Return encoded images as an array (N,) of bytes; None for images as numbers.

    Raises `InvalidImagesError` for NumPy's byte strings, for encoded images if the network takes numbers, and for texts
    if it takes encoded images: a file's name is not its content.
    """
    if isinstance(images, tf.Tensor) and images.dtype == tf.string:
        images = values_of_strings(images)
    if isinstance(images, bytes | str):
        images = [images]
    if getattr(getattr(images, "dtype", None), "kind", "") == "S":
        _refuse("images are NumPy byte strings, which lose the zeros at their end: give a list of bytes")
    is_sequence = isinstance(images, Sequence) and len(images) > 0
    if not (is_sequence and isinstance(images[0], bytes | str)) and getattr(images, "dtype", None) != np.dtype(object):
        return None
    records = as_objects(images)
    wrong = next((each for each in records if not isinstance(each, bytes)), None)
    if isinstance(wrong, str) and inputs.decoding:
        _refuse(f"{wrong[:LONGEST]!r} is a string, expected {read_file(wrong[:LONGEST], inputs)}")
    if wrong is not None:
        return None
    if inputs.decoding is None:
        kind = inputs.image.dtype.name
        _refuse(f"images are encoded, expected numbers: the network takes {kind} images; tf.io.decode_image makes them")
    return records


def _refuse(message: str) -> Any:
    raise InvalidImagesError(message)


def _decode(expected: Expected, records: np.ndarray, extra_inputs: dict[str, tf.Tensor], number: int) -> np.ndarray:
    """Return the images (n, H, W, C) that the network makes of records; `number` is that of the first, in errors.

    If they fail together, each is tried by itself, and the first that fails is named.
    """
    specs = expected.inputs.specs

    def attempt(first: int, last: int) -> Any:
        beside = rows_of(extra_inputs, specs, first, last)
        return expected.decode(tf.constant(records[first:last], tf.string), beside).numpy()

    try:
        return np.asarray(attempt(0, len(records)))
    except UNDECODED as error:
        reason = _reason(error)
    for row in range(len(records)):
        try:
            attempt(row, row + 1)
        except UNDECODED as error:
            raise InvalidImagesError(
                f"image {number + row} cannot be decoded by the network: {_reason(error)}"
            ) from error
    raise InvalidImagesError(f"the network cannot decode {len(records)} images together, but each alone: {reason}")


def _reason(error: Exception) -> str:
    return reason_of(error) if isinstance(error, tf.errors.OpError) else "its bytes are of another kind"


def _check_images(expected: Expected, images: Any) -> np.ndarray:
    """Return images of the network's data format as (N, H, W, C) of their own type, one image as a batch of one.

    Raises `InvalidImagesError`.
    """
    refuse_masked("images", images)
    if isinstance(images, UNREAD):
        raise InvalidImagesError(how_to_read(images))
    try:
        array = np.asarray(images)
    except NotImplementedError as error:
        raise InvalidImagesError("images without values, as inside a tf.function; explain outside of it") from error
    except (TypeError, ValueError) as error:
        raise InvalidImagesError(SEVERAL_SHAPES) from error
    if array.dtype.kind not in "fiub" and array.dtype != tf.bfloat16.as_numpy_dtype:
        raise InvalidImagesError(what_they_are(images, array.dtype, expected.inputs))
    if array.ndim == 3:
        array = array[np.newaxis]
    last = expected.data_format.to_last(array) if array.ndim == 4 else array
    sizes = expected.inputs.image.shape
    if array.ndim != 4 or any(size not in (None, own) for size, own in zip(sizes[1:], last.shape[1:], strict=True)):
        wanted = ", ".join(str(size or "any") for size in in_own_order(tuple(sizes[1:]), expected.data_format))
        raise InvalidImagesError(f"images have the shape {array.shape}, the network takes (N, {wanted})")
    return last


def _check_values(images: np.ndarray, dtype: tf.DType, start: int) -> None:
    """Raise `InvalidImagesError` for NaN, infinite values, and those that images of an integer type cannot hold."""
    if dtype.is_floating:
        _check_finite(images, start)
    elif images.size:
        low, high = dtype.min - HALF, dtype.max + HALF
        # NaN survives both, and no comparison with it is true.
        if low <= images.min() and images.max() <= high:
            return
        _check_finite(images, start)
        outside = (images < low) | (images > high)
        row = int(np.argmax(outside.any(axis=(1, 2, 3))))
        raise InvalidImagesError(
            f"image {start + row} holds {images[row][outside[row]][0]:g}, expected {dtype.min} to {dtype.max}: the "
            f"network takes {dtype.name} images"
        )


def _check_finite(images: np.ndarray, start: int) -> None:
    """Raise `InvalidImagesError` that names the first image with NaN or infinite values."""
    # NaN and infinity survive a sum, which is five times faster than looking at every number.
    with np.errstate(all="ignore"):
        if np.isfinite(images.sum()):
            return
    finite = np.isfinite(images).all(axis=(1, 2, 3))
    if not finite.all():
        raise InvalidImagesError(f"image {start + int(np.argmin(finite))} holds NaN or infinite values")
