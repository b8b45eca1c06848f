"""Headers of WebP: lossy, lossless, extended and animated.

The size can stand in several chunks, of the canvas and of each frame, and decoders choose differently. The largest of
each side counts. Each kind of chunk packs it in its own way (14 bits with two of scaling, 14 bits next to each other,
24 bits), so a table names the reader of each. A file without any of them has no size, and is refused by `read_header`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from tfviz.apps.files.image_headers.header import Header, limited


def read_webp(data: bytes) -> Header:
    """Return the header of a WebP (RFC 9649); raise `struct.error` if it is cut off."""
    sizes, exif = [], b""
    for kind, start, length in limited(_chunks(data)):
        if kind == b"EXIF":
            exif = data[start : start + length]
        elif kind in _SIZES:
            sizes.append(_SIZES[kind](data, start))
    width, height = (max(sides) for sides in zip(*sizes, strict=True)) if sizes else (0, 0)
    return Header(width, height, width * height * 4, exif)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and length of each chunk; a frame of an animation holds chunks of its own."""
    position = 12
    while position + 8 < len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        start = position + 8
        yield kind, start, length
        position = start + 16 if kind == b"ANMF" else start + length + length % 2


def _lossy_size(data: bytes, start: int) -> tuple[int, int]:
    """Return width and height of a key frame of VP8, 14 bits each; the two bits above them are a scale."""
    width, height = struct.unpack_from("<HH", data, start + 6)
    return width & 0x3FFF, height & 0x3FFF


def _lossless_size(data: bytes, start: int) -> tuple[int, int]:
    """Return width and height of VP8L, 14 bits each behind the signature, both less one."""
    (bits,) = struct.unpack_from("<I", data, start + 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _canvas_size(data: bytes, start: int) -> tuple[int, int]:
    """Return width and height of a canvas or frame, 24 bits each, both less one."""
    width, more_width, height, more_height = struct.unpack_from("<HBHB", data, start)
    return width + (more_width << 16) + 1, height + (more_height << 16) + 1


_SIZES: dict[bytes, Callable[[bytes, int], tuple[int, int]]] = {
    b"VP8 ": _lossy_size,
    b"VP8L": _lossless_size,
    b"VP8X": lambda data, start: _canvas_size(data, start + 4),
    b"ANMF": lambda data, start: _canvas_size(data, start + 6),
}
