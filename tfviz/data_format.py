"""The order of an image's axes: channels last or first, in the terms of Keras.

Inside of tfviz images are always (N, H, W, C): a network with channels first gets a transposition in front of it when
it is traced, so that layers, methods and pictures need not know. A user of such a network gives and gets its own order;
`to_last` and `from_last` turn arrays at that boundary.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
MOST_CHANNELS = 16
"""An image has at most this many channels; an array with more on its last axis has them elsewhere."""


class DataFormat(str, Enum):  # noqa: UP042  # StrEnum came with Python 3.11
    """The order in which a model takes images and its user gets attributions: (N, H, W, C) or (N, C, H, W)."""

    CHANNELS_LAST = "channels_last"
    CHANNELS_FIRST = "channels_first"

    def __str__(self) -> str:
        """Return the name in Keras."""
        return self.value

    def to_last(self, values: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return images or attributions (..., C, H, W) of this format as (..., H, W, C)."""
        return np.ascontiguousarray(np.moveaxis(values, -3, -1)) if self is DataFormat.CHANNELS_FIRST else values

    def from_last(self, values: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return images or attributions (..., H, W, C) in this format."""
        return np.ascontiguousarray(np.moveaxis(values, -1, -3)) if self is DataFormat.CHANNELS_FIRST else values
