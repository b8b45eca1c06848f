"""Values that are not defined: NaN, with a warning that names the images and says why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from tfviz.arrays import Doubles, name_images

ZERO = "the map is zero everywhere"


_NUMBERS: ContextVar[np.ndarray] = ContextVar("numbers of the images")


@contextmanager
def numbered(numbers: np.ndarray) -> Iterator[None]:
    """Call the images of measurements by these numbers (N,), which they have among others that are not measured."""
    token = _NUMBERS.set(numbers)
    try:
        yield
    finally:
        _NUMBERS.reset(token)


def set_undefined(metric: str, values: Doubles, rows: np.ndarray, *, since: str) -> tuple[str, ...]:
    """Set the values (N,) of the images whose row, bool (N,), is true to NaN; return a warning of them, if any.

    since: the reason, with which the warning ends.
    """
    if not rows.any():
        return ()
    values[rows] = np.nan
    which = name_images(_NUMBERS.get(np.arange(len(rows)))[rows])
    return (f"{metric} of image {which} is not defined (NaN): {since}",)
