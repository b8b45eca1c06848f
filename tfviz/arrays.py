"""Types of arrays that several folders share, a check for masks, and the names of images in messages.

NumPy converts a masked array without its mask and without a word, so the hidden values would be explained as if they
were there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.errors import InvalidImagesError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]
Indices = NDArray[np.int32]


def refuse_masked(name: str, values: Any) -> None:
    """Raise `InvalidImagesError` if `values`, or one of a list of them, is a masked array; errors call it `name`.

    A mask that hides nothing is refused as well: whether a call works should not depend on the numbers.
    """
    several = values if isinstance(values, list | tuple) else [values]
    if any(map(np.ma.isMaskedArray, several)):
        raise InvalidImagesError(f"{name} are a masked array, whose mask would be lost: fill it first (.filled(value))")


def name_images(indices: np.ndarray) -> str:
    """Return the numbers of up to five images, in words: `1, 4` or `0, 1, 2, 5, 7 and others`."""
    return ", ".join(map(str, indices[:5])) + (" and others" if indices.size > 5 else "")
