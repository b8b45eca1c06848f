"""The header of an image file: what all formats have in common, and how each reader reports damage.

A reader trusts nothing that a file says about itself: sizes are multiplied out before anything is allocated, and parts
are counted, since millions of empty segments take time as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

Part = TypeVar("Part")


@dataclass(frozen=True)
class Header:
    """What is known of a picture from its file's header.

    width, height: in pixels. decoded_bytes: what the pixels take while OpenCV decodes them. exif: the EXIF block of a
    PNG or WebP file; that of a JPEG is left to OpenCV, and of a TIFF none is read. trouble: what else is wrong with the
    file, worded to follow its name. is_premultiplied: whether OpenCV returns colours multiplied by their alpha.
    has_much_beside: whether the file holds much beside the pixels that a decoder would unpack, see `needed_of`.
    """

    width: int
    height: int
    decoded_bytes: int
    exif: bytes = b""
    trouble: str = ""
    is_premultiplied: bool = False
    has_much_beside: bool = False


NOT_AN_IMAGE = "is not an image that OpenCV can read; save it as PNG or JPEG"
CUT_OFF = "is cut off: its end is missing; copy or download it again"

MOST_PARTS = 1 << 20
"""Chunks or segments of a file, each of which takes time to pass; a picture of 195 MB has some ten thousand."""


class DamagedError(Exception):
    """What is wrong with a file, worded to follow its name."""


def damaged(reason: str) -> DamagedError:
    """Return the error for a file that breaks the rules of its format."""
    return DamagedError(f"is damaged: {reason}; copy or download it again")


def limited(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the parts of a file; raise `DamagedError` if there are more than any picture has."""
    for number, part in enumerate(parts):
        if number == MOST_PARTS:
            raise damaged(f"it has more than {MOST_PARTS} parts")
        yield part
