"""Pictures that take the place of what a metric removes of an image.

A number, the image's mean colour, its lowest value, the blurred image, or the image with its values turned over. None
of them is right: a constant has edges where it meets the image, a blur keeps large shapes, and a network may take any
of them for something. So each metric says which it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from tfviz.arrays import Doubles, Floats
from tfviz.errors import TfvizError
from tfviz.results import pick

# The shorter side of an image over the deviation of its blur: 14 of 224 pixels, which leave no part of a thing.
BLUR_SIDES = 16
KERNEL_OF_RISE, DEVIATION_OF_RISE, CUT = 11, 5, 4.0  # pixels; cut off after so many standard deviations


def blank(image: Floats, fill: float | str) -> Floats:
    """Return a picture of the shape of an image (H, W, C): a number everywhere, or one of `BLANKS` by name."""
    if isinstance(fill, str):
        return BLANKS[fill](image)
    return np.full_like(image, fill)


def check_blank(name: str, fill: Any) -> None:
    """Raise `TfvizError` unless an option is one of `BLANKS` by name, or a finite number."""
    if isinstance(fill, str):
        pick(name, fill, BLANKS)
    elif isinstance(fill, bool) or not isinstance(fill, int | float | np.number) or not np.isfinite(fill):
        raise TfvizError(f"{name} is {fill!r}, expected a number or one of {', '.join(BLANKS)}")


def _mean(image: Floats) -> Floats:
    return np.broadcast_to(image.mean(axis=(0, 1), dtype=np.float64).astype(np.float32), image.shape)


def _lowest(image: Floats) -> Floats:
    return np.full_like(image, image.min())


def _turned(image: Floats) -> Floats:
    """Mirror the values of an image in the middle of their range: the lowest becomes the highest."""
    return np.asarray(image.min() + image.max() - image, np.float32)


def _blur(image: Floats) -> Floats:
    deviation = max(1.0, min(image.shape[:2]) / BLUR_SIDES)
    blurred = cv2.GaussianBlur(image, (0, 0), deviation, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float32).reshape(image.shape)


def _blur_of_rise(image: Floats) -> Floats:
    """Blur as the code of RISE does: by a square kernel of 11 pixels, with zeros around the image."""
    line = _line_of_rise()
    blurred = cv2.sepFilter2D(image, cv2.CV_32F, line, line, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(blurred, np.float32).reshape(image.shape)


def _line_of_rise() -> Doubles:
    """Return what a Gaussian of 5 pixels makes of a single one in the middle of 11, reflected at the ends: (11,)."""
    radius = int(CUT * DEVIATION_OF_RISE + 0.5)
    weights = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / DEVIATION_OF_RISE))
    point = np.zeros(KERNEL_OF_RISE)
    point[KERNEL_OF_RISE // 2] = 1
    line: Doubles = np.convolve(np.pad(point, radius, "symmetric"), weights / weights.sum(), "valid")
    return line


BLANKS: dict[str, Callable[[Floats], Floats]] = {
    "mean": _mean,
    "lowest": _lowest,
    "blur": _blur,
    "blur_of_rise": _blur_of_rise,
    "turned": _turned,
}
"""Ways to make such a picture, by name."""
