"""Maps that are measured without a network, and what is said of values that are not defined."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, name_images
from tfviz.results import check_attributions, check_maps, collapse


def maps_of(given: ArrayLike, how: str | None) -> tuple[Doubles, str | None]:
    """Return maps (N, H, W), or attributions (N, H, W, C) reduced to them, and how they were reduced; None for maps.

    One map (H, W) is a batch of one. Without a network, attributions have their channels last. Raises
    `InvalidImagesError` for other shapes, and NaN.
    """
    values = np.asarray(given)
    if values.ndim == 4:
        how = how or "max_abs"
        return collapse(check_attributions(values), how).astype(np.float64), how
    maps = check_maps(values)
    return maps.reshape(-1, *maps.shape[-2:]), None


def undefined(metric: str, rows: np.ndarray, reason: str) -> tuple[str, ...]:
    """Return a warning that a metric is not defined for the images whose row (N,) is true; none if no row is."""
    which = name_images(np.flatnonzero(rows))
    return (f"{metric} of image {which} is not defined (NaN): {reason}",) if rows.any() else ()
