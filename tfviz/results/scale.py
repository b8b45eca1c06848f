"""Numbers for the eye: scaling, collapsing channels, resizing, fusing. Each image of a batch is treated by itself.

*Maps* are (N, H, W) or one (H, W), *attributions* (N, H, W, C) or one (H, W, C), of any finite numbers; the result is
float32 and has the batch axis that the argument had. Every function raises `InvalidImagesError` for other shapes and
for NaN or infinite values, naming the image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results.checks import Floats, check_attributions, check_maps, pick

Doubles = NDArray[np.float64]


def normalise(maps: ArrayLike, how: str = "positive", *, clip_percentile: float = 100.0) -> Floats:
    """Scale each map for the eye.

    Parameters
    ----------
    maps : (N, H, W) or (H, W)
    how : str
        - ``"positive"``: ``max(map, 0) / limit``, in 0..1.
        - ``"signed"``: ``map / limit``, in -1..1, where 0 stays 0. The limit is that of the absolute values.
        - ``"min_max"``: ``(map - minimum) / (limit - minimum)``, in 0..1.
    clip_percentile : float, above 0 to 100
        The limit is this percentile of each map (100: its maximum), and what lies beyond becomes 1 (or -1). A map so
        sparse that its percentile would leave nothing to see is scaled by its maximum instead.

    Returns
    -------
    float32, the shape of `maps`. An all-zero map stays all zero. A constant map becomes all zero under ``"min_max"``;
    otherwise it becomes 1 where it is positive and, where negative, 0 (``"positive"``) or -1 (``"signed"``).

    Raises
    ------
    TfvizError
        For an unknown way or a percentile out of range.
    """
    scaling = pick("scaling", how, SCALINGS)
    if not 0 < clip_percentile <= 100:
        raise TfvizError(f"clip_percentile must be above 0 and at most 100, got {clip_percentile}")
    return scaling(check_maps(maps), clip_percentile).astype(np.float32)


def _positive(maps: Doubles, percentile: float) -> Doubles:
    return _divide(np.maximum(maps, 0), percentile)


def _signed(maps: Doubles, percentile: float) -> Doubles:
    return np.sign(maps) * _divide(np.abs(maps), percentile)


def _min_max(maps: Doubles, percentile: float) -> Doubles:
    return _divide(maps - maps.min(axis=(-2, -1), keepdims=True), percentile)


def _divide(maps: Doubles, percentile: float) -> Doubles:
    """Non-negative maps over their limit, at most 1."""
    maximum = maps.max(axis=(-2, -1), keepdims=True)
    limit = np.percentile(maps, percentile, axis=(-2, -1), keepdims=True) if maps.size else maximum
    limit = np.where(limit > 0, limit, maximum)
    return np.minimum(np.divide(maps, limit, out=np.zeros_like(maps), where=limit > 0), 1)


SCALINGS: dict[str, Callable[[Doubles, float], Doubles]] = {
    "positive": _positive,
    "signed": _signed,
    "min_max": _min_max,
}


def collapse(attributions: ArrayLike, how: str = "max_abs") -> Floats:
    """Make maps of attributions, by one number for the channels of a pixel.

    Parameters
    ----------
    attributions : (N, H, W, C) or (H, W, C)
    how : str
        ``"max_abs"`` (the largest absolute value), ``"sum_abs"``, ``"l2"`` (the Euclidean norm), ``"positive"`` (the
        sum of what is above zero), or with sign ``"sum"`` and ``"mean"``.

    Returns
    -------
    float32 (N, H, W) or (H, W), in the unit of the attributions

    Raises
    ------
    TfvizError
        For an unknown way.
    """
    return pick("way to collapse", how, COLLAPSES)(check_attributions(attributions)).astype(np.float32)


COLLAPSES: dict[str, Callable[[Doubles], Doubles]] = {
    "max_abs": lambda values: np.abs(values).max(axis=-1),
    "sum_abs": lambda values: np.abs(values).sum(axis=-1),
    "l2": lambda values: np.sqrt(np.square(values).sum(axis=-1)),
    "positive": lambda values: np.maximum(values, 0).sum(axis=-1),
    "sum": lambda values: values.sum(axis=-1),
    "mean": lambda values: values.mean(axis=-1),
}


def normalise_gradient(attributions: ArrayLike) -> Floats:
    """Scale guided backprop and other gradients for the eye: mean 0.5 and standard deviation 0.1 an image.

    Parameters
    ----------
    attributions : (N, H, W, C) or (H, W, C)

    Returns
    -------
    float32, the shape of `attributions`, clipped to 0..1. A constant image, be it zero, becomes 0.5 everywhere.
    """
    values = check_attributions(attributions)
    axes = (-3, -2, -1)
    centred = values - values.mean(axis=axes, keepdims=True)
    deviation = values.std(axis=axes, keepdims=True)
    # By its extremes: the computed deviation of a constant is seldom exactly 0.
    varies = values.max(axis=axes, keepdims=True) > values.min(axis=axes, keepdims=True)
    standard: Doubles = np.divide(centred, deviation, out=np.zeros_like(values), where=varies)
    return np.clip(0.5 + 0.1 * standard, 0, 1).astype(np.float32)


def resize(maps: ArrayLike, size: tuple[int, int]) -> Floats:
    """Bring maps to another size, bilinear with half-pixel centres, so that they fit the original photograph.

    Parameters
    ----------
    maps : (N, H, W) or (H, W)
    size : (height, width) in pixels

    Returns
    -------
    float32 (N, height, width) or (height, width)

    Raises
    ------
    TfvizError
        For a size below one pixel.
    """
    values = check_maps(maps).astype(np.float32)
    height, width = size
    if min(height, width) < 1:
        raise TfvizError(f"a size is (height, width) of at least one pixel each, got {size}")
    resized = np.empty((*values.shape[:-2], height, width), np.float32)
    for source, target in zip(values.reshape(-1, *values.shape[-2:]), resized.reshape(-1, height, width), strict=True):
        target[...] = cv2.resize(source, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized


def fuse(
    maps: Mapping[str, ArrayLike] | Sequence[ArrayLike],
    how: str = "maximum",
    *,
    size: tuple[int, int] | None = None,
) -> Floats:
    """Make one map of several layers' maps of the same images (Jiang 2021, LayerCAM).

    Parameters
    ----------
    maps : sequence of (N, h, w) or of (h, w), or such by the name of the layer, as methods return them
        The layers may differ in height and width. Each map is scaled by `normalise` (``"positive"``) first.
    how : str
        ``"maximum"`` or ``"mean"``, pixel by pixel.
    size : (height, width) in pixels, optional
        The largest height and the largest width of the layers if not given.

    Returns
    -------
    float32 (N, height, width) or (height, width), in 0..1

    Raises
    ------
    InvalidImagesError
        For no maps, or maps of other numbers of images.
    TfvizError
        For an unknown way.
    """
    fusion = pick("way to fuse", how, FUSIONS)
    if isinstance(maps, np.ndarray):
        raise InvalidImagesError(f"maps to fuse are one array {maps.shape}, expected a list of them, one a layer")
    layers = [normalise(layer) for layer in (maps.values() if isinstance(maps, Mapping) else maps)]
    if len({layer.shape[:-2] for layer in layers}) != 1:
        shapes = ", ".join(str(layer.shape) for layer in layers) or "none"
        raise InvalidImagesError(f"maps to fuse must be those of the same images, one layer or more, got {shapes}")
    sides = [layer.shape[-2:] for layer in layers]
    largest = (max(height for height, _ in sides), max(width for _, width in sides))
    return fusion(np.stack([resize(layer, size or largest) for layer in layers]))


FUSIONS: dict[str, Callable[[Floats], Floats]] = {
    "maximum": lambda layers: layers.max(axis=0),
    "mean": lambda layers: layers.mean(axis=0),
}
