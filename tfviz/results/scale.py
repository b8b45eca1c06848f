"""Scales, collapses, resizes and fuses maps for the eye. Each image of a batch is treated by itself.

*Maps* are (N, H, W) or one (H, W), *attributions* (N, H, W, C) or one (H, W, C), of any finite numbers; the result is
float32 and has the batch axis that the argument had. Every function raises `InvalidImagesError` for other shapes and
for NaN or infinite values, naming the image. A way to scale, collapse or fuse is a function in a table, by the name
that users type; the results for constant and all-zero maps, where scaling divides by zero, are defined at each
function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, Floats
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results.checks import check_attributions, check_maps, pick


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
        The limit is this percentile of each map (100: its maximum), and values beyond it become 1 (or -1). If a map is
        so sparse that its percentile is 0, its maximum is the limit.

    Returns
    -------
    float32, the shape of `maps`. An all-zero map stays all zero. A constant map becomes all zero under ``"min_max"``;
    otherwise it becomes 1 if it is positive and, if negative, 0 (``"positive"``) or -1 (``"signed"``).

    Raises
    ------
    TfvizError
        For an unknown scaling or a percentile out of range.
    """
    values = check_maps(maps)
    sizes = pick("scaling", how, SCALINGS)(values)
    limit = _limit(sizes, clip_percentile)
    scaled = np.minimum(np.divide(sizes, limit, out=np.zeros_like(sizes), where=limit > 0), 1)
    return (np.sign(values) * scaled if how == "signed" else scaled).astype(np.float32)


def limits(maps: ArrayLike, how: str = "positive", *, clip_percentile: float = 100.0) -> list[float]:
    """Return the limit by which `normalise` divides each of N maps (N, H, W); 0 for a map that becomes all zero."""
    sizes = pick("scaling", how, SCALINGS)(check_maps(maps))
    return [float(limit) for limit in _limit(sizes, clip_percentile).ravel()]


def _limit(sizes: Doubles, percentile: float) -> Doubles:
    """Return the percentile of each non-negative map or, if it is 0, the maximum: (..., 1, 1)."""
    if not 0 < percentile <= 100:
        raise TfvizError(f"clip_percentile must be above 0 and at most 100, got {percentile}")
    maximum = sizes.max(axis=(-2, -1), keepdims=True)
    limit = np.percentile(sizes, percentile, axis=(-2, -1), keepdims=True) if sizes.size else maximum
    return np.where(limit > 0, limit, maximum)


SCALINGS: dict[str, Callable[[Doubles], Doubles]] = {
    "positive": lambda maps: np.maximum(maps, 0),
    "signed": np.abs,
    "min_max": lambda maps: maps - maps.min(axis=(-2, -1), keepdims=True),
}


def collapse(attributions: ArrayLike, how: str = "max_abs") -> Floats:
    """Reduce attributions to maps: the channels of each pixel become one number.

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
        For an unknown reduction.
    """
    return pick("reduction", how, COLLAPSES)(check_attributions(attributions)).astype(np.float32)


COLLAPSES: dict[str, Callable[[Doubles], Doubles]] = {
    "max_abs": lambda values: np.abs(values).max(axis=-1),
    "sum_abs": lambda values: np.abs(values).sum(axis=-1),
    "l2": lambda values: np.sqrt(np.square(values).sum(axis=-1)),
    "positive": lambda values: np.maximum(values, 0).sum(axis=-1),
    "sum": lambda values: values.sum(axis=-1),
    "mean": lambda values: values.mean(axis=-1),
}


def normalise_gradient(attributions: ArrayLike) -> Floats:
    """Scale guided backprop and other gradients for the eye: mean 0.5 and standard deviation 0.1 in each image.

    Parameters
    ----------
    attributions : (N, H, W, C) or (H, W, C)

    Returns
    -------
    float32, the shape of `attributions`, clipped to 0..1. A constant image, zero or not, becomes 0.5 everywhere.
    """
    values = check_attributions(attributions)
    axes = (-3, -2, -1)
    centred = values - values.mean(axis=axes, keepdims=True)
    deviation = values.std(axis=axes, keepdims=True)
    # By the extremes, because the computed deviation of a constant image is seldom exactly 0.
    varies = values.max(axis=axes, keepdims=True) > values.min(axis=axes, keepdims=True)
    standard: Doubles = np.divide(centred, deviation, out=np.zeros_like(values), where=varies)
    return np.clip(0.5 + 0.1 * standard, 0, 1).astype(np.float32)


def resize(maps: ArrayLike, size: tuple[int, int]) -> Floats:
    """Resize maps, bilinear with half-pixel centres, for example to the size of the original photograph.

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
        raise TfvizError(f"size must be (height, width) of at least one pixel each, got {size}")
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
    """Fuse the maps of several layers, for the same images, into one (Jiang 2021, LayerCAM).

    Parameters
    ----------
    maps : sequence of (N, h, w) or of (h, w), or a mapping of them by layer, as methods return it
        The layers may differ in height and width. Each map is scaled by `normalise` (``"positive"``) first.
    how : str
        ``"maximum"`` or ``"mean"``, pixel by pixel.
    size : (height, width) in pixels, optional
        By default the largest height and the largest width of the layers.

    Returns
    -------
    float32 (N, height, width) or (height, width), in 0..1

    Raises
    ------
    InvalidImagesError
        For no maps, or layers whose numbers of images differ.
    TfvizError
        For an unknown fusion.
    """
    fusion = pick("fusion", how, FUSIONS)
    if isinstance(maps, np.ndarray):
        raise InvalidImagesError(f"maps must be a list of arrays, one per layer, got a single array {maps.shape}")
    layers = [normalise(layer) for layer in (maps.values() if isinstance(maps, Mapping) else maps)]
    if len({layer.shape[:-2] for layer in layers}) != 1:
        shapes = ", ".join(str(layer.shape) for layer in layers) or "none"
        raise InvalidImagesError(f"maps must be those of the same images, from at least one layer, got {shapes}")
    sides = [layer.shape[-2:] for layer in layers]
    largest = (max(height for height, _ in sides), max(width for _, width in sides))
    return fusion(np.stack([resize(layer, size or largest) for layer in layers]))


FUSIONS: dict[str, Callable[[Floats], Floats]] = {
    "maximum": lambda layers: layers.max(axis=0),
    "mean": lambda layers: layers.mean(axis=0),
}
