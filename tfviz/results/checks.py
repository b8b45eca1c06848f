"""Checks the arguments of every function in this folder: maps, attributions, pictures, masks, boxes and names.

A check of one argument returns it as an array of one known type, so that the functions behind it need no checks of
their own. Maps and attributions become float64, because the range of float32 values need not fit in float32. An array
with its channels first, an easy mistake, is named as such in the error. Masked arrays are refused, since NumPy would
drop the mask without a word.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.arrays import Picture, refuse_masked
from tfviz.data_format import MOST_CHANNELS
from tfviz.errors import InvalidImagesError, TfvizError, suggestion

Masks = NDArray[np.bool_]
Choice = TypeVar("Choice")

# Room for the rounding of a map that was scaled, then resized or stored, before it came here.
TOLERANCE = 1e-4
# As float pictures 0..255 they would be all but black; as pictures 0..1 they would overshoot.
LEAST_OF_255 = 2
PUT_LAST = "np.moveaxis(values, -3, -1) puts them last"


def check_maps(maps: ArrayLike) -> NDArray[np.float64]:
    """Finite maps (N, H, W) or one map (H, W)."""
    return _check_finite(maps, "map", ("H", "W"))


def check_attributions(attributions: ArrayLike) -> NDArray[np.float64]:
    """Finite attributions (N, H, W, C) or those of one image (H, W, C)."""
    values = _check_finite(attributions, "attribution", ("H", "W", "C"))
    first, *rest = values.shape[-3:]
    if first in (3, 4) and min(rest) > MOST_CHANNELS:
        raise InvalidImagesError(f"attributions have the shape {values.shape}, with their channels first; {PUT_LAST}")
    return values


def check_images(images: ArrayLike) -> NDArray[np.float64]:
    """Finite grey or RGB images (N, H, W, 1 or 3) or one of them."""
    values = _check_finite(images, "image", ("H", "W", "C"))
    check_color_channels("images", values)
    return values


def check_color_channels(kind: str, values: NDArray[Any]) -> None:
    """Raise `InvalidImagesError` unless the last axis has one channel (grey) or three (RGB)."""
    if values.shape[-1] not in (1, 3):
        hint = f"; {PUT_LAST}" if values.shape[-3] in (1, 3) else ""
        raise InvalidImagesError(
            f"{kind} to be shown must have 1 or 3 channels on the last axis, got {values.shape}{hint}"
        )


def check_scaled(maps: ArrayLike, lowest: float) -> NDArray[np.float64]:
    """Maps whose values lie in `lowest`..1, as `normalise` returns them."""
    values = check_maps(maps)
    if values.size and not lowest - TOLERANCE <= values.min() <= values.max() <= 1 + TOLERANCE:
        raise InvalidImagesError(
            f"map values must lie in {lowest:g}..1 here, got {values.min():g}..{values.max():g}: scale them with "
            "`normalise` first; signed maps take the colour map 'blue_white_red'"
        )
    return np.clip(values, lowest, 1)


def check_pictures(pictures: ArrayLike) -> Picture:
    """Pictures, (N, H, W, 3) or (H, W, 3), as uint8 RGB; floats of a range beyond doubt are rounded to it.

    What is beyond doubt is said in `tfviz.results`; in a batch, all pictures have one range.
    """
    refuse_masked("pictures", pictures)
    values = _as_array(pictures)
    if values.ndim in (3, 4) and values.shape[-1] == 3 and 0 not in values.shape[-3:]:
        if values.dtype == np.uint8:
            return values
        if white := _white(values):
            return np.asarray(np.rint(values * (255 / white)), np.uint8)
    of_range = f" with values {values.min():g}..{values.max():g}" if values.size and values.dtype.kind in "fi" else ""
    raise InvalidImagesError(
        "pictures must be uint8 RGB, or floats 0..1 or 0..255, of shape (N, H, W, 3) or (H, W, 3), got "
        f"{values.dtype} {values.shape}{of_range}; `tfviz.results.to_picture` stretches other images to pictures"
    )


def check_each_picture(pictures: Any) -> list[Picture]:
    """Pictures (H, W, 3), whose sizes may differ, as a list; those of one size and type are checked as a batch."""
    alike = len({(np.shape(each), np.asarray(each).dtype) for each in pictures}) == 1
    return list(check_pictures(pictures) if alike else map(check_pictures, pictures))


def _as_array(pictures: ArrayLike) -> NDArray[Any]:
    """Return pictures as one array; raise `InvalidImagesError` for several sizes, and for files."""
    try:
        values = np.asarray(pictures)
    except ValueError as error:
        raise InvalidImagesError("pictures have different shapes, expected one") from error
    first = next(values.flat, None)
    if isinstance(first, str | bytes | os.PathLike):
        kind, file = ("files", "io.BytesIO(file)") if isinstance(first, bytes) else ("names of files", "file")
        raise InvalidImagesError(
            f"pictures are {kind}, expected arrays: keras.utils.img_to_array(keras.utils.load_img({file})) reads one"
        )
    return values


def _white(values: NDArray[Any]) -> float:
    """Return what is white in pictures of floats: 1 or 255, and 0 where that is in doubt."""
    if values.dtype.kind != "f" or not values.size or not (values >= 0).all():
        return 0
    largest = float(values.max())
    return 1 if largest <= 1 else 255 if LEAST_OF_255 <= largest <= 255 else 0


def check_pairs(pictures: Picture, maps: ArrayLike) -> None:
    """Raise `InvalidImagesError` unless there is one map (N, H, W) per picture (N, H, W, 3), or one of each."""
    if pictures.shape[:-3] != np.shape(maps)[:-2]:
        raise InvalidImagesError(
            f"expected one map per picture, got maps {np.shape(maps)} for pictures {pictures.shape}"
        )


def check_masks(masks: ArrayLike) -> Masks:
    """Masks: bool (N, H, W) or (H, W)."""
    refuse_masked("masks", masks)
    values = np.asarray(masks)
    if values.dtype != bool or values.ndim not in (2, 3) or 0 in values.shape[-2:]:
        raise InvalidImagesError(
            f"masks must be bool of shape (N, H, W) or (H, W), got {values.dtype} {values.shape}; "
            "`masks > 0` makes them of numbers"
        )
    return values


def check_boxes(boxes: ArrayLike) -> NDArray[np.float64]:
    """Boxes (..., 4) whose edges are finite and in order; an empty list becomes (0, 4)."""
    values = np.asarray(boxes)
    if values.shape == (0,):
        return np.empty((0, 4))
    if values.dtype.kind not in "fiu" or values.shape[-1:] != (4,) or not np.isfinite(values).all():
        raise InvalidImagesError(
            f"boxes must be finite numbers (left, top, right, bottom), got {values.dtype} {values.shape}"
        )
    edges = values.reshape(-1, 4).astype(np.float64)
    wrong = (edges[:, 2:] < edges[:, :2]).any(axis=1)
    if wrong.any():
        raise InvalidImagesError(
            f"a box must be (left, top, right, bottom) with left <= right and top <= bottom, got {edges[wrong][0]}"
        )
    return edges.reshape(values.shape)


def check_same_shape(first: NDArray[Any], second: NDArray[Any]) -> None:
    """Raise `InvalidImagesError` unless maps and masks, or two arrays of masks, have the same shape."""
    if first.shape != second.shape:
        raise InvalidImagesError(
            f"expected one mask per image, of the same height and width, got {first.shape} and {second.shape}"
        )


def check_size(figsize: tuple[float, float] | None, dpi: float | None) -> None:
    """Raise `TfvizError` unless figsize is two positive numbers and dpi one, or None."""
    given = {"figsize": figsize, "dpi": dpi}
    for (name, value), shape in zip(given.items(), [(2,), ()], strict=True):
        if value is None:
            continue
        if np.shape(value) != shape or not all(
            isinstance(each, int | float | np.number) and 0 < each < np.inf for each in np.ravel(value).tolist()
        ):
            expected = "(width, height) in inches" if shape else "pixels an inch"
            raise TfvizError(f"{name} must be {expected}, above 0, got {value!r}")


def options_of(function: Callable[..., Any]) -> list[str]:
    """Return the names of the options of a function: the parameters that are given by name alone."""
    parameters = inspect.signature(function).parameters.items()
    return [name for name, parameter in parameters if parameter.kind == parameter.KEYWORD_ONLY]


def check_options(function: str, given: Iterable[str], known: Sequence[str]) -> None:
    """Raise `TfvizError` for the first of the given options that the function of that name does not have."""
    for name in given:
        if name not in known:
            hint = suggestion(name, known, f"its options are: {', '.join(dict.fromkeys(known))}")
            raise TfvizError(f"{function} has no option {name!r}; {hint}")


def check_names(option: str, given: Iterable[str], shown: Iterable[str]) -> None:
    """Raise `TfvizError` for the first name that an option is given for and that is not among those shown."""
    known = list(shown)
    for name in given:
        if name not in known:
            hint = suggestion(name, known, f"shown are: {', '.join(known) or 'images alone'}")
            raise TfvizError(f"{option} is given for {name!r}, which is not shown; {hint}")


def pick(kind: str, name: str, choices: Mapping[str, Choice]) -> Choice:
    """Return the choice of that name; raise `TfvizError`, with the names there are, if there is none."""
    if name not in choices:
        hint = suggestion(name, choices, f"there are: {', '.join(choices)}", always=True, count=1)
        raise TfvizError(f"there is no {kind} {name!r}; {hint}")
    return choices[name]


def _check_finite(values: ArrayLike, kind: str, axes: tuple[str, ...]) -> NDArray[np.float64]:
    """Return numbers of the shape (N, *axes) or (*axes), as float64; raise `InvalidImagesError` for anything else.

    kind: what one of them is called in the error, which names the first image that holds NaN or infinite values.
    """
    refuse_masked(f"{kind}s", values)
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or array.ndim - len(axes) not in (0, 1) or 0 in array.shape[-len(axes) :]:
        shape = ", ".join(axes)
        raise InvalidImagesError(
            f"{kind}s must be numbers of shape (N, {shape}) or ({shape}), got {array.dtype} {array.shape}"
        )
    finite = np.isfinite(array).reshape(-1, int(np.prod(array.shape[-len(axes) :])))
    if not finite.all():
        index = int(np.argmin(finite.all(axis=1)))
        raise InvalidImagesError(f"the {kind} of image {index} has {np.sum(~finite[index])} NaN or infinite values")
    # float64: the range of float32 values need not fit in float32.
    return array.astype(np.float64)
