"""Decides which number is white in a file of 16 bits, and scales its colours to 8 bits.

X-rays have 12 bits and cameras 14, stored in files of 16: with the largest number that a file could hold as white, such
a picture is nearly black to a network. Nothing is guessed: a warning names the depth that the values suggest, and the
user gives it (`--depth 12`), or asks for the raw numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.errors import TfvizError

FULL_DEPTH, RAW = "full", "raw"
BITS = range(8, 17)
FAR_BELOW = 14
"""Bits: if the largest value of a file needs no more, it is at most a quarter of white."""

Pixels = NDArray[np.uint16]
Bytes = NDArray[np.uint8]


def check_depth(depth: str) -> None:
    """Raise `TfvizError` unless `depth` is `full`, `raw` or a number of bits."""
    if depth not in (FULL_DEPTH, RAW, *map(str, BITS)):
        raise TfvizError(
            f"depth is {depth!r}, expected {FULL_DEPTH}, {RAW} or bits from {BITS[0]} to {BITS[-1]} (--depth)"
        )


def white_of(depth: str) -> int:
    """Return the number that is white in a file of 16 bits."""
    return (1 << (int(depth) if depth.isdigit() else BITS[-1])) - 1


def about_depth(colors: Pixels, name: str | Path, depth: str) -> list[str]:
    """Return what must be said where the colours of a file of 16 bits are far below white, or above it."""
    largest, white = int(colors.max()), white_of(depth)
    bits = max(largest.bit_length(), BITS[0])
    if depth == FULL_DEPTH and largest > 0 and bits <= FAR_BELOW:
        return [
            f"{name} has 16 bits, but its largest value is {largest}, as of {bits} bits: with {white} as white it is "
            f"nearly black; --depth {bits} makes {white_of(str(bits))} white, --depth {RAW} gives its own numbers"
        ]
    if depth != RAW and largest > white:
        return [
            f"{name} has values up to {largest}, above {white}, which is white by --depth {depth}: they become white"
        ]
    return []


def in_eight_bits(colors: Pixels, white: int) -> Bytes:
    """Return colours with `white` at 255, rounded."""
    scaled: Bytes = ((np.minimum(colors, white).astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)
    return scaled


def picture_of(numbers: NDArray[Any]) -> Bytes:
    """Return an image of 8 bits as it is, one of 16 with its largest value as white."""
    return numbers if numbers.dtype == np.uint8 else in_eight_bits(numbers, max(1, int(numbers.max())))
