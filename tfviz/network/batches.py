"""Images and targets as users give them become the batches that a compiled function takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfviz.errors import InvalidImagesError, InvalidTargetsError

if TYPE_CHECKING:
    from tfviz.network.traced import TracedNetwork

PREDICTED = -1


def batches(
    network: TracedNetwork, images: Any, targets: Any, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield checked images (n, H, W, C) and targets (n,) of at most `batch_size`; -1 is the predicted class.

    `images` may be an array, a tensor, or a `tf.data.Dataset` of batches (of images, or of tuples that begin so).
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise InvalidImagesError(f"batch_size is {batch_size!r}, expected a whole number of at least 1")
    start = 0
    checked = None if isinstance(images, tf.data.Dataset) else check_images(network, images)
    wanted = check_targets(network, targets, None if checked is None else len(checked))
    for block in [checked] if checked is not None else _dataset_blocks(network, images):
        for offset in range(0, len(block), batch_size):
            chunk = block[offset : offset + batch_size]
            _check_finite(chunk, start)
            yield chunk, _targets_of(wanted, start, len(chunk))
            start += len(chunk)
    if start == 0:
        raise InvalidImagesError(
            "there are no images: expected a batch (N, height, width, channels) with N of at least 1"
        )
    if np.ndim(wanted) and len(wanted) != start:
        raise InvalidTargetsError(f"there are {len(wanted)} targets for {start} images")


def check_images(network: TracedNetwork, images: Any) -> np.ndarray:
    """Return images as float32 (N, H, W, C), one image as a batch of one; raise `InvalidImagesError`."""
    try:
        array = np.asarray(images)
    except NotImplementedError as error:
        raise InvalidImagesError("images without values, as inside a tf.function; explain outside of it") from error
    except (TypeError, ValueError) as error:
        raise InvalidImagesError(
            "images of different shapes; expected one array (N, height, width, channels)"
        ) from error
    if array.dtype.kind not in "fiub" and array.dtype != tf.bfloat16.as_numpy_dtype:
        raise InvalidImagesError(f"images are of type {array.dtype}, expected numbers")
    if array.ndim == 3:
        array = array[np.newaxis]
    expected = network.image_shape
    fits = array.ndim == 4 and all(
        wanted in (None, size) for wanted, size in zip(expected, array.shape[1:], strict=True)
    )
    if not fits:
        shape = ", ".join(str(size or "any") for size in expected)
        raise InvalidImagesError(f"images have the shape {array.shape}, the network takes (N, {shape})")
    return array.astype(np.float32, copy=False)


def check_targets(network: TracedNetwork, targets: Any, count: int | None) -> Any:
    """Return targets as a whole number, or as int32 (N,) with N = `count` where that is known."""
    if targets is None:
        return PREDICTED
    try:
        array = np.asarray(targets)
    except ValueError as error:
        raise InvalidTargetsError("targets are rows of different lengths, expected class indices (N,)") from error
    if array.ndim == 2:
        array = _from_one_hot(network, array)
    if array.dtype.kind not in "iu":
        raise InvalidTargetsError(f"targets are of type {array.dtype}, expected class indices (whole numbers)")
    if array.ndim > 1 or (array.ndim == 1 and count is not None and len(array) != count):
        raise InvalidTargetsError(
            f"targets have the shape {array.shape}, expected one number or one for each of {count}"
        )
    if network.num_classes is None:
        raise InvalidTargetsError("this network was traced with a score of your own, which has no targets; pass None")
    wrong = array[(array < 0) | (array >= network.num_classes)]
    if wrong.size:
        raise InvalidTargetsError(
            f"target {wrong.flat[0]} is out of range: the network has {network.num_classes} classes, "
            f"0 to {network.num_classes - 1}"
        )
    return array.astype(np.int32)


def _from_one_hot(network: TracedNetwork, array: np.ndarray) -> Any:
    is_one_hot = np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()
    if array.shape[1] != network.num_classes or not is_one_hot:
        raise InvalidTargetsError(
            f"targets have the shape {array.shape}; expected indices (N,) or one-hot rows (N, {network.num_classes})"
        )
    return np.argmax(array, axis=1)


def _targets_of(targets: Any, start: int, count: int) -> np.ndarray:
    if np.ndim(targets) == 0:
        return np.full(count, targets, np.int32)
    if len(targets) < start + count:
        raise InvalidTargetsError(f"there are {len(targets)} targets for more than {start + count - 1} images")
    return np.asarray(targets[start : start + count])


def _dataset_blocks(network: TracedNetwork, dataset: tf.data.Dataset) -> Iterator[np.ndarray]:
    shape: tuple[int, ...] = ()
    for element in dataset:
        block = check_images(network, element[0] if isinstance(element, tuple) else element)
        shape = shape or block.shape[1:]
        if block.shape[1:] != shape:
            raise InvalidImagesError(f"batches hold images of the shapes {shape} and {block.shape[1:]}, expected one")
        yield block


def _check_finite(images: np.ndarray, start: int) -> None:
    # NaN and infinity survive a sum, which is five times faster than looking at every number.
    with np.errstate(all="ignore"):
        if np.isfinite(images.sum()):
            return
    finite = np.isfinite(images).all(axis=(1, 2, 3))
    if not finite.all():
        raise InvalidImagesError(f"image {start + int(np.argmin(finite))} holds NaN or infinite values")
