"""What methods found, each image's as a picture of its size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.errors import InvalidImagesError
from tfviz.results.checks import TOLERANCE, Picture, check_attributions, check_maps, check_pictures
from tfviz.results.colors import DIVERGING
from tfviz.results.highlight import Highlight, highlight
from tfviz.results.pictures import gradient_picture, rounded
from tfviz.results.render import overlay
from tfviz.results.scale import collapse, normalise, resize


def tiles(
    pictures: Sequence[Picture] | Picture,
    found: ArrayLike,
    *,
    colormap: str = "jet",
    blend: str = "weighted",
    clip_percentile: float = 100.0,
    highlights: Highlight | None = None,
    signed: bool | None = None,
) -> list[Picture]:
    """Show what a method found, as a picture for each image.

    Parameters
    ----------
    pictures : uint8 RGB (N, H, W, 3), or a sequence of (H, W, 3) whose sizes may differ
    found : array
        Maps (N, h, w) are scaled by `normalise` and laid over the pictures: in ``"blue_white_red"`` if their sign says
        something, else in `colormap`, their positive values. Attributions (N, h, w, C) become a `gradient_picture` each
        or, if their sign says nothing, the map of the largest over the channels. All are brought to the size of their
        picture. Pictures, uint8 (N, h, w, 3), are returned as they are.
    colormap, blend
        As `overlay` takes them.
    clip_percentile : float
        As `normalise` takes it.
    highlights : Highlight, optional
        Maps and attributions are shown by `highlight` instead, whatever the colour map, blend and percentile are.
    signed : bool, optional
        Whether the sign of what was found says something; if not given, that follows from whether any value is
        negative by more than rounding.

    Returns
    -------
    N pictures, uint8 (H, W, 3)

    Raises
    ------
    InvalidImagesError
        For an array that is not one map or attribution a picture.
    TfvizError
        For an unknown colour map or blend.
    """
    array = np.asarray(found)
    if array.ndim not in (3, 4) or len(array) != len(pictures):
        raise InvalidImagesError(
            f"the array has the shape {array.shape}; {len(pictures)} images need as many maps or attributions"
        )
    if array.ndim == 4 and array.dtype == np.uint8:
        return list(check_pictures(array))
    if highlights is not None:
        return [highlight(*pair, highlights) for pair in zip(pictures, array, strict=True)]
    if array.ndim == 4 and (check_attributions(array).min() < 0 if signed is None else signed):
        return [_stretched(*pair) for pair in zip(gradient_picture(array), pictures, strict=True)]
    values = check_maps(collapse(array) if array.ndim == 4 else array)
    if signed is None:
        # Rounding can leave a map that has no sign a little below zero.
        signed = bool(values.min() < -TOLERANCE * np.abs(values).max())
    scaled = normalise(values, "signed" if signed else "positive", clip_percentile=clip_percentile)
    colormap = DIVERGING if signed else colormap
    return [overlay(*pair, colormap=colormap, blend=blend) for pair in zip(pictures, scaled, strict=True)]


def _stretched(picture: Picture, model: NDArray[Any]) -> Picture:
    channels_first = np.moveaxis(picture, -1, 0)
    return rounded(np.moveaxis(resize(channels_first, model.shape[:2]), 0, -1))
