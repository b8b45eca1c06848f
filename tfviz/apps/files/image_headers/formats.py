"""Recognises the format of an image file by its first bytes, and reads its header.

The suffix of its name plays no part. Formats that OpenCV could decode, but whose headers are not read here, are
refused, since nothing would bound what their decoders take.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from tfviz.apps.files.image_headers import jpeg, plain, png, tiff
from tfviz.apps.files.image_headers.header import CUT_OFF, NOT_AN_IMAGE, DamagedError, Header, damaged
from tfviz.apps.files.image_headers.jpeg import read_jpeg
from tfviz.apps.files.image_headers.plain import read_bmp, read_gif, read_pnm
from tfviz.apps.files.image_headers.png import read_png
from tfviz.apps.files.image_headers.tiff import read_tiff
from tfviz.apps.files.image_headers.webp import read_webp
from tfviz.errors import InvalidImagesError

_BY_SIGNATURE: dict[tuple[bytes, ...], Callable[[bytes], Header]] = {
    (png.SIGNATURE,): read_png,
    (jpeg.SIGNATURE,): read_jpeg,
    (plain.GIF,): read_gif,
    (plain.BMP,): read_bmp,
    tiff.SIGNATURES: read_tiff,
}
_NOT_READ = {
    rb"....ftyp(avif|avis|heic|heix|mif1|msf1)": "AVIF or HEIF",
    rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51": "JPEG 2000",
    rb"#\?(RADIANCE|RGBE)": "Radiance",
    rb"v/1\x01": "OpenEXR",
    rb"P[7Ff]\s": "PAM or PFM",
}


def read_header(data: bytes, name: object) -> Header:
    """Return the header of an image file, called `name` in errors.

    Raises:
        InvalidImagesError: The data are not a BMP, GIF, JPEG, PNG, PNM, TIFF or WebP file, are cut off or damaged
            before their size, or have another pixel type than unsigned integers of up to 16 bits.
    """
    read = _reader(data)
    if read is None:
        known = next((kind for start, kind in _NOT_READ.items() if re.match(start, data, re.DOTALL)), None)
        what = (
            f"is an image in the format {known}, which is not read; save it as PNG or JPEG" if known else NOT_AN_IMAGE
        )
        raise InvalidImagesError(f"{name} {what}")
    try:
        header = read(data)
        if not header.width or not header.height:
            raise damaged("it has no size")
        return header
    except (IndexError, OverflowError, struct.error):
        # A short signature, unlike PNG's or JPEG's, may be that of something else.
        raise InvalidImagesError(f"{name} {CUT_OFF if read in (read_png, read_jpeg) else NOT_AN_IMAGE}") from None
    except DamagedError as wrong:
        raise InvalidImagesError(f"{name} {wrong}") from None


def is_jpeg(data: bytes) -> bool:
    """Return whether data begin like a JPEG."""
    return data.startswith(jpeg.SIGNATURE)


def needed_of(data: bytes) -> bytes:
    """Return the parts of an image file, one whose header has no trouble, that a decoder needs."""
    return png.needed(data) if data.startswith(png.SIGNATURE) else data


def _reader(data: bytes) -> Callable[[bytes], Header] | None:
    """Return the function that reads the header of these data, by their first bytes; None for an unread format."""
    for signatures, read in _BY_SIGNATURE.items():
        if data.startswith(signatures):
            return read
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return read_webp
    return read_pnm if plain.PNM.match(data) else None
