"""Where the channels of images stand, in the terms of Keras."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)
MOST_CHANNELS = 16
"""Of an image: an array of a few rows with more on its last axis has its channels elsewhere."""


class DataFormat(str, Enum):  # noqa: UP042  # StrEnum came with Python 3.11
    """How a model takes its images, and gets what is found of their channels: (N, H, W, C) or (N, C, H, W)."""

    CHANNELS_LAST = "channels_last"
    CHANNELS_FIRST = "channels_first"

    def __str__(self) -> str:
        """Return how Keras writes it."""
        return self.value

    def to_last(self, values: NDArray[Number]) -> NDArray[Number]:
        """Return images or attributions (..., C, H, W) of this format as (..., H, W, C)."""
        return np.ascontiguousarray(np.moveaxis(values, -3, -1)) if self is DataFormat.CHANNELS_FIRST else values

    def from_last(self, values: NDArray[Number]) -> NDArray[Number]:
        """Return images or attributions (..., H, W, C) as this format has them."""
        return np.ascontiguousarray(np.moveaxis(values, -1, -3)) if self is DataFormat.CHANNELS_FIRST else values
