"""Reads image files and fits them to a network's size.

An image is uint8 RGB ``(H, W, 3)`` here, whatever its file holds. The header is read first, by our own code: a decoder
takes the memory that a header asks for, and a PNG of 49 bytes took 4 GB. Pixels are decoded once by OpenCV and
converted in place or in bands, since a picture can be large. What OpenCV leaves to its caller is done here: alpha over
white, the EXIF orientation of PNG and WebP, 16 bits to 8.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tfviz.apps.files.depth import FULL_DEPTH, RAW, about_depth, in_eight_bits, white_of
from tfviz.apps.files.image_headers import NOT_AN_IMAGE, Header, is_jpeg, needed_of, read_header, read_orientation
from tfviz.errors import InvalidImagesError, UnsupportedModelError, emit_warnings
from tfviz.limits import MAXIMUM_IMAGE_BYTES
from tfviz.paths import special_kind
from tfviz.quiet import silent_stderr

Image = NDArray[np.uint8]

CROP_FRACTION = 0.875
"""The part of the shorter side that "crop" keeps: 224 of 256 pixels, as ImageNet networks are evaluated."""
WAYS_TO_FIT = ("crop", "stretch")

_BAND = 1 << 20  # pixels that are converted at once


class Decoded(NamedTuple):
    """An image, and what must be said of it: that all its colours are far below white, or some above it."""

    image: Image
    warnings: list[str]


def read_image(path: str | Path, *, maximum_bytes: int = MAXIMUM_IMAGE_BYTES) -> Image:
    """Read one file as uint8 RGB ``(H, W, 3)``, 0..255, as `decode_image` does, and emit its warnings.

    Raises:
        InvalidImagesError: The file cannot be read, or what it holds cannot be decoded.
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

    Args:
        data: The content of a file in one of the formats of `tfviz.apps.files.image_headers`.
        name: What errors and warnings call it.
        maximum_bytes: What its pixels may take while they are decoded, according to its header. With the result and the
            decoder's own memory, the peak is at most three times as much (measured: progressive JPEG in full colour).
        depth: What is white in a file of 16 bits: ``full`` is 65535, ``12`` is 4095, and so on. With ``raw`` nothing
            is scaled, and the result of such a file is uint16.

    Raises:
        InvalidImagesError: The data is empty, cut off, damaged, not an image, or has other pixels than 8 or 16 bits; or
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


def image_size(
    shape: tuple[int | None, ...], wanted: tuple[int, int] | None, assumed: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Return the height and width of a network's images, with `wanted` or `assumed` for sides that `shape` leaves open.

    `wanted`, (height, width), is what the user asked for and must agree with the sides that are known; `assumed` need
    not. Raises `UnsupportedModelError` if it does not agree, or if the size stays unknown.
    """
    known, given = shape[:2], wanted or assumed
    if wanted is not None and any(side not in (None, each) for side, each in zip(known, wanted, strict=True)):
        raise UnsupportedModelError(
            f"the network takes images of {known[0] or 'any'}x{known[1] or 'any'} pixels, not of "
            f"{wanted[0]}x{wanted[1]}; size (--size) is for networks that leave it open"
        )
    height, width = (side or each for side, each in zip(known, given or (None, None), strict=True))
    if height is None or width is None:
        raise UnsupportedModelError("the model leaves the size of its images open; give size=(height, width)")
    return int(height), int(width)


def fit_image(image: Image, size: tuple[int, int], how: str = "crop", *, crop_fraction: float = CROP_FRACTION) -> Image:
    """Fit an image to a network's ``(height, width)``; sides shrink by area and grow by linear interpolation.

    An image that already has that size was made for the network, and stays as it is.

    Args:
        image: uint8 RGB ``(H, W, 3)``.
        size: Height and width of the result in pixels.
        how: "crop" keeps the proportions: the image is resized until `size` is `crop_fraction` of it on the tighter
            side, and its centre is cut out. "stretch" resizes all of it, as ``keras.utils.load_img(target_size=...)``.
        crop_fraction: Above 0, up to 1 (nothing is lost on the tighter side); only for "crop".

    Returns:
        uint8 RGB of `size`.

    Raises:
        InvalidImagesError: `how` is not one of `WAYS_TO_FIT`, or `crop_fraction` is not in (0, 1].
    """
    check_fit(how)
    if not 0 < crop_fraction <= 1:
        raise InvalidImagesError(f"crop_fraction must be above 0 and at most 1, got {crop_fraction}")
    if image.shape[:2] == tuple(size):
        return image.copy()
    if how == "stretch":
        return _resize(image, size)
    scale = max(wanted / (crop_fraction * side) for wanted, side in zip(size, image.shape[:2], strict=True))
    # A long strip would outgrow the memory on its way to the crop, so what lies far outside of the crop goes first.
    image = _centre(image, (math.ceil(4 * size[0] / scale), math.ceil(4 * size[1] / scale)))
    resized = _resize(image, (round(image.shape[0] * scale), round(image.shape[1] * scale)))
    return _centre(resized, size)


def check_fit(how: str) -> None:
    """Raise `InvalidImagesError` unless `how` is one of `WAYS_TO_FIT`."""
    if how not in WAYS_TO_FIT:
        raise InvalidImagesError(f"fit must be {' or '.join(WAYS_TO_FIT)}, got {how!r}")


def _resize(image: Image, size: tuple[int, int]) -> Image:
    """Resize in two steps: first the sides that shrink, averaged by area, then those that grow, linearly."""
    shrunk = (min(image.shape[0], size[0]), min(image.shape[1], size[1]))
    smaller = cv2.resize(image, shrunk[::-1], interpolation=cv2.INTER_AREA)
    result: Image = cv2.resize(smaller, size[::-1], interpolation=cv2.INTER_LINEAR)
    return result


def _centre(image: Image, size: tuple[int, int]) -> Image:
    """Cut the centre out of an image; it is smaller than `size` where the image is."""
    top, left = (max(side - kept, 0) // 2 for side, kept in zip(image.shape[:2], size, strict=True))
    return np.ascontiguousarray(image[top : top + size[0], left : left + size[1]])
