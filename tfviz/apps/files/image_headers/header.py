"""What the header of an image file says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

Part = TypeVar("Part")


@dataclass(frozen=True)
class Header:
    """What a file says of its picture.

    width, height: in pixels. decoded_bytes: what the pixels take while they are decoded, as OpenCV does it. exif: the
    EXIF block of a PNG or WebP file; that of a JPEG is left to OpenCV, a TIFF has none. trouble: what else is wrong
    with the file, to be read behind its name. is_premultiplied: whether OpenCV gives colours multiplied by their alpha.
    has_much_beside: whether much stands beside the pixels that a decoder would unpack, see `needed_of`.
    """

    width: int
    height: int
    decoded_bytes: int
    exif: bytes = b""
    trouble: str = ""
    is_premultiplied: bool = False
    has_much_beside: bool = False


NO_IMAGE = "is no image that OpenCV can read; save it as PNG or JPEG"
CUT_OFF = "is cut off: its end is missing; copy or download it again"


MOST_PARTS = 1 << 20
"""Chunks or segments of a file, each of which takes time to pass: a picture of 195 MB has some ten thousand."""


class DamagedError(Exception):
    """What is wrong with a file, to be read behind its name."""


def damaged(reason: str) -> DamagedError:
    """Return what to raise where a file breaks the rules of its format."""
    return DamagedError(f"is damaged: {reason}; copy or download it again")


def limited(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the parts of a file; raise `DamagedError` where they are more than any picture has."""
    for number, part in enumerate(parts):
        if number == MOST_PARTS:
            raise damaged(f"it has more than {MOST_PARTS} parts")
        yield part
