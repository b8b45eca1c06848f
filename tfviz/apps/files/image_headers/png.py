"""Headers of PNG, still and animated.

A PNG is a row of chunks with checksums. Texts and profiles can unpack to far more than the pixels (500 of them kept a
decoder busy for 20 s), so a file that holds much of them is given to the decoder without. The checksums of critical
chunks are compared, to find files that are damaged.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from tfviz.apps.files.image_headers.header import CUT_OFF, DamagedError, Header, damaged, limited

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LENGTH = 13  # bytes of a header
_PIXELS = (b"IDAT", b"fdAT")
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"IEND", *_PIXELS)
_MOST_BESIDE = 1 << 16  # bytes of chunks that are not needed, and that a decoder may see
_COPIES_OF_FRAMES = 3  # that OpenCV holds of an animation


def read_png(data: bytes) -> Header:
    """Return the header of a PNG (PNG 3, W3C); raise `IndexError` or `struct.error` if not even its size is there."""
    length, kind, width, height, bits, colors = struct.unpack_from(">I4sIIBB", data, len(SIGNATURE))
    if (length, kind) != (_LENGTH, b"IHDR"):
        raise damaged("it does not begin with its header")
    found: dict[bytes, bytes] = {}
    trouble, beside = "", 0
    try:
        for name, start, end in limited(_chunks(data)):
            content = b"" if name in _PIXELS else data[start:end]
            beside += 0 if name in _NEEDED else end - start
            if name == b"IHDR" and name in found:
                raise damaged("it has two headers")
            if name == b"fcTL" and not _fits(content, width, height):
                raise damaged("a frame is larger than the picture")
            found[name] = content
    except DamagedError as wrong:
        trouble = str(wrong)
    except struct.error:
        trouble = CUT_OFF
    channels = 4 if colors in (4, 6) or b"tRNS" in found else 3
    copies = _COPIES_OF_FRAMES if b"acTL" in found else 1
    decoded = width * height * channels * (2 if bits == 16 else 1) * copies
    exif = found.get(b"eXIf", b"")
    return Header(width, height, decoded, exif, trouble, has_much_beside=beside > _MOST_BESIDE)


def _fits(control: bytes, width: int, height: int) -> bool:
    """Return whether a frame, by its control chunk, is no larger than the picture; its place is not compared."""
    frame_width, frame_height = struct.unpack_from(">II", control, 4)
    return bool(frame_width <= width and frame_height <= height)


def needed(data: bytes) -> bytes:
    """Return a PNG, which must be complete, without texts, profiles and the like."""
    view = memoryview(data)
    return SIGNATURE + b"".join(view[start - 8 : end + 4] for kind, start, end in _chunks(data) if kind in _NEEDED)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each chunk, up to the picture's end, and check the checksums of critical ones."""
    position, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        start, end = position + 8, position + 8 + length
        (checksum,) = struct.unpack_from(">I", data, end)
        if kind[:1].isupper() and zlib.crc32(memoryview(data)[position + 4 : end]) != checksum:
            raise damaged("a checksum does not fit")
        yield kind, start, end
        position = end + 4
