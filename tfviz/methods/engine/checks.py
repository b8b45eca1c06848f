"""Checks the options of methods.

A check takes the name of an option and its value, and returns the value or raises `TfvizError` with both. That is why a
method lists its checks as data (`Method.arguments`); `functools.partial` sets their bounds, and `optional` allows None.
Bounds are those of int32 and float32, the types that options are computed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tfviz.errors import TfvizError

LARGEST = 2**31 - 1
"""In int32, as it is computed with."""


def integer(name: str, value: Any, least: int = 1, most: int = LARGEST) -> int:
    """Return an integer from `least` to `most`; raise `TfvizError` for anything else."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        limits = f"from {least} to {most}" if most < LARGEST or (is_whole and value > most) else f"of at least {least}"
        raise TfvizError(f"{name} is {value!r}, expected an integer {limits}")
    return int(value)


def number(
    name: str, value: Any, least: float = -np.inf, *, above: float = -np.inf, below: float = np.inf, unit: str = ""
) -> float:
    """Return a finite number, at least `least`, greater than `above`, less than `below`; else raise `TfvizError`."""
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    # In float32, as it is computed with.
    if (
        not is_number
        or not abs(value) <= float(np.finfo(np.float32).max)
        or not (least <= value < below and value > above)
    ):
        limits = {f"above {above:g}": above, f"below {below:g}": below}
        limits = limits if above >= least else {f"of at least {least:g}": least, **limits}
        bounds = " and ".join(words for words, limit in limits.items() if np.isfinite(limit))
        raise TfvizError(f"{name} is {value!r}, expected a number {bounds}".rstrip() + unit)
    return float(value)


def one_of(*names: str) -> Callable[[str, Any], str]:
    """Return a check that accepts one of the names; it raises `TfvizError` for anything else."""

    def convert(name: str, value: Any) -> str:
        if value not in names:
            raise TfvizError(f"{name} is {value!r}, expected one of {', '.join(map(repr, names))}")
        return str(value)

    return convert


def optional(convert: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """Return a check that accepts None, too."""
    return lambda name, value: None if value is None else convert(name, value)
