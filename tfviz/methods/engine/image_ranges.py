"""Finds images whose numbers cannot be what a network expects, or what the other images are made of.

Pictures of 0..1 given to a network of 0..255, or the other way round, give maps that look like any other, so every call
looks at its images on the host. Of an image that fits, one number is looked at, its largest. Doubt is resolved in the
image's favour: black frames, dark pictures and images of one colour are not warned about.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfviz.arrays import name_images
from tfviz.network.diagnosis import PREPARE_AS_TRAINED, ExpectedRange

ONE, MANY = 1.0, 50.0
"""The limit that pictures of 0..1 keep, and the one that pictures of 0..255 exceed."""
CONTRAST = 0.05  # the least standard deviation that tells a picture of 0..1 from a black frame of 0..255
MEAN = 5  # times the largest number that is expected: no image has a larger mean

ImageRange = tuple[int, float, float]
"""Which image it is, and its smallest and its largest number."""


class ImageRanges:
    """The ranges of the images of a call, looked at batch by batch on the host: those that cannot fit are kept.

    An image of one colour fits everywhere, since all that can be wrong with it is its colour.
    """

    def __init__(self, expected: ExpectedRange | None) -> None:
        self._expected, self._within = expected, (-np.inf, np.inf) if expected is None else expected.within
        self._count = 0
        self._unexpected: list[ImageRange] = []
        self._smaller: list[ImageRange] = []
        self._largest = 0.0

    def look(self, images: np.ndarray) -> None:
        """Look at the next batch of images (n, H, W, C)."""
        first, self._count = self._count, self._count + len(images)
        if self._expected is None and len(images) == 1:
            return
        # Of images that fit, one number is looked at, and each of these once.
        highs = images.reshape(len(images), -1).max(axis=1)
        largest, (least, most) = float(highs.max()), self._within
        for row, high in enumerate(highs.tolist()):
            if self._expected is not None and not least < high <= most:
                low = float(images[row].min())
                if _is_unexpected(self._expected, images[row], low, high):
                    self._unexpected.append((first + row, low, high))
                    continue
            if high <= ONE and largest >= MANY and _is_picture_of_one(images[row]):
                self._smaller.append((first + row, float(images[row].min()), high))
                self._largest = largest

    def messages(self) -> tuple[str, ...]:
        """Return warnings about the images that cannot fit."""
        messages = []
        if self._unexpected:
            messages.append(f"{_described(self._unexpected)}, but {self._expected}: {PREPARE_AS_TRAINED}")
        if self._smaller:
            messages.append(
                f"{_described(self._smaller)}, but others of the same batch numbers up to {self._largest:.5g}: "
                "prepare all images alike"
            )
        return tuple(messages)


def _is_unexpected(expected: ExpectedRange, image: np.ndarray, low: float, high: float) -> bool:
    """Return whether an image with numbers from `low` to `high` cannot be what is expected."""
    if expected.is_below(low, high):
        # A dark picture of 0..255 holds integers, of which none is negative.
        return (max(high, -low) <= ONE or low < 0 or _has_fractions(image)) and _varies(image)
    if expected.is_above(low, high):
        is_whole = (expected.signed and low >= 0) or float(np.abs(image).mean()) > MEAN * expected.largest
        return is_whole and _varies(image)
    return False


def _is_picture_of_one(image: np.ndarray) -> bool:
    """Return whether an image without numbers above 1 is a picture of 0..1 or −1..1, not a dark one of 0..255."""
    return bool(image.min() >= -ONE) and _has_fractions(image) and float(image.std()) >= CONTRAST and _varies(image)


def _has_fractions(image: np.ndarray) -> bool:
    """Return whether any number of an image is not an integer, as those of a picture of 0..255 are."""
    return bool((image != np.rint(image)).any())


def _varies(image: np.ndarray) -> bool:
    """Return whether an image is of more than one colour."""
    return bool((image != image[:1, :1]).any())


def _described(found: Sequence[ImageRange]) -> str:
    numbers, lows, highs = zip(*found, strict=True)
    return f"image {name_images(np.array(numbers))} holds numbers from {min(lows):.5g} to {max(highs):.5g}"
