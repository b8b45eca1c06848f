"""Values that are not defined: NaN, with a warning that names the images and says why."""

from __future__ import annotations

import numpy as np

from tfviz.arrays import Doubles, name_images

ZERO = "the map is zero everywhere"


def set_undefined(metric: str, values: Doubles, rows: np.ndarray, *, since: str) -> tuple[str, ...]:
    """Set the values (N,) of the images whose row, bool (N,), is true to NaN; return a warning of them, if any.

    since: the reason, with which the warning ends.
    """
    if not rows.any():
        return ()
    values[rows] = np.nan
    which = name_images(np.flatnonzero(rows))
    return (f"{metric} of image {which} is not defined (NaN): {since}",)
