"""Prepares results for pictures: attributions in the order red, green, blue, and maps from where they mean something.

A network may take blue, green, red, and its attributions come in that order. Some maps have a background that is not
zero, and lose their minimum; of others only what is positive is shown. The registry tells which, by
`Method.shown_from`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from tfviz.errors import TfvizError
from tfviz.methods import Results
from tfviz.methods.engine import is_attribution, is_direction, is_signed, method_of

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
        # Not scaled: classes side by side share a scale, and a colour bar tells values in the unit of the map.
        return np.asarray(ordered - ordered.min(axis=(1, 2), keepdims=True))
    if start == "positive":
        # A map without anything positive stays as it is: the tile of a zero one would say that it is all zero.
        return np.where((ordered > 0).any(axis=(1, 2), keepdims=True), ordered.clip(min=0), ordered)
    return ordered


def with_more(found: Mapping[str, np.ndarray], columns: Mapping[str, ArrayLike]) -> dict[str, ArrayLike]:
    """Return what was found and more columns, by their titles; raise `TfvizError` for a title that both have."""
    if taken := [name for name in columns if name in found]:
        raise TfvizError(f"columns holds {taken[0]!r}, which is the title of a method's own column; give it another")
    return {**found, **columns}


def signs_of(found: Results) -> dict[str, bool | None]:
    """Return whether the sign of what each method found, as `shown` returns it, means something.

    None if only its values can tell: for attributions that were reduced to maps.
    """
    reduced = {
        name for name, each in found.maps.items() if each.ndim == 3 and is_attribution(name, found.options[name])
    }
    return {name: None if name in reduced else is_signed(name, found.options[name]) for name in found.maps}


def own_colors_of(found: Results) -> dict[str, bool]:
    """Return whether what each method found is shown in its own colours, if it is attributions.

    It is if its sign tells which way a pixel must change, as guided backprop's does: that is a colour. Red over the
    photograph would say that the pixel speaks for the class.
    """
    return {name: is_direction(name, found.options[name]) for name in found.maps}


def own_colors_of_columns(
    found: Results, given: Mapping[str, bool] | bool | None, columns: Mapping[str, str]
) -> Mapping[str, bool] | bool:
    """Return `own_colors_of`, or what is given in its place, by the title of each method's column.

    Those given are for all methods at once, or for some by their names; names that are no method's stay as they are.
    """
    if isinstance(given, bool):
        return given
    return {columns.get(name, name): each for name, each in {**own_colors_of(found), **(given or {})}.items()}
