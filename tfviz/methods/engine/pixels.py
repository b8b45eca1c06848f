"""Reads the numbers of a network's input as pixels of a picture, between black and white.

Attacks and visualisations measure in units of the pixel range, so that they mean the same under any preprocessing. It
has no default and may be given wrongly without an error: in a range of 255, pictures of 0..1 are all nearly black. So
images that fill less than 1 % of it are warned about.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfviz.arrays import name_images
from tfviz.errors import InvalidImagesError

NARROW = 0.01
"""Of the pixel range: pictures fill more of it, numbers from 0 to 1 in a range of 255 do not."""


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


def narrow_images(images: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[int]:
    """Return the rows of the images (N, H, W, C) that hardly fill the range from black to white (C,).

    A picture of one colour fills none of it, and tells nothing unless it is as dark as numbers from 0 to 1 would be.
    """
    shares = (images - low) / (high - low)
    axes = (1, 2, 3)
    fills_little = np.ptp(shares, axis=axes) < NARROW
    is_plain = (shares == shares[:, :1, :1]).all(axis=axes)
    return [int(row) for row in np.flatnonzero(fills_little & (~is_plain | (shares.max(axis=axes) < NARROW)))]


def about_narrow(rows: Sequence[int], pixel_range: tuple[Any, Any]) -> list[str]:
    """Return a warning about the images in those rows, see `narrow_images`: their range seems to be another."""
    if not rows:
        return []
    black, white = (np.asarray(end, np.float32).tolist() for end in pixel_range)
    return [
        f"less than {NARROW:.0%} of pixel_range ({black}, {white}) is filled by image {name_images(np.array(rows))}: "
        "its numbers seem to be in another range; expected (0, 1) for numbers from 0 to 1"
    ]
