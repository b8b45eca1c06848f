"""What the header of an image file says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Header:
    """What a file says of its picture.

    width, height: in pixels. decoded_bytes: what the pixels take while they are decoded, as OpenCV does it. exif: the
    EXIF block of a PNG or WebP file; that of a JPEG is left to OpenCV, a TIFF has none. trouble: what else is wrong
    with the file, to be read behind its name.
    """

    width: int
    height: int
    decoded_bytes: int
    exif: bytes = b""
    trouble: str = ""


NO_IMAGE = "is no image that OpenCV can read; save it as PNG or JPEG"
CUT_OFF = "is cut off: its end is missing; copy or download it again"


class DamagedError(Exception):
    """What is wrong with a file, to be read behind its name."""


def damaged(reason: str) -> DamagedError:
    """Return what to raise where a file breaks the rules of its format."""
    return DamagedError(f"is damaged: {reason}; copy or download it again")
