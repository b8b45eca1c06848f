"""Finds and reads masks: pictures of the true place in other pictures, whose stem and size they have.

Every pixel that is not black is inside. A mask of 16 bits keeps its numbers, which may be small, such as those of
instances. Masks with transparent pixels are refused, since programs differ in whether these are inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tfviz.apps.files.depth import RAW
from tfviz.apps.files.image_files import find_images
from tfviz.apps.files.image_headers import is_jpeg
from tfviz.apps.files.images import decode_image, read_bytes
from tfviz.errors import InvalidImagesError, suggestion
from tfviz.quiet import silent_stderr

FAINT = 0.1
"""The part of a mask's largest value below which a pixel of a JPEG may be what compression has made of black."""


def find_masks(folder: Path, images: Sequence[Path]) -> dict[Path, Path]:
    """Return the mask of each image: the file in the folder, or its subfolders, that is called as the image is.

    `masks/1.png` is the mask of any image `1.jpg`, and `masks/cats/1.png` that of one in a folder `cats`. An image is
    not a mask of itself, where both lie in one folder.

    Raises `InvalidImagesError` if the folder holds no images, an image has no mask or several, or a mask would be that
    of several images.
    """
    masks = {path: path.relative_to(folder).with_suffix("").parts for path in find_images([folder])}
    own = {image.absolute() for image in images}
    owners: dict[Path, Path] = {}
    for image in images:
        called = image.absolute().with_suffix("").parts
        found = [path for path, parts in masks.items() if called[-len(parts) :] == parts and path.absolute() not in own]
        if not found:
            stems = [path.stem for path in masks if path.absolute() not in own]
            hint = suggestion(image.stem, stems, f"it would be called {image.stem}.png, or as the end of its path")
            raise InvalidImagesError(f"{folder} has no mask for {image}; {hint}")
        if len(found) > 1:
            raise InvalidImagesError(f"{folder} has several masks for {image}: {', '.join(map(str, found[:3]))}")
        if found[0] in owners:
            raise InvalidImagesError(
                f"{found[0]} would be the mask of several images, {owners[found[0]]} and {image}; put masks into "
                "folders that are called as those of the images"
            )
        owners[found[0]] = image
    return {image: mask for mask, image in owners.items()}


def read_mask(path: Path, image: Path, size: tuple[int, int], maximum_bytes: int) -> tuple[NDArray[np.bool_], bool]:
    """Return the mask (H, W) of an image of that size, and whether compression may have made it larger.

    Raises `InvalidImagesError` if it cannot be read, has another size, transparent pixels, or no pixel above zero.
    """
    data = read_bytes(path, maximum_bytes)
    pixels = decode_image(data, path, maximum_bytes=maximum_bytes, depth=RAW).image
    height, width = pixels.shape[:2]
    if (height, width) != size:
        raise InvalidImagesError(
            f"the mask {path} has {width}x{height} pixels, but {image} has {size[1]}x{size[0]}; a mask has the size of "
            "its picture"
        )
    if _is_transparent(data):
        raise InvalidImagesError(
            f"the mask {path} of {image} has transparent pixels; expected black outside, and anything else inside"
        )
    values = pixels.max(axis=-1)
    if not values.any():
        raise InvalidImagesError(f"the mask {path} of {image} is empty: no pixel is above zero")
    faint = (values > 0) & (values < FAINT * values.max())
    return values > 0, is_jpeg(data) and bool(faint.any())


def _is_transparent(data: bytes) -> bool:
    """Return whether an image that can be decoded has pixels that are not opaque."""
    with silent_stderr():
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return bool(pixels is not None and pixels.shape[2:] == (4,) and (pixels[..., 3] < np.iinfo(pixels.dtype).max).any())
