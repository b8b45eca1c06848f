"""Prepares results for pictures: attributions in the order red, green, blue, and maps from where they mean something.

A network may take blue, green, red, and its attributions come in that order. Some maps have a background that is not
zero, and are scaled from their minimum; of others only what is positive is shown. The registry tells which, by
`Method.shown_from`.
"""

from __future__ import annotations

import numpy as np

from tfviz.errors import TfvizError
from tfviz.methods.engine import method_of
from tfviz.results import normalise

ORDERS = ("rgb", "bgr", "grey")
CLIP_PERCENTILE = 99.0
"""A few pixels of a saliency map outshine the rest; pictures of commands stop there, the written maps do not."""


def channel_step(order: str) -> int:
    """Return the step through channels of that order that gives red, green, blue; raise `TfvizError` if unknown."""
    if order not in ORDERS:
        raise TfvizError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    return -1 if order == "bgr" else 1


def shown(name: str, values: np.ndarray, order: str) -> np.ndarray:
    """Return maps (N, H, W) or attributions (N, H, W, C) as `Explanation.shown` does; `name` is the result's."""
    ordered = values[..., :: channel_step(order)] if values.ndim == 4 else values
    start = method_of(name).shown_from
    if start == "minimum":
        return normalise(ordered, "min_max")
    return ordered.clip(min=0) if start == "positive" else ordered
