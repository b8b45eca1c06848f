"""Shows what methods found as one picture per image, of the image's size: the cells of figures, files and cards.

The form of the array decides how it is shown: a map becomes an overlay, attributions with a meaningful sign become a
picture in their own colours around mid-grey, and pictures stay as they are. Whether the sign means something is best
told by the caller, who knows the method; guessed from the values, one method would look different for an image in which
nothing speaks against the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.arrays import Picture
from tfviz.errors import InvalidImagesError
from tfviz.results.checks import check_pictures
from tfviz.results.color_scale import as_maps, is_picture
from tfviz.results.colors import DEFAULT_COLORMAP, DIVERGING
from tfviz.results.highlight import Highlight, highlight
from tfviz.results.pictures import gradient_picture, rounded
from tfviz.results.render import overlay
from tfviz.results.scale import normalise, resize


def tiles(
    pictures: Sequence[Picture] | Picture,
    found: ArrayLike,
    *,
    colormap: str = DEFAULT_COLORMAP,
    blend: str = "weighted",
    clip_percentile: float = 100.0,
    highlights: Highlight | None = None,
    signed: bool | None = None,
) -> list[Picture]:
    """Show what a method found, as one picture per image.

    Parameters
    ----------
    pictures : uint8 RGB (N, H, W, 3), or a sequence of (H, W, 3) whose sizes may differ
    found : array
        Maps (N, h, w) are scaled by `normalise` and laid over the pictures: in ``"blue_white_red"`` if their sign means
        something, else their positive values in `colormap`. Attributions (N, h, w, C) each become a `gradient_picture`
        or, if their sign means nothing, a map of the largest absolute value over the channels. All are resized to their
        picture. Pictures, uint8 (N, h, w, 3), are returned as they are.
    colormap, blend
        As `overlay` takes them.
    clip_percentile : float
        As `normalise` takes it.
    highlights : Highlight, optional
        Maps and attributions are shown by `highlight` instead; colour map, blend and percentile are then not used.
    signed : bool, optional
        Whether the sign of what was found means something; by default it does if any value is negative by more than
        rounding.

    Returns
    -------
    N pictures, uint8 (H, W, 3)

    Raises
    ------
    InvalidImagesError
        For an array that is not one map or attribution per picture.
    TfvizError
        For an unknown colour map or blend.
    """
    array = np.asarray(found)
    if array.ndim not in (3, 4) or len(array) != len(pictures):
        raise InvalidImagesError(
            f"the array has the shape {array.shape}; expected {len(pictures)} maps or attributions, one per image"
        )
    if is_picture(array):
        return list(check_pictures(array))
    if highlights is not None:
        return [highlight(*pair, highlights) for pair in zip(pictures, array, strict=True)]
    read = as_maps(array, signed)
    if read is None:
        return [_stretched(*pair) for pair in zip(gradient_picture(array), pictures, strict=True)]
    maps, has_sign = read
    scaled = normalise(maps, "signed" if has_sign else "positive", clip_percentile=clip_percentile)
    colormap = DIVERGING if has_sign else colormap
    return [overlay(*pair, colormap=colormap, blend=blend) for pair in zip(pictures, scaled, strict=True)]


def _stretched(picture: Picture, model: NDArray[Any]) -> Picture:
    channels_first = np.moveaxis(picture, -1, 0)
    return rounded(np.moveaxis(resize(channels_first, model.shape[:2]), 0, -1))
