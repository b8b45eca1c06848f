"""Image files, read and fitted to a network.

An image is uint8 RGB ``(H, W, 3)`` here, whatever its file holds.
"""

from __future__ import annotations

import contextlib
import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tfviz.apps.quiet import silent_stderr
from tfviz.errors import InvalidImagesError, UnsupportedModelError

Image = NDArray[np.uint8]

MAXIMUM_PIXELS = 100_000_000
"""An image of more pixels than this (0.3 GB decoded) is refused."""
CROP_FRACTION = 0.875
"""The part of the shorter side that "crop" keeps: 224 of 256 pixels, as ImageNet networks are evaluated."""
WAYS_TO_FIT = ("crop", "stretch")

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG = b"\xff\xd8\xff"
_JPEG_END = 0xD9
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Inside coded pixels, 0xFF is followed by a zero or a restart marker; before a marker it may be repeated.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_SIZE_FIELDS = {_PNG: (">II", 16), b"GIF8": ("<HH", 6), b"BM": ("<ii", 18)}


def read_image(path: str | Path) -> Image:
    """Read one file as uint8 RGB ``(H, W, 3)``, 0..255, as `decode_image` does.

    Raises:
        InvalidImagesError: The file cannot be read, or what it holds cannot be decoded.
    """
    return decode_image(read_bytes(Path(path)), path)


def decode_image(data: bytes, name: str | Path) -> Image:
    """Decode what an image file holds as uint8 RGB ``(H, W, 3)``, 0..255; errors call it by `name`.

    Grey, palette and CMYK colours are converted, 16 bits scaled to 8, transparent pixels laid over white. The EXIF
    orientation of JPEG and PNG files is honoured, save where pixels are transparent.

    Raises:
        InvalidImagesError: The data is empty, cut off, no image, or of another pixel type than 8 or 16 bits; or the
            image has a side of one pixel or more than `MAXIMUM_PIXELS` (read from the header of PNG, JPEG, GIF and BMP
            images, so that nothing large is decoded).
    """
    if not data:
        raise InvalidImagesError(f"{name} is empty (zero bytes); copy or download it again")
    _check_size(name, *_size_in_header(data))
    if _is_cut_off(data):
        raise InvalidImagesError(f"{name} is cut off: its end is missing; copy or download it again")
    pixels = _decode(data)
    if pixels is None:
        raise InvalidImagesError(f"{name} is no image that OpenCV can read; save it as PNG or JPEG")
    _check_size(name, pixels.shape[1], pixels.shape[0])
    if pixels.dtype not in (np.uint8, np.uint16):
        raise InvalidImagesError(f"{name} has pixels of type {pixels.dtype}; save it with 8 or 16 bits")
    return _to_rgb(pixels)


def read_bytes(path: Path) -> bytes:
    """Return what a file holds; raise `InvalidImagesError` where it cannot be read."""
    try:
        if path.is_dir():
            raise InvalidImagesError(f"{path} is a folder, not an image file")
        return path.read_bytes()
    except OSError as error:
        raise InvalidImagesError(f"{path} cannot be read: {error.strerror}") from error


def _check_size(path: str | Path, width: int, height: int) -> None:
    if width * height > MAXIMUM_PIXELS:
        limit = f"{MAXIMUM_PIXELS // 1_000_000} million"
        raise InvalidImagesError(f"{path} has {width}x{height} pixels, more than {limit}; make it smaller first")
    if 1 in (width, height):
        raise InvalidImagesError(f"{path} has {width}x{height} pixels; an image needs two or more on each side")


def _size_in_header(data: bytes) -> tuple[int, int]:
    """Width and height that the header states; zeros where it is of another format or too short."""
    start = data[:32].ljust(32, b"\0")
    for signature, (layout, offset) in _SIZE_FIELDS.items():
        if start.startswith(signature):
            width, height = struct.unpack_from(layout, start, offset)
            return abs(width), abs(height)
    for marker, offset in _jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", data[offset + 3 : offset + 7].ljust(4, b"\0"))
            return width, height
    return 0, 0


def _is_cut_off(data: bytes) -> bool:
    """OpenCV 4 fills what is missing with grey and says nothing."""
    if data.startswith(_PNG):
        return _PNG_END not in data
    return data.startswith(_JPEG) and all(marker != _JPEG_END for marker, _ in _jpeg_segments(data))


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and content offset of each segment of a JPEG file, its end included."""
    position = 2 if data.startswith(_JPEG) else len(data)
    while found := _JPEG_MARKER.search(data, position):
        yield found[1][0], found.end()
        # The end marker has no length: a search behind the file's end stops the loop.
        length = len(data) if found[1][0] == _JPEG_END else int.from_bytes(data[found.end() : found.end() + 2], "big")
        position = found.end() + length


def _decode(data: bytes) -> NDArray[Any] | None:
    """Pixels as OpenCV orders them: blue, green, red and, only where the file has one, alpha."""
    encoded = np.frombuffer(data, np.uint8)
    with silent_stderr(), contextlib.suppress(cv2.error):
        # Only the unchanged pixels have an alpha channel, and only the converted ones the EXIF orientation.
        if not data.startswith(_JPEG):
            unchanged: NDArray[Any] | None = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
            if unchanged is None or unchanged.shape[2:] == (4,) or unchanged.dtype not in (np.uint8, np.uint16):
                return unchanged
        converted: NDArray[Any] | None = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        return converted
    return None


def _to_rgb(pixels: NDArray[Any]) -> Image:
    if pixels.shape[2] == 4:
        white = np.iinfo(pixels.dtype).max
        alpha = pixels[..., 3:].astype(np.float32) / white
        pixels = np.rint(pixels[..., :3] * alpha + white * (1 - alpha)).astype(pixels.dtype)
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.ascontiguousarray(pixels[..., ::-1])


def image_size(
    shape: tuple[int | None, ...], wanted: tuple[int, int] | None, assumed: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Return the height and width of a network's images (H, W, C); of what it leaves open those `wanted` or `assumed`.

    Raises `UnsupportedModelError` where it takes images of another size than is wanted, or none is known.
    """
    known, given = shape[:2], wanted or assumed
    if wanted is not None and any(side not in (None, each) for side, each in zip(known, wanted, strict=True)):
        raise UnsupportedModelError(
            f"the network takes images of {known[0] or 'any'}x{known[1] or 'any'} pixels, not of "
            f"{wanted[0]}x{wanted[1]}; size (--size) is for networks that leave it open"
        )
    height, width = (side or each for side, each in zip(known, given or (None, None), strict=True))
    if height is None or width is None:
        raise UnsupportedModelError("the model leaves the size of its images open; say it with size=(height, width)")
    return int(height), int(width)


def fit_image(image: Image, size: tuple[int, int], how: str = "crop", *, crop_fraction: float = CROP_FRACTION) -> Image:
    """Fit an image to a network's ``(height, width)``; sides shrink by area and grow by linear interpolation.

    An image that has that size already was made for the network, and stays as it is.

    Args:
        image: uint8 RGB ``(H, W, 3)``.
        size: Height and width of the result in pixels.
        how: "crop" keeps the proportions: the image is resized until `size` is `crop_fraction` of it on the tighter
            side, and its centre is cut out. "stretch" resizes all of it, as ``keras.utils.load_img(target_size=...)``.
        crop_fraction: Above 0, up to 1 (nothing is lost on the tighter side); for "crop" alone.

    Returns:
        uint8 RGB of `size`.

    Raises:
        InvalidImagesError: `how` is neither of `WAYS_TO_FIT`, or `crop_fraction` is not in (0, 1].
    """
    check_fit(how)
    if not 0 < crop_fraction <= 1:
        raise InvalidImagesError(f"the crop fraction lies above 0 and up to 1, not at {crop_fraction}")
    if image.shape[:2] == tuple(size):
        return image.copy()
    if how == "stretch":
        return _resize(image, size)
    scale = max(wanted / (crop_fraction * side) for wanted, side in zip(size, image.shape[:2], strict=True))
    # A long strip would outgrow the memory on its way to the crop: what lies far outside of the crop goes first.
    image = _centre(image, (math.ceil(4 * size[0] / scale), math.ceil(4 * size[1] / scale)))
    resized = _resize(image, (round(image.shape[0] * scale), round(image.shape[1] * scale)))
    return _centre(resized, size)


def check_fit(how: str) -> None:
    """Raise `InvalidImagesError` for what is none of `WAYS_TO_FIT`."""
    if how not in WAYS_TO_FIT:
        raise InvalidImagesError(f"an image is fitted by {' or '.join(WAYS_TO_FIT)}, not by {how!r}")


def _resize(image: Image, size: tuple[int, int]) -> Image:
    shrunk = (min(image.shape[0], size[0]), min(image.shape[1], size[1]))
    smaller = cv2.resize(image, shrunk[::-1], interpolation=cv2.INTER_AREA)
    result: Image = cv2.resize(smaller, size[::-1], interpolation=cv2.INTER_LINEAR)
    return result


def _centre(image: Image, size: tuple[int, int]) -> Image:
    top, left = (max(side - kept, 0) // 2 for side, kept in zip(image.shape[:2], size, strict=True))
    return np.ascontiguousarray(image[top : top + size[0], left : left + size[1]])
