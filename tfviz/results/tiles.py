"""Shows what methods found as one picture per image, of the image's size: the cells of figures, files and cards.

Maps without a sign are laid over the picture in one colour map. Where the sign means something, red speaks for the
class and blue against it, on one symmetric scale over the picture in pale grey, which shows through where nothing
speaks at all. Attributions that are a direction in the space of colours, such as guided backprop's, may keep their own
colours instead. Whether the sign means something is best told by the caller, who knows the method; guessed from the
values, one method would look different for an image in which nothing speaks against the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.arrays import Floats, Picture
from tfviz.errors import InvalidImagesError
from tfviz.results.checks import check_each_picture, check_maps, check_pictures
from tfviz.results.color_scale import as_maps, is_picture
from tfviz.results.colors import DEFAULT_COLORMAP, DIVERGING
from tfviz.results.highlight import Highlight, highlight
from tfviz.results.note import note_of, noted
from tfviz.results.pictures import gradient_picture, pale_picture, rounded
from tfviz.results.render import check_look, overlay
from tfviz.results.scale import collapse, normalise, resize


def tiles(
    pictures: Sequence[Picture] | Picture,
    found: ArrayLike,
    *,
    colormap: str = DEFAULT_COLORMAP,
    blend: str = "weighted",
    alpha: float | str | None = None,
    clip_percentile: float = 100.0,
    highlights: Highlight | None = None,
    signed: bool | None = None,
    own_colors: bool = False,
) -> list[Picture]:
    """Show what a method found, as one picture per image.

    Parameters
    ----------
    pictures : uint8 RGB (N, H, W, 3), or a sequence of (H, W, 3) whose sizes may differ
    found : array
        Maps (N, h, w) are scaled by `normalise` and laid over the pictures. If their sign means something, the pictures
        are pale grey, and the colours ``"blue_white_red"``; else only positive values are shown. Attributions
        (N, h, w, C) become such maps: the sum over the channels or, if their sign means nothing, the largest absolute
        value. All are resized to their picture. Pictures, uint8 (N, h, w, 3), are returned as they are. Where nothing
        can be seen, the tile is dark and says why: "all zero", or "nothing positive".
    colormap, blend, alpha
        As `overlay` takes them; for maps without a sign.
    clip_percentile : float
        As `normalise` takes it.
    highlights : Highlight, optional
        Maps and attributions are shown by `highlight` instead; none of the other settings is then used.
    signed : bool, optional
        Whether the sign of what was found means something; by default it does if any value is negative by more than
        rounding.
    own_colors : bool
        Whether attributions with a sign each become a `gradient_picture` instead of a map.

    Returns
    -------
    N pictures, uint8 (H, W, 3)

    Raises
    ------
    InvalidImagesError
        For an array that is not one map or attribution per picture.
    TfvizError
        For an unknown colour map or blend, or an opacity that `overlay` refuses.
    """
    array = _one_per_picture(found, len(pictures))
    look: dict[str, Any] = {"colormap": colormap, "blend": blend, "alpha": alpha}
    check_look(**look)  # also for those who are shown otherwise
    if is_picture(array):
        return list(check_pictures(array))
    pictures = check_each_picture(pictures)
    values: NDArray[Any]
    if highlights is not None:
        values, shown = collapse(array, "sum") if array.ndim == 4 else check_maps(array), highlights.polarity
        drawn = [highlight(*pair, highlights) for pair in zip(pictures, values, strict=True)]
    elif (read := as_maps(array, signed, own_colors)) is None:
        values, shown = array, "both"
        drawn = [_stretched(*pair) for pair in zip(pictures, gradient_picture(array), strict=True)]
    elif read.signed:
        values, shown = read.maps, "both"
        scaled = normalise(values, "signed", clip_percentile=clip_percentile)
        drawn = [_over_grey(*pair) for pair in zip(pictures, scaled, strict=True)]
    else:
        values, shown = read.maps, "positive"
        scaled = normalise(values, clip_percentile=clip_percentile)
        drawn = [overlay(*pair, **look) for pair in zip(pictures, scaled, strict=True)]
    notes = [note_of(each, shown) for each in values]
    return [
        noted(picture, words) if words else tile for tile, picture, words in zip(drawn, pictures, notes, strict=True)
    ]


def _one_per_picture(found: ArrayLike, count: int) -> NDArray[Any]:
    array = np.asarray(found)
    if array.ndim not in (3, 4) or len(array) != count:
        raise InvalidImagesError(
            f"the array has the shape {array.shape}; expected {count} maps or attributions, one per image"
        )
    return array


def _over_grey(picture: Picture, scaled: Floats) -> Picture:
    return overlay(pale_picture(picture), scaled, colormap=DIVERGING, blend="multiply")


def _stretched(picture: Picture, model: Picture) -> Picture:
    channels_first = np.moveaxis(model, -1, 0)
    return rounded(np.moveaxis(resize(channels_first, picture.shape[:2]), 0, -1))
