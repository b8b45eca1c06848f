"""What options must be: one line for those that have no meaning."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfviz.errors import TfvizError


def whole(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """Return a whole number between `least` and `most`; raise `TfvizError` for anything else."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise TfvizError(f"{name} is {value!r}, expected a whole number {limits}")
    return int(value)


def number(name: str, value: Any, least: float = -np.inf, *, below: float = np.inf) -> float:
    """Return a finite number of at least `least` and below `below`; raise `TfvizError` for anything else."""
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not np.isfinite(value) or not least <= value < below:
        limits = [f"of at least {least:g}"] * (least > -np.inf) + [f"below {below:g}"] * (below < np.inf)
        raise TfvizError(f"{name} is {value!r}, expected a number {' and '.join(limits)}".rstrip())
    return float(value)
