"""What methods found, as pictures show it: attributions as red, green and blue, maps without what is no evidence."""

from __future__ import annotations

import numpy as np

from tfviz.errors import TfvizError
from tfviz.methods.engine import method_of
from tfviz.results import normalise

ORDERS = ("rgb", "bgr", "grey")


def channel_step(order: str) -> int:
    """Return the step through channels of that order which gives red, green and blue; raise `TfvizError`."""
    if order not in ORDERS:
        raise TfvizError(f"the order of the channels is one of {', '.join(ORDERS)}, not {order!r}")
    return -1 if order == "bgr" else 1


def shown(name: str, values: np.ndarray, order: str) -> np.ndarray:
    """Return the maps (N, H, W) or attributions (N, H, W, C) of a result's name as `Explanation.shown` does."""
    ordered = values[..., :: channel_step(order)] if values.ndim == 4 else values
    start = method_of(name).shown_from
    if start == "minimum":
        return normalise(ordered, "min_max")
    return ordered.clip(min=0) if start == "positive" else ordered
