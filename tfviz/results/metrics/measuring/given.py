"""Maps that are measured without a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles
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
