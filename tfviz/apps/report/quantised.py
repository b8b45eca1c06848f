"""Maps as a page carries them: a byte for each value, small enough for hundreds of maps in one file.

A byte counts steps of the square root of a value, so that small values, of which most maps are made, are told apart
more finely than large ones. Zero stays zero, and a map with values on both sides of it is symmetric about it. How far a
byte can be from the true value is known for each, and the page says it beside every value that it reads out.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from tfviz.arrays import Doubles, Floats, Picture
from tfviz.errors import TfvizError
from tfviz.results import ColorScale

UNSIGNED_STEPS, SIGNED_STEPS = 255, 127
MIDDLE = 128
"""The byte that stands for zero in a map with values on both sides of it."""
MAP_CHARACTERS, PICTURE_CHARACTERS = 10_000_000, 3_500_000
"""Of all maps of a page together, and of all pictures, in base64, which makes four characters of three bytes."""
LARGEST_SIDE, SMALLEST_SIDE = 224, 24
"""Pixels of the longer side of a map: never more than the first; a page whose maps would get fewer is refused."""


@dataclass(frozen=True)
class QuantisedMap:
    """A map (h, w) in bytes, and what they stand for: ``base ± span · ((byte - zero) / steps)²``.

    low, high: the values that the ends of the colours stand for, in the unit of the map; equal if there is nothing to
    show. is_signed: whether its sign means something, and both ends have colours of their own.
    """

    codes: Picture
    base: float
    span: float
    zero: int
    steps: int
    low: float
    high: float
    is_signed: bool

    @property
    def values(self) -> Doubles:
        """The values (h, w) that the bytes stand for."""
        steps = self.codes.astype(np.float64) - self.zero
        values: Doubles = self.base + np.sign(steps) * self.span * np.square(steps / self.steps)
        return values

    @property
    def errors(self) -> Doubles:
        """How far each value (h, w) can be from the true one: half a step, at most."""
        steps = np.abs(self.codes.astype(np.float64) - self.zero)
        edges = np.clip([steps - 0.5, steps + 0.5], 0, self.steps)
        below, above = self.span * np.abs(np.square(edges / self.steps) - np.square(steps / self.steps))
        errors: Doubles = np.maximum(below, above)
        return errors

    def as_data(self) -> dict[str, Any]:
        """Return what the script of the page reads."""
        height, width = self.codes.shape
        return {
            "width": width,
            "height": height,
            "base": self.base,
            "span": self.span,
            "zero": self.zero,
            "steps": self.steps,
            "low": self.low,
            "high": self.high,
            "signed": self.is_signed,
            "codes": base64.b64encode(self.codes.tobytes()).decode(),
        }


def quantise(values: Floats, scale: ColorScale | None, *, is_signed: bool, from_minimum: bool) -> QuantisedMap:
    """Return a finite map (h, w) in bytes.

    scale: the values that its colours stand for, of the map less its minimum if it is shown from there
    (`from_minimum`), for places that say nothing are not zero in it. None if it has nothing to show.
    """
    exact = values.astype(np.float64)
    base = float(exact.min()) if from_minimum else 0.0
    sizes = np.abs(exact - base)
    span = float(sizes.max())
    has_both = bool((exact < base).any())
    zero, steps = (MIDDLE, SIGNED_STEPS) if has_both else (0, UNSIGNED_STEPS)
    shares = sizes / span if span else sizes
    codes = zero + np.sign(exact - base) * np.rint(steps * np.sqrt(shares))
    low, high = (scale.vmin, scale.vmax) if scale else (0.0, 0.0)
    return QuantisedMap(codes.astype(np.uint8), base, span, zero, steps, base + low, base + high, is_signed)


@dataclass(frozen=True)
class Room:
    """What each map and picture of a page may take. side: pixels of the longer side of a map. picture: bytes."""

    side: int
    picture: int


def room_for(pictures: int, maps: int) -> Room:
    """Return the room on a page for so many pictures, each shown twice, with so many `maps` each.

    Raises `TfvizError` if the maps would become too small to be read.
    """
    count = max(1, pictures * maps)
    side = int(math.sqrt(MAP_CHARACTERS * 3 / 4 / count))
    if side < SMALLEST_SIDE:
        raise TfvizError(
            f"a report of {count} maps (images x methods x classes) would leave each {side} pixels a side, fewer than "
            f"{SMALLEST_SIDE}: give fewer images, --method or --top, or use tfviz explain or tfviz batch"
        )
    return Room(min(side, LARGEST_SIDE), PICTURE_CHARACTERS * 3 // 4 // (2 * max(1, pictures)))


def shrunk(values: Any, side: int) -> Any:
    """Return a map (h, w) or picture (h, w, 3) whose longer side has at most `side` pixels, as means over areas."""
    height, width = values.shape[:2]
    if max(height, width) <= side:
        return values
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA)
