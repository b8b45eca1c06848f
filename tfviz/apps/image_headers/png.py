"""Headers of PNG, still and animated."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from tfviz.apps.image_headers.header import Header, damaged

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COPIES_OF_FRAMES = 3  # that OpenCV holds of an animation


def read_png(data: bytes) -> Header:
    """Return what a PNG says (PNG 3, W3C); raise `IndexError` or `struct.error` where it is cut off."""
    chunks = [
        (kind, data[start : end if kind == b"eXIf" else min(end, start + 32)]) for kind, start, end in _chunks(data)
    ]
    kinds, contents = [kind for kind, _ in chunks], dict(chunks)
    if kinds[0] != b"IHDR" or kinds.count(b"IHDR") > 1:
        raise damaged("it does not begin with one header")
    width, height, bits, colors = struct.unpack_from(">IIBB", contents[b"IHDR"])
    for content in (content for kind, content in chunks if kind == b"fcTL"):
        frame_width, frame_height = struct.unpack_from(">II", content, 4)
        if frame_width > width or frame_height > height:
            raise damaged("a frame is larger than the picture")
    channels = 4 if colors in (4, 6) or b"tRNS" in kinds else 3
    copies = _COPIES_OF_FRAMES if b"acTL" in kinds else 1
    return Header(
        width, height, width * height * channels * (2 if bits == 16 else 1) * copies, contents.get(b"eXIf", b"")
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk's content, up to the picture's end; of critical ones, the checksum fits."""
    position, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        start, end = position + 8, position + 8 + length
        (checksum,) = struct.unpack_from(">I", data, end)
        if kind[:1].isupper() and zlib.crc32(memoryview(data)[position + 4 : end]) != checksum:
            raise damaged("a checksum does not fit")
        yield kind, start, end
        position = end + 4
