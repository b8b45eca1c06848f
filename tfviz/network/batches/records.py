"""Encoded images in the forms that a user has them: tensors, arrays and sequences of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import InvalidImagesError


def values_of_strings(images: tf.Tensor) -> Any:
    """Return the bytes of a string tensor, as an array or, if it is a scalar, alone."""
    if tf.is_symbolic_tensor(images):
        raise InvalidImagesError("images without values, as inside a tf.function; explain outside of it")
    return images.numpy()


def as_objects(images: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Return a sequence or array of objects as an array (N,) of them, one object as an array of one."""
    if isinstance(images, np.ndarray):
        if images.ndim > 1:
            raise InvalidImagesError(
                f"images are objects of the shape {images.shape}, expected numbers or encoded images (N,)"
            )
        return images.reshape(-1)
    records = np.empty(len(images), object)
    records[:] = list(images)
    return records
