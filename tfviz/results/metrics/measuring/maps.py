"""Maps as metrics take them, and the arithmetic of maps that several metrics share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles
from tfviz.data_format import DataFormat
from tfviz.results import check_attributions, check_maps, collapse


def maps_of(given: ArrayLike, how: str | None) -> tuple[Doubles, str | None]:
    """Return maps (N, H, W) that are measured without a network; one map (H, W) is a batch of one.

    Without a network, attributions have their channels last; see `collapsed_maps`.
    """
    found, how = collapsed_maps(given, how)
    return found.reshape(-1, *found.shape[-2:]), how


def collapsed_maps(
    given: ArrayLike, how: str | None, data_format: DataFormat = DataFormat.CHANNELS_LAST
) -> tuple[Doubles, str | None]:
    """Return maps as they are, or attributions of four axes reduced to maps, and how they were reduced; None for maps.

    how: see `tfviz.results.collapse`; None is `max_abs`. Raises `InvalidImagesError` for other shapes, and NaN.
    """
    values = np.asarray(given)
    if values.ndim != 4:
        return check_maps(values), None
    how = how or "max_abs"
    return collapse(data_format.to_last(check_attributions(values)), how).astype(np.float64), how


def is_constant(maps: Doubles) -> np.ndarray:
    """Return whether each map (N, H, W) is the same everywhere: bool (N,)."""
    constant: np.ndarray = maps.max(axis=(1, 2)) == maps.min(axis=(1, 2))
    return constant


def norms(arrays: np.ndarray) -> Doubles:
    """Return the Euclidean norm (N,) of each of several arrays (N, ...)."""
    return np.asarray(np.linalg.norm(arrays.reshape(len(arrays), -1), axis=1), np.float64)


def scaled_as_quantus(arrays: Doubles) -> Doubles:
    """Return arrays divided by the largest absolute value of them all, as Quantus does; zeros stay."""
    return np.asarray(arrays / (np.abs(arrays).max() or 1))
