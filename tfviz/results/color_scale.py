"""Tells which value a colour of a tile stands for: what a colour bar beside it needs.

How an array is read is decided here, for `tiles` as well: as maps with a sign, as maps without one, or as attributions
in their own colours, none of which stands for a value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.results.checks import TOLERANCE, check_attributions, check_maps, pick
from tfviz.results.colors import COLORMAPS, DEFAULT_COLORMAP, DIVERGING
from tfviz.results.highlight import Highlight
from tfviz.results.scale import collapse, limits


class ColorScale(NamedTuple):
    """The values that the ends of a colour map stand for, in the unit of the map.

    Values beyond `vmin` and `vmax` have the colours of these. The colour map is one of `COLORMAPS`.
    """

    colormap: str
    vmin: float
    vmax: float


def color_scales(
    found: ArrayLike,
    *,
    colormap: str = DEFAULT_COLORMAP,
    clip_percentile: float = 100.0,
    highlights: Highlight | None = None,
    signed: bool | None = None,
    own_colors: bool = False,
) -> list[ColorScale | None]:
    """Return the colour scale of each tile that `tiles` draws of what a method found.

    Parameters
    ----------
    found, colormap, clip_percentile, highlights, signed, own_colors
        As `tiles` takes them.

    Returns
    -------
    N scales: from 0 to the limit of `normalise`, or if the sign means something from minus the limit to it. None for a
    tile whose colours stand for no value: pictures, attributions in their own colours, highlights, and a map without
    anything to show.

    Raises
    ------
    InvalidImagesError
        For an array that is not maps, attributions or pictures, or not finite.
    TfvizError
        For an unknown colour map or a percentile out of range.
    """
    pick("colour map", colormap, dict.fromkeys(COLORMAPS))
    array = np.asarray(found)
    read = None if highlights is not None or is_picture(array) else as_maps(array, signed, own_colors)
    if read is None:
        return [None] * len(array)
    tops = limits(read.maps, "signed" if read.signed else "positive", clip_percentile=clip_percentile)
    if read.signed:
        return [ColorScale(DIVERGING, -top, top) if top else None for top in tops]
    return [ColorScale(colormap, 0.0, top) if top else None for top in tops]


def is_picture(array: NDArray[np.generic]) -> bool:
    """Whether an array is pictures, which are shown as they are."""
    return array.ndim == 4 and array.dtype == np.uint8


class ShownMaps(NamedTuple):
    """Maps (N, h, w), and whether their sign means something."""

    maps: NDArray[np.floating]
    signed: bool


def as_maps(array: NDArray[np.generic], signed: bool | None, own_colors: bool) -> ShownMaps | None:
    """Read what was found as maps; None for attributions in their own colours."""
    if array.ndim != 4:
        maps = check_maps(array)
        # Rounding can leave a map that has no sign a little below zero.
        return ShownMaps(maps, bool(maps.min() < -TOLERANCE * np.abs(maps).max()) if signed is None else signed)
    values = check_attributions(array)
    signed = bool(values.min() < 0) if signed is None else signed
    if signed and own_colors:
        return None
    return ShownMaps(collapse(values, "sum" if signed else "max_abs"), signed)
