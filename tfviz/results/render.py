"""Renders maps as pictures: heatmaps, overlays on pictures, and masked pictures.

A *picture* is uint8 RGB, (H, W, 3), and several are (N, H, W, 3); `tfviz.results` says what else is taken for one. Maps
must be scaled by `normalise`: 0..1, or -1..1 for the colour map ``"blue_white_red"``. A single picture goes with a
single map, N pictures with N maps. Every function raises `InvalidImagesError` otherwise. Maps beyond these ranges are
refused rather than scaled in silence; one that lies within, such as a probability map, is shown on that scale as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.arrays import Doubles, Picture
from tfviz.errors import TfvizError
from tfviz.results.checks import check_pairs, check_pictures, check_scaled, pick
from tfviz.results.colors import DEFAULT_COLORMAP, DIVERGING, STEPS, color_table
from tfviz.results.pictures import rounded
from tfviz.results.scale import resize

BY_MAP = "map"
WEIGHT = 0.5
"""Opacity of a heatmap over a picture: at 0.4, which jet's signal colours can do with, inferno hardly tells itself from
a colourful photograph."""


def heatmap(maps: ArrayLike, colormap: str = DEFAULT_COLORMAP, *, alpha: float | str | None = None) -> Picture:
    """Colour maps, opaque or to be laid over anything.

    A file of the colours alone: ``PIL.Image.fromarray(heatmap(one_map, alpha="map")).save("map.png")``.

    Parameters
    ----------
    maps : (N, H, W) or (H, W), values 0..1
    colormap : str
        One of `COLORMAPS`: OpenCV's by name (``"inferno"``, ``"viridis"``, ``"jet"``, ...), or for values -1..1
        ``"blue_white_red"``: negative blue, zero white, positive red.
    alpha : float 0..1 or "map", optional
        Adds a fourth channel, the opacity: the same everywhere, or by ``"map"`` the absolute value of the map.

    Returns
    -------
    uint8 RGB (N, H, W, 3) or (H, W, 3); with `alpha` RGBA (N, H, W, 4) or (H, W, 4), its colours not premultiplied

    Raises
    ------
    TfvizError
        For an unknown colour map or an opacity out of range.
    """
    table = color_table(colormap)
    values = check_scaled(maps, -1 if colormap == DIVERGING else 0)
    zero = len(table) - 1 - STEPS
    colors = table[np.rint(values * STEPS).astype(np.intp) + zero]
    return colors if alpha is None else np.concatenate([colors, rounded(255 * _opacity(values, alpha))], axis=-1)


def overlay(
    pictures: ArrayLike,
    maps: ArrayLike,
    *,
    colormap: str = DEFAULT_COLORMAP,
    blend: str = "weighted",
    alpha: float | str | None = None,
) -> Picture:
    """Lay the heatmaps of maps over pictures. The classic look is ``colormap="jet", alpha=0.4``.

    Parameters
    ----------
    pictures : uint8 (N, H, W, 3) or (H, W, 3)
    maps : (N, h, w) or (h, w), values as `heatmap` takes them
        Maps of another size are first resized to the pictures by `resize`.
    blend : str
        - ``"weighted"``: ``(1 - alpha) picture + alpha heatmap``, comparable between images.
        - ``"additive"``: ``255 (picture + heatmap) / maximum``, the maximum being that of each image's sum over its
          pixels and channels: brighter, and black where both are black.
        - ``"multiply"``: ``picture heatmap / 255``: white leaves the picture as it is.
    alpha : float 0..1 or "map", optional
        Opacity of the heatmap in ``"weighted"``, 0.5 by default, or by ``"map"`` the absolute value of the map, so that
        zero leaves the picture as it is. The other blends take none.

    Returns
    -------
    uint8, the shape of `pictures`. A transparent layer, to be laid over pictures elsewhere, is `heatmap`'s, with the
    same `alpha`.

    Raises
    ------
    TfvizError
        For an unknown blend or colour map, or an opacity that is out of range or not taken.
    """
    mix = pick("blend", blend, BLENDS)
    if alpha is not None and mix is not _weighted:
        raise TfvizError(f"alpha={alpha!r} is for the blend 'weighted', the blend {blend!r} takes none")
    base = check_pictures(pictures)
    fitted = fit_maps(base, maps)
    heat = heatmap(fitted, colormap)
    opacity = _opacity(np.asarray(fitted), WEIGHT if alpha is None else alpha)
    return rounded(mix(base.astype(np.float64), heat.astype(np.float64), opacity))


def check_look(colormap: str, blend: str, alpha: float | str | None = None) -> None:
    """Raise `TfvizError` for what `overlay` refuses, found by drawing a picture of one pixel with it."""
    overlay(np.zeros((1, 1, 3), np.uint8), [[0]], colormap=colormap, blend=blend, alpha=alpha)


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


def _opacity(values: NDArray[Any], alpha: float | str) -> Doubles:
    """Opacities 0..1 of maps (..., H, W), as (..., H, W, 1)."""
    if isinstance(alpha, str) and alpha == BY_MAP:
        opacity: Doubles = np.clip(np.abs(values), 0, 1)[..., np.newaxis]
        return opacity
    if isinstance(alpha, bool | str) or not 0 <= alpha <= 1:
        raise TfvizError(f"alpha must be an opacity 0..1, or {BY_MAP!r} for the value of the map, got {alpha!r}")
    return np.full((*values.shape, 1), alpha, np.float64)


def _weighted(base: Doubles, heat: Doubles, opacity: Doubles) -> Doubles:
    return (1 - opacity) * base + opacity * heat


def _additive(base: Doubles, heat: Doubles, _: Doubles) -> Doubles:
    total = base + heat
    maximum = total.max(axis=(-3, -2, -1), keepdims=True)
    blended: Doubles = np.divide(255 * total, maximum, out=np.zeros_like(total), where=maximum > 0)
    return blended


def _multiply(base: Doubles, heat: Doubles, _: Doubles) -> Doubles:
    return base * heat / 255


BLENDS: dict[str, Callable[[Doubles, Doubles, Doubles], Doubles]] = {
    "weighted": _weighted,
    "additive": _additive,
    "multiply": _multiply,
}


def fit_maps(pictures: Picture, maps: ArrayLike) -> ArrayLike:
    """Maps, one per picture, at the size of the pictures."""
    check_pairs(pictures, maps)
    size = pictures.shape[-3:-1]
    return maps if np.shape(maps)[-2:] == size else resize(maps, size)
