"""What the numbers of a network's input mean as pixels of a picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfviz.errors import InvalidImagesError


def check_pixel_range(pixel_range: tuple[Any, Any], channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return black and white as float32 arrays (C,) with C = `channels`; raise `InvalidImagesError`."""
    try:
        low, high = (np.broadcast_to(np.asarray(end, np.float32), (channels,)) for end in pixel_range)
    except (TypeError, ValueError) as error:
        raise InvalidImagesError(
            f"pixel_range is {pixel_range!r}, expected (black, white): two numbers, or two arrays ({channels},)"
        ) from error
    if not (low < high).all():
        raise InvalidImagesError(f"pixel_range is {pixel_range!r}, expected (black, white) with black below white")
    return low, high
