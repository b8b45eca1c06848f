"""Headers of JPEG.

A JPEG is a row of segments. The size stands in the first frame, but the reader goes on to the end: it finds files that
are cut off, and counts scans, since each scan of a progressive JPEG passes all pixels again (200 of them took 17 s).

Whether the pixels themselves are damaged is left to the decoder, and so is the orientation, which OpenCV applies.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import replace

from tfviz.apps.files.image_headers.header import CUT_OFF, DamagedError, Header, limited

SIGNATURE = b"\xff\xd8\xff"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9
_MOST_SCANS = 100  # of a progressive JPEG, each of which passes all pixels again; some ten are usual
_BARE = {0x01, _END}  # markers without a length; the search does not find those of restarts
# Inside coded pixels, 0xFF is followed by a zero or a restart marker; before a marker it may be repeated.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")


def read_jpeg(data: bytes) -> Header:
    """Return the header of a JPEG (ITU T.81, annex B); raise `IndexError` or `struct.error` if it is cut off."""
    header, scans = None, 0
    for marker, offset in limited(_segments(data)):
        if marker in _FRAMES and header is None:
            height, width, colors = struct.unpack_from(">HHB", data, offset + 3)
            header = Header(width, height, width * height * max(colors, 3))
        scans += marker == _SCAN
        if scans > _MOST_SCANS:
            raise DamagedError(f"has more than {_MOST_SCANS} scans; save it again")
        if marker == _END and header is not None:
            return header
    if header is None:
        raise IndexError
    return replace(header, trouble=CUT_OFF)


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and content offset of each segment of a JPEG file, its end included.

    The content of a scan, which no length tells, is passed by searching for the next marker.
    """
    position = 2
    while found := _MARKER.search(data, position):
        marker = found[1][0]
        yield marker, found.end()
        length = 0 if marker in _BARE else int.from_bytes(data[found.end() : found.end() + 2], "big")
        position = found.end() + length
