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

from tfviz.errors import InvalidImagesError
from tfviz.network.batches.targets import Targets, as_targets
from tfviz.network.batches.user_images import Expected, Given
from tfviz.network.heads import Head
from tfviz.network.program import rows_of


@dataclass(frozen=True)
class Batch:
    """Checked images, float32 (n, H, W, C), the targets of each, (n, k), and the other inputs.

    extra_inputs: by name, in the types that the network takes; those with an entry for each image are cut as the images
    are. total: how many images all batches have together; None if that is not known yet.
    """

    images: np.ndarray
    targets: Targets
    extra_inputs: dict[str, tf.Tensor]
    total: int | None = None

    def split(self, specs: Mapping[str, tf.TensorSpec], count: int) -> list[Batch]:
        """Return at most `count` batches of nearly the same size that hold the images of this one, in order.

        `specs` say which of the other inputs have an entry for each image.
        """
        count, total = min(count, len(self.images)), len(self.images)
        parts = []
        for first, last in pairwise([total * index // count for index in range(count + 1)]):
            extra_inputs = rows_of(self.extra_inputs, specs, first, last)
            parts.append(Batch(self.images[first:last], self.targets.of_images(first, last), extra_inputs))
        return parts


def batches(expected: Expected, head: Head, images: Any, targets: Any, batch_size: int) -> Iterator[Batch]:
    """Yield checked batches of at least one image, and of as many as have at most `batch_size` targets in one run.

    `images` may be an array, a tensor, a sequence of encoded images, a dictionary of these and the network's other
    inputs by name, or a `tf.data.Dataset` of batches (of any of these, or of tuples that begin so).

    Raises `InvalidImagesError` for images that the network cannot take, for several shapes, for no images at all, and
    for a `batch_size` that is not an integer of at least 1; `InvalidTargetsError` for targets that are not classes, and
    for too few or too many of them. Of a dataset, too few are noticed at the first batch without, too many at its end.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise InvalidImagesError(f"batch_size is {batch_size!r}, expected an integer of at least 1")
    start, shape = 0, ()
    given = None if isinstance(images, tf.data.Dataset) else Given(expected, images)
    wanted = as_targets(head, targets)
    wanted.check_needed(head)
    if given is not None:
        wanted.check_count(given.count)
    size = wanted.images_at_once(batch_size)
    for block in [given] if given is not None else _dataset_blocks(expected, images):
        for offset in range(0, block.count, size):
            chunk, extra_inputs = block.part(offset, offset + size, start)
            shape = shape or chunk.shape[1:]
            if chunk.shape[1:] != shape:
                raise _of_several_shapes(shape, chunk.shape[1:], start)
            yield Batch(
                chunk, wanted.of_images(start, start + len(chunk)), extra_inputs, given.count if given else None
            )
            start += len(chunk)
    if start == 0:
        raise InvalidImagesError(
            "there are no images: expected a batch (N, height, width, channels) with N of at least 1"
        )
    wanted.check_count(start)


def _of_several_shapes(first: tuple[int, ...], other: tuple[int, ...], start: int) -> InvalidImagesError:
    return InvalidImagesError(
        f"batches hold images of the shapes {first} and {other}, expected one (from image {start} on)"
    )


def _dataset_blocks(expected: Expected, dataset: tf.data.Dataset) -> Iterator[Given]:
    # The next batch is made while this one is explained.
    for element in dataset.prefetch(1):
        yield Given(expected, element[0] if isinstance(element, tuple) else element)
