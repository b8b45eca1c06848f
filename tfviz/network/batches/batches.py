"""Cuts images and targets as users give them into checked batches.

Arrays are checked at once and then cut. A `tf.data.Dataset` is read a block at a time, each cut the same way, and the
next is made while this one is explained; how many images it has, and so whether there are too many targets, is known
only at its end. All images must be of one shape. They are numbered through all batches, which is how errors name them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.arrays import refuse_masked
from tfviz.errors import InvalidImagesError, InvalidTargetsError
from tfviz.network.batches.user_images import Expected, Given
from tfviz.network.heads import Head
from tfviz.network.program import rows_of

PREDICTED = -1


@dataclass(frozen=True)
class Batch:
    """Checked images, float32 (n, H, W, C), targets (n,), -1 for the predicted class, and the other inputs.

    An image may have k targets: (n · k,), those of an image following each other.
    """

    images: np.ndarray
    targets: np.ndarray
    extra_inputs: dict[str, tf.Tensor]

    def split(self, specs: Mapping[str, tf.TensorSpec], count: int) -> list[Batch]:
        """Return at most `count` batches of nearly the same size that hold the images of this one, in order.

        `specs` say which of the other inputs have an entry for each image.
        """
        count, total = min(count, len(self.images)), len(self.images)
        each = len(self.targets) // total
        parts = []
        for first, last in pairwise([total * index // count for index in range(count + 1)]):
            extra_inputs = rows_of(self.extra_inputs, specs, first, last)
            parts.append(Batch(self.images[first:last], self.targets[first * each : last * each], extra_inputs))
        return parts


def batches(expected: Expected, head: Head, images: Any, targets: Any, batch_size: int) -> Iterator[Batch]:
    """Yield checked batches of at most `batch_size` images.

    `images` may be an array, a tensor, a sequence of encoded images, a dictionary of these and the network's other
    inputs by name, or a `tf.data.Dataset` of batches (of any of these, or of tuples that begin so).
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise InvalidImagesError(f"batch_size is {batch_size!r}, expected an integer of at least 1")
    start, shape = 0, ()
    given = None if isinstance(images, tf.data.Dataset) else Given(expected, images)
    wanted = check_targets(head, targets, None if given is None else given.count)
    for block in [given] if given is not None else _dataset_blocks(expected, images):
        for offset in range(0, block.count, batch_size):
            chunk, extra_inputs = block.part(offset, offset + batch_size, start)
            shape = shape or chunk.shape[1:]
            if chunk.shape[1:] != shape:
                raise InvalidImagesError(
                    f"batches hold images of the shapes {shape} and {chunk.shape[1:]}, expected one "
                    f"(from image {start} on)"
                )
            yield Batch(chunk, _targets_of(wanted, start, len(chunk)), extra_inputs)
            start += len(chunk)
    if start == 0:
        raise InvalidImagesError(
            "there are no images: expected a batch (N, height, width, channels) with N of at least 1"
        )
    if np.ndim(wanted) and len(wanted) != start:
        raise InvalidTargetsError(f"there are {len(wanted)} targets for {start} images")


def check_targets(head: Head, targets: Any, count: int | None) -> Any:
    """Return targets as an integer, or as int32 (N,) with N = `count` if that is known; -1 stands for None."""
    if targets is None:
        return PREDICTED
    refuse_masked("targets", targets)
    try:
        array = np.asarray(targets)
    except ValueError as error:
        raise InvalidTargetsError("targets are rows of different lengths, expected class indices (N,)") from error
    if array.ndim == 2:
        array = _from_one_hot(head, array)
    if array.dtype.kind not in "iu":
        raise InvalidTargetsError(f"targets are of type {array.dtype}, expected class indices (integers)")
    if array.ndim > 1 or (array.ndim == 1 and count is not None and len(array) != count):
        raise InvalidTargetsError(
            f"targets have the shape {array.shape}, expected one number or one for each of {count}"
        )
    _check_classes(head, array)
    return array.astype(np.int32)


def _check_classes(head: Head, classes: np.ndarray) -> None:
    """Raise `InvalidTargetsError` for targets that are not classes of the network."""
    if head.lacking:
        raise InvalidTargetsError("this network has no classifier, and so no targets; pass None")
    # Evaluations that know only classes call the one number of a custom score class 0.
    wrong = classes[(classes < 0) | (classes >= (head.num_classes or 1))]
    if not wrong.size:
        return
    if head.num_classes is None:
        raise InvalidTargetsError(
            "this network was traced with a score of your own, which has no targets; pass None, or 0"
        )
    raise InvalidTargetsError(
        f"target {wrong.flat[0]} is out of range: the network has {head.num_classes} classes, "
        f"0 to {head.num_classes - 1}"
    )


def _from_one_hot(head: Head, array: np.ndarray) -> Any:
    is_one_hot = np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()
    if array.shape[1] != head.num_classes or not is_one_hot:
        raise InvalidTargetsError(
            f"targets have the shape {array.shape}; expected indices (N,) or one-hot rows (N, {head.num_classes})"
        )
    return np.argmax(array, axis=1)


def _targets_of(targets: Any, start: int, count: int) -> np.ndarray:
    if np.ndim(targets) == 0:
        return np.full(count, targets, np.int32)
    if len(targets) < start + count:
        raise InvalidTargetsError(f"there are {len(targets)} targets for more than {start + count - 1} images")
    return np.asarray(targets[start : start + count])


def _dataset_blocks(expected: Expected, dataset: tf.data.Dataset) -> Iterator[Given]:
    # The next batch is made while this one is explained.
    for element in dataset.prefetch(1):
        yield Given(expected, element[0] if isinstance(element, tuple) else element)
