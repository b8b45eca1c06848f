"""Fits pictures to a network's size: which part of them is kept, and how its pixels are interpolated.

A network must be given what it was trained on, so the default is what `keras.utils.image_dataset_from_directory` does:
bilinear interpolation with half-pixel centres and without antialiasing, also where a picture shrinks. It reads four
pixels for each and skips the others, which is rougher than the mean of an area, and not the same to a network: on 34
photographs, stretched for SqueezeNet, the probability of their class differs by 0.10 on average and by up to 0.59.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from tfviz.errors import InvalidImagesError, UnsupportedModelError, suggestion

CROP_FRACTION = 0.875
"""The part of the shorter side that "crop" keeps: 224 of 256 pixels, as ImageNet networks are evaluated."""
WAYS_TO_FIT = ("crop", "cover", "stretch")
KERAS = "keras"


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


def fit_image(
    image: NDArray[Any],
    size: tuple[int, int],
    how: str = "crop",
    *,
    interpolation: str = KERAS,
    crop_fraction: float = CROP_FRACTION,
) -> NDArray[Any]:
    """Fit an image to a network's ``(height, width)``.

    An image that already has that size was made for the network, and stays as it is.

    Parameters
    ----------
    image
        RGB ``(H, W, 3)`` of 8 or 16 bits.
    size
        Height and width of the result in pixels.
    how
        "stretch" resizes all of it. "cover" cuts out the largest centre of the proportions of `size` first, and
        "crop" `crop_fraction` of that on each side, as ImageNet networks are evaluated.
    interpolation
        "keras" is bilinear without antialiasing: with "stretch" what
        ``keras.utils.image_dataset_from_directory`` makes of the same pixels, with "cover" the same with
        ``crop_to_aspect_ratio=True``, rounded to integers. "bilinear" is with antialiasing, as Pillow's and
        torchvision's. "area" is OpenCV's, where sides grow linearly. "nearest" is Pillow's, and so that of
        ``keras.utils.load_img(target_size=...)``.
    crop_fraction
        Above 0, up to 1; only for "crop".

    Returns
    -------
    RGB of `size`, of the type of `image`.

    Raises
    ------
    InvalidImagesError
        `how` is not one of `WAYS_TO_FIT`, `interpolation` not one of `INTERPOLATIONS`, or
        `crop_fraction` is not in (0, 1].
    """
    check_fit(how)
    check_interpolation(interpolation)
    if not 0 < crop_fraction <= 1:
        raise InvalidImagesError(f"crop_fraction must be above 0 and at most 1, got {crop_fraction}")
    if image.shape[:2] == tuple(size):
        return image.copy()
    if how != "stretch":
        image = _centre(image, size, crop_fraction if how == "crop" else 1)
    return INTERPOLATIONS[interpolation](image, size)


def check_fit(how: str) -> None:
    """Raise `InvalidImagesError` unless `how` is one of `WAYS_TO_FIT`."""
    _check_word("fit", how, WAYS_TO_FIT)


def check_interpolation(interpolation: str) -> None:
    """Raise `InvalidImagesError` unless it is one of `INTERPOLATIONS`."""
    _check_word("interpolation", interpolation, tuple(INTERPOLATIONS))


def _check_word(option: str, word: str, known: tuple[str, ...]) -> None:
    """Raise `InvalidImagesError` for a word that is not one of those known."""
    if word not in known:
        listed = f"{', '.join(known[:-1])} or {known[-1]}"
        close = suggestion(word, known, "")
        raise InvalidImagesError(f"{option} must be {listed}, got {word!r}{close and '; ' + close}")


def _centre(image: NDArray[Any], size: tuple[int, int], fraction: float) -> NDArray[Any]:
    """Cut out of an image `fraction` of the largest centre that has the proportions of `size`.

    Halves of a pixel are left out as `keras.preprocessing.image.smart_resize` leaves them out.
    """
    (height, width), (rows, columns) = image.shape[:2], size
    largest = min(height, width * rows // columns), min(width, height * columns // rows)
    kept_height, kept_width = (max(round(fraction * side), 1) for side in largest)
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    return np.ascontiguousarray(image[top : top + kept_height, left : left + kept_width])


def _each_channel(
    resize: Callable[[NDArray[np.float32], tuple[int, int]], Any], image: NDArray[Any], size: Any
) -> NDArray[Any]:
    """Resize each channel in float32, and round once: of integers, the libraries round twice, or their weights."""
    channels = [np.rint(resize(each.astype(np.float32), size)) for each in np.moveaxis(image, -1, 0)]
    return np.stack(channels, axis=-1).astype(image.dtype)


def _linear(channel: NDArray[np.float32], size: tuple[int, int]) -> Any:
    """Interpolate between the four nearest pixels, whether sides shrink or grow."""
    return cv2.resize(channel, size[::-1], interpolation=cv2.INTER_LINEAR)


def _antialiased(channel: NDArray[np.float32], size: tuple[int, int]) -> Any:
    """Interpolate over as many pixels as become one where sides shrink, with weights that fall off linearly."""
    return PIL.Image.fromarray(channel).resize(size[::-1], PIL.Image.Resampling.BILINEAR)


def _area(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize in two steps: first the sides that shrink, averaged by area, then those that grow, linearly."""
    shrunk = (min(image.shape[0], size[0]), min(image.shape[1], size[1]))
    smaller = cv2.resize(image, shrunk[::-1], interpolation=cv2.INTER_AREA)
    result: NDArray[Any] = cv2.resize(smaller, size[::-1], interpolation=cv2.INTER_LINEAR)
    return result


def _nearest(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Take the pixel at the centre of each; OpenCV's other way of that name takes the one at its upper left corner."""
    result: NDArray[Any] = cv2.resize(image, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return result


INTERPOLATIONS: dict[str, Callable[[NDArray[Any], tuple[int, int]], NDArray[Any]]] = {
    KERAS: partial(_each_channel, _linear),
    "bilinear": partial(_each_channel, _antialiased),
    "area": _area,
    "nearest": _nearest,
}
"""What brings a picture to a height and width."""
