"""Headers of GIF, BMP and PNM, which begin with the size.

GIF and BMP hold it at fixed places, as two numbers of 16 bits or, in most BMPs, of 32; a negative height there means
that rows run downwards. PNM's header is text: only what the format itself allows is accepted, and the size is compared
with the bytes that follow. Whether the pixels of a GIF or BMP are complete is left to the decoder.
"""

from __future__ import annotations

import re
import struct

from tfviz.apps.files.image_headers.header import Header, damaged

GIF, BMP, PNM = b"GIF8", b"BM", re.compile(rb"P[1-6]\s")
_GIF_BYTES = 12  # per pixel, since OpenCV lays frames over each other
_SPACE = rb"(?:\s|#[^\n]*\n)+"
_SIZE = _SPACE + rb"(\d{1,9})" + _SPACE + rb"(\d{1,9})"
_BITMAP = re.compile(rb"P([14])" + _SIZE + rb"()\s")  # its pixels are bits, so the header has no number for white
_GREY_OR_COLOR = re.compile(rb"P([2356])" + _SIZE + _SPACE + rb"(\d{1,5})\s")


def read_gif(data: bytes) -> Header:
    """Return the header of a GIF; raise `struct.error` if it is cut off.

    The size is that of the screen, on which all frames lie. A frame that is larger than the screen is left to the
    decoder.
    """
    width, height = struct.unpack_from("<HH", data, 6)
    return Header(width, height, width * height * _GIF_BYTES)


def read_bmp(data: bytes) -> Header:
    """Return the header of a BMP; raise `struct.error` if it is cut off."""
    (kind,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if kind == 12 else "<ii", data, 18)
    (bits,) = struct.unpack_from("<H", data, 24 if kind == 12 else 28)
    return Header(abs(width), abs(height), abs(width * height) * (4 if bits == 32 else 3))


def read_pnm(data: bytes) -> Header:
    """Return the header of a PNM, read strictly; raise `IndexError` if it is cut off."""
    start = data[: 1 << 16]
    found = _BITMAP.match(start) or _GREY_OR_COLOR.match(start)
    if found is None:
        raise damaged("its header is not that of a PNM image")
    kind, width, height, white = (int(number or 0) for number in found.groups())
    deep = 2 if white > 255 else 1
    # A pixel takes a bit or more in the file, and a byte or more if it is written in digits.
    bits = {4: 1, 5: 8 * deep, 6: 24 * deep}.get(kind, 8)
    if len(data) - found.end() < height * (width * bits // 8):
        raise IndexError
    return Header(width, height, width * height * 3 * deep)
