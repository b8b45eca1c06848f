"""Renders maps as pictures: heatmaps, overlays on pictures, and masked pictures.

A *picture* is uint8 RGB, (H, W, 3), and several are (N, H, W, 3); no function takes or returns another order or range.
Maps must be scaled by `normalise`: 0..1, or -1..1 for the colour map ``"blue_white_red"``. A single picture goes with a
single map, N pictures with N maps. Every function raises `InvalidImagesError` otherwise. Unscaled maps are refused
rather than scaled in silence.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.arrays import Picture
from tfviz.results.checks import check_pairs, check_pictures, check_scaled, pick
from tfviz.results.colors import DIVERGING, STEPS, color_table
from tfviz.results.pictures import rounded
from tfviz.results.scale import resize

WEIGHT = 0.4


def heatmap(maps: ArrayLike, colormap: str = "jet") -> Picture:
    """Colour maps.

    Parameters
    ----------
    maps : (N, H, W) or (H, W), values 0..1
    colormap : str
        One of `COLORMAPS`: OpenCV's by name (``"jet"``, ``"turbo"``, ``"viridis"``, ...), or for values -1..1
        ``"blue_white_red"``: negative blue, zero white, positive red.

    Returns
    -------
    uint8 (N, H, W, 3) or (H, W, 3)

    Raises
    ------
    TfvizError
        For an unknown colour map.
    """
    table = color_table(colormap)
    values = check_scaled(maps, -1 if colormap == DIVERGING else 0)
    zero = len(table) - 1 - STEPS
    return table[np.rint(values * STEPS).astype(np.intp) + zero]


def overlay(pictures: ArrayLike, maps: ArrayLike, *, colormap: str = "jet", blend: str = "weighted") -> Picture:
    """Lay the heatmaps of maps over pictures.

    Parameters
    ----------
    pictures : uint8 (N, H, W, 3) or (H, W, 3)
    maps : (N, h, w) or (h, w), values as `heatmap` takes them
        Maps of another size are first resized to the pictures by `resize`.
    blend : str
        - ``"weighted"``: ``0.6 picture + 0.4 heatmap``, comparable between images.
        - ``"additive"``: ``255 (picture + heatmap) / maximum``, the maximum being that of each image's sum over its
          pixels and channels: brighter, and black where both are black.

    Returns
    -------
    uint8, the shape of `pictures`

    Raises
    ------
    TfvizError
        For an unknown blend or colour map.
    """
    mix = pick("blend", blend, BLENDS)
    base = check_pictures(pictures)
    heat = heatmap(fit_maps(base, maps), colormap)
    return rounded(mix(base.astype(np.float64), heat.astype(np.float64)))


def mask(pictures: ArrayLike, maps: ArrayLike) -> Picture:
    """Multiply pictures by maps, so that only what the maps mark stays bright.

    Parameters
    ----------
    pictures : uint8 (N, H, W, 3) or (H, W, 3)
    maps : (N, h, w) or (h, w), values 0..1
        Maps of another size are first brought to the pictures' by `resize`.

    Returns
    -------
    uint8, the shape of `pictures`
    """
    base = check_pictures(pictures)
    return rounded(base * check_scaled(fit_maps(base, maps), 0)[..., np.newaxis])


def _weighted(base: NDArray[np.float64], heat: NDArray[np.float64]) -> NDArray[np.float64]:
    return (1 - WEIGHT) * base + WEIGHT * heat


def _additive(base: NDArray[np.float64], heat: NDArray[np.float64]) -> NDArray[np.float64]:
    total = base + heat
    maximum = total.max(axis=(-3, -2, -1), keepdims=True)
    blended: NDArray[np.float64] = np.divide(255 * total, maximum, out=np.zeros_like(total), where=maximum > 0)
    return blended


BLENDS: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]] = {
    "weighted": _weighted,
    "additive": _additive,
}


def fit_maps(pictures: Picture, maps: ArrayLike) -> ArrayLike:
    """Maps, one per picture, at the size of the pictures."""
    check_pairs(pictures, maps)
    size = pictures.shape[-3:-1]
    return maps if np.shape(maps)[-2:] == size else resize(maps, size)
