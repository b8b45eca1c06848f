"""Reads the images that are explained again and again during a training.

A dataset is read once and kept as arrays, so that every explanation is of the same images in the same order, even if
the dataset is shuffled; so it must end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import InvalidImagesError, InvalidTargetsError

LABELS = "labels"


def read_fixed_images(images: Any, targets: Any) -> tuple[Any, Any]:
    """Return images and targets as `tfviz.explain` takes them, those of a dataset as arrays of all its batches.

    The targets ``"labels"`` are the labels of a dataset of (images, labels). Raises `InvalidImagesError` if the dataset
    is empty, never ends or holds images of different shapes, and `InvalidTargetsError` if it has no labels.
    """
    wants_labels = isinstance(targets, str) and targets == LABELS
    if not isinstance(images, tf.data.Dataset):
        if wants_labels:
            raise InvalidTargetsError(f'targets="{LABELS}" needs a tf.data.Dataset of (images, labels) as the images')
        return images, targets
    if images.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise InvalidImagesError("the dataset of the images repeats for ever: give its first batch, dataset.take(1)")
    elements = list(images.as_numpy_iterator())
    if not elements:
        raise InvalidImagesError("the dataset of the images is empty")
    if wants_labels:
        targets = _labels(elements)
    blocks = [element[0] if isinstance(element, tuple) else element for element in elements]
    try:
        return tf.nest.map_structure(lambda *parts: np.concatenate([*map(_batch, parts)]), *blocks), targets
    except ValueError as error:
        raise InvalidImagesError("the dataset holds images of different shapes, expected one") from error


def _labels(elements: list[Any]) -> np.ndarray:
    """Return class indices (N,), or one-hot rows (N, classes)."""
    if not isinstance(elements[0], tuple) or len(elements[0]) < 2:
        raise InvalidTargetsError(f'targets="{LABELS}", but the dataset holds images alone, expected (images, labels)')
    labels = np.concatenate([np.atleast_1d(element[1]) for element in elements])
    # A column of indices, as Keras takes them too.
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _batch(part: np.ndarray) -> np.ndarray:
    """Return one image (H, W, C) as a batch."""
    return part[np.newaxis] if part.ndim == 3 else part
