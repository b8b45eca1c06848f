"""Headers of TIFF and BigTIFF, and the orientation in EXIF, which is a TIFF without pixels.

A directory lists tags with their values, or with the place of values that need more than a few bytes. Only the tags
that are needed are read, since a small block can name its own bytes a thousand times. If a tag occurs twice, decoders
differ in which they take, so the larger value counts. Only the first directory is read, as it is the first picture that
is decoded; its orientation is not read.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Container

from tfviz.apps.files.image_headers.header import DamagedError, Header, damaged

BIG = (b"II+\0", b"MM\0+")
SIGNATURES = (b"II*\0", b"MM\0*", *BIG)
_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # unsigned numbers of 1, 2, 4 and 8 bytes
_TAGS = (256, 257, 258, 277, 278, 322, 323, 338, 339)
_WIDTH, _HEIGHT, _BITS, _SAMPLES, _ROWS, _TILE_WIDTH, _TILE_HEIGHT, _ALPHA, _FORMAT = _TAGS
_UNSIGNED = {1, 4}  # unsigned integers, and unspecified
_MULTIPLIED, _PLAIN = 1, 2  # whether colours are multiplied by their alpha
_READ = {1, 3, 4}  # values per pixel
_KINDS = {2: "int", 3: "float", 5: "complex int", 6: "complex"}
_ALL_ROWS = 2**31 - 1  # from here on, a strip has all rows of the picture
_MOST_TAGS = 1 << 16
_ORIENTATION = 0x0112  # of EXIF 2.32, section 4.6.4, whose blocks are a TIFF without pixels


def read_tiff(data: bytes) -> Header:
    """Return the header of a TIFF's first picture; raise `struct.error` if it is cut off."""
    tags = {_BITS: 1, _SAMPLES: 1, _FORMAT: 1, _ROWS: 0, _TILE_WIDTH: 0, _TILE_HEIGHT: 0, _ALPHA: 0} | _tags(
        data, _TAGS
    )
    width, height, bits, samples = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0), tags[_BITS], tags[_SAMPLES]
    if bits > 16 or tags[_FORMAT] not in _UNSIGNED:
        kind = _KINDS.get(tags[_FORMAT], "uint")
        raise DamagedError(f"has pixels of type {kind}{bits}; save it with 8 or 16 bits")
    if samples not in _READ:  # OpenCV drops the alpha of grey, and keeps values that are not colours
        raise DamagedError(f"has {samples} values per pixel; save it with 1, 3 or 4")
    # A tile or strip is decoded whole beside the picture, and may be larger than it.
    rows = tags[_ROWS] if 0 < tags[_ROWS] < _ALL_ROWS else height
    pixels = width * height + max(width * rows, tags[_TILE_WIDTH] * tags[_TILE_HEIGHT])
    # LibTIFF itself multiplies colours of 8 bits.
    is_premultiplied = tags[_ALPHA] == _MULTIPLIED or (tags[_ALPHA] == _PLAIN and bits <= 8)
    decoded = pixels * max(samples, 4) * (2 if bits > 8 else 1)
    return Header(width, height, decoded, is_premultiplied=is_premultiplied)


def read_orientation(exif: bytes) -> int:
    """Return the orientation in a block of EXIF, 1 to 8; 1, upright, if it cannot be read."""
    found = 1
    with contextlib.suppress(DamagedError, struct.error, OverflowError):
        found = _tags(exif.removeprefix(b"Exif\0\0"), {_ORIENTATION}).get(_ORIENTATION, 1)
    return found if found <= 8 else 1


def _tags(data: bytes, wanted: Container[int]) -> dict[int, int]:
    """Return the largest value of each of the `wanted` tags in the first directory (TIFF 6.0, section 2; BigTIFF)."""
    order, big = ("<" if data[:2] == b"II" else ">"), data.startswith(BIG)
    (directory,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, directory)
    first, size = directory + (8 if big else 2), 20 if big else 12
    found: dict[int, int] = {}
    for entry in range(first, first + size * min(count, _MOST_TAGS), size):
        tag, kind, number = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, entry)
        if tag not in wanted:
            continue
        if kind not in _TYPES or not number:
            raise damaged(f"its tag {tag} is not a positive number")
        place = entry + (12 if big else 8)
        if struct.calcsize(_TYPES[kind]) * number > (8 if big else 4):
            (place,) = struct.unpack_from(order + ("Q" if big else "I"), data, place)
        values = struct.unpack_from(order + _TYPES[kind] * min(number, 16), data, place)
        # Decoders differ in which of two entries with one tag they take.
        found[tag] = max(found.get(tag, 0), *values)
    return found
