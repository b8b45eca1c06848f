"""Reads image files.

An image is uint8 RGB ``(H, W, 3)`` here, whatever its file holds. The header is read first, by our own code: a decoder
takes the memory that a header asks for, and a PNG of 49 bytes took 4 GB. Pixels are decoded once by OpenCV and
converted in place or in bands, since a picture can be large. What OpenCV leaves to its caller is done here: alpha over
white, the EXIF orientation of PNG and WebP, 16 bits to 8.

JPEGs are decoded with the accurate transform, as `keras.utils.load_img` decodes them. TensorFlow, and with it
`keras.utils.image_dataset_from_directory`, takes a faster one, whose pixels differ by 1.2 of 255 on average in
photographs, and by up to 19; it also ignores EXIF, and drops alpha.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tfviz.apps.files.depth import FULL_DEPTH, RAW, about_depth, in_eight_bits, white_of
from tfviz.apps.files.image_headers import NOT_AN_IMAGE, Header, is_jpeg, needed_of, read_header, read_orientation
from tfviz.errors import InvalidImagesError, emit_warnings
from tfviz.limits import MAXIMUM_IMAGE_BYTES
from tfviz.paths import special_kind
from tfviz.quiet import silent_stderr

Image = NDArray[np.uint8]

_BAND = 1 << 20  # pixels that are converted at once


class Decoded(NamedTuple):
    """An image, and what must be said of it: that all its colours are far below white, or some above it."""

    image: Image
    warnings: list[str]


def read_image(path: str | Path, *, maximum_bytes: int = MAXIMUM_IMAGE_BYTES) -> Image:
    """Read one file as uint8 RGB ``(H, W, 3)``, 0..255, as `decode_image` does, and emit its warnings.

    Raises
    ------
    InvalidImagesError
        The file cannot be read, or what it holds cannot be decoded.
    """
    image, warnings = decode_image(read_bytes(Path(path), maximum_bytes), path, maximum_bytes=maximum_bytes)
    emit_warnings(warnings)
    return image


def decode_image(
    data: bytes, name: str | Path, *, maximum_bytes: int = MAXIMUM_IMAGE_BYTES, depth: str = FULL_DEPTH
) -> Decoded:
    """Decode the bytes of an image file as uint8 RGB ``(H, W, 3)``, 0..255; errors and warnings call it by `name`.

    Grey, palette and CMYK colours are converted, 16 bits scaled to 8, transparent pixels laid over white, and the EXIF
    orientation of JPEG, PNG and WebP files is applied. If there are several pages or frames, the first is read.

    Parameters
    ----------
    data
        The content of a file in one of the formats of `tfviz.apps.files.image_headers`.
    name
        What errors and warnings call it.
    maximum_bytes
        What its pixels may take while they are decoded, according to its header. With the result and the
        decoder's own memory, the peak is at most three times as much (measured: progressive JPEG in full colour).
    depth
        What is white in a file of 16 bits: ``full`` is 65535, ``12`` is 4095, and so on. With ``raw`` nothing
        is scaled, and the result of such a file is uint16.

    Raises
    ------
    InvalidImagesError
        The data is empty, cut off, damaged, not an image, or has other pixels than 8 or 16 bits; or
        the image has a side of one pixel or would take more than `maximum_bytes`.
    """
    if not data:
        raise InvalidImagesError(f"{name} is empty (zero bytes); copy or download it again")
    header = read_header(data, name)
    _check_size(name, header, maximum_bytes)
    if header.trouble:
        raise InvalidImagesError(f"{name} {header.trouble}")
    pixels = _decode(needed_of(data) if header.has_much_beside else data, name)
    if pixels is None:
        raise InvalidImagesError(f"{name} {NOT_AN_IMAGE}")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise InvalidImagesError(f"{name} has pixels of type {pixels.dtype}; save it with 8 or 16 bits")
    is_deep = pixels.dtype == np.uint16
    warnings = about_depth(pixels[..., :3] if pixels.ndim > 2 else pixels, name, depth) if is_deep else []
    return Decoded(_turned(_to_rgb(pixels, header.is_premultiplied, depth), header.exif), warnings)


def read_bytes(path: Path, maximum_bytes: int = MAXIMUM_IMAGE_BYTES) -> bytes:
    """Return the content of a file; raise `InvalidImagesError` if it cannot be read or is too large."""
    try:
        if kind := special_kind(path):
            raise InvalidImagesError(f"{path} {kind}")
        if path.is_dir():
            raise InvalidImagesError(f"{path} is a folder, not an image file")
        if path.stat().st_size > maximum_bytes:
            raise InvalidImagesError(
                f"{path} holds more than {maximum_bytes / 1e6:,.0f} MB; make it smaller, or raise maximum_bytes "
                "(--image-limit)"
            )
        return path.read_bytes()
    except OSError as error:
        raise InvalidImagesError(f"{path} cannot be read: {error.strerror}") from error


def _check_size(name: str | Path, header: Header, maximum_bytes: int) -> None:
    """Raise `InvalidImagesError` for pixels that would take too much memory, or a side of one pixel."""
    size = f"{header.width}x{header.height} pixels"
    if header.decoded_bytes > maximum_bytes:
        raise InvalidImagesError(
            f"{name} has {size} that take {header.decoded_bytes / 1e6:,.0f} MB while they are decoded, more than "
            f"{maximum_bytes / 1e6:,.0f}; make it smaller, or raise maximum_bytes (--image-limit)"
        )
    if 1 in (header.width, header.height):
        raise InvalidImagesError(f"{name} has {size}; an image needs two or more on each side")


def _decode(data: bytes, name: str | Path) -> NDArray[Any] | None:
    """Decode pixels in OpenCV's order: grey, or blue, green, red and, if the file has one, alpha; None if it fails.

    What OpenCV writes to the standard error is left out. Raises `InvalidImagesError` if there is too little memory.
    """
    # Only IMREAD_UNCHANGED keeps an alpha channel. A JPEG has none, and IMREAD_COLOR makes OpenCV turn it upright.
    how = cv2.IMREAD_COLOR if is_jpeg(data) else cv2.IMREAD_UNCHANGED
    try:
        with silent_stderr():
            pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), how)
            return pixels
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise InvalidImagesError(f"{name} takes more memory than there is; make it smaller") from error
        return None


def _to_rgb(pixels: NDArray[Any], is_premultiplied: bool, depth: str) -> Image:
    """Convert grey, BGR or BGRA of 8 or 16 bits to RGB, in place if possible, since a picture can be large."""
    in_place = pixels.dtype == np.uint8 and pixels.shape[2:] == (3,)
    rgb = pixels if in_place else np.empty((*pixels.shape[:2], 3), pixels.dtype if depth == RAW else np.uint8)
    rows = max(_BAND // pixels.shape[1], 1)
    for start in range(0, len(pixels), rows):
        rgb[start : start + rows] = _band_to_rgb(pixels[start : start + rows], is_premultiplied, depth)
    return rgb


def _band_to_rgb(pixels: NDArray[Any], is_premultiplied: bool, depth: str) -> Image:
    """Convert some rows of grey, BGR or BGRA to RGB; uint8, or with the depth `raw` the type that they have.

    Transparent pixels are laid over the white of that depth before 16 bits become 8; what is brighter becomes white.
    """
    if pixels.shape[2:] in ((), (1,)):
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    if pixels.shape[2] == 4:
        opaque, white = np.iinfo(pixels.dtype).max, 255 if pixels.dtype == np.uint8 else white_of(depth)
        alpha = pixels[..., 3:].astype(np.float32) / opaque
        colors = pixels[..., :3] if is_premultiplied else pixels[..., :3] * alpha
        pixels = np.rint(np.minimum(colors + white * (1 - alpha), white)).astype(pixels.dtype)
    if pixels.dtype == np.uint16 and depth != RAW:
        pixels = in_eight_bits(pixels, white_of(depth))
    rgb: Image = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return rgb


def _turned(image: Image, exif: bytes) -> Image:
    """Turn an image upright, from the orientation in a block of EXIF."""
    orientation = read_orientation(exif) if exif else 1
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)
