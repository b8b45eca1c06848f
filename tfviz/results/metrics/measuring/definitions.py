"""Definitions of a metric as data: the options that `like="..."` names, and checks of those given in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfviz.errors import TfvizError
from tfviz.results import pick
from tfviz.results.metrics.measuring.blanks import check_blank

Definitions = Mapping[str, Mapping[str, Any]]
"""The options of a metric by the name of who defines it so."""


def choose(definitions: Definitions, like: str, **given: Any) -> dict[str, Any]:
    """Return the options that `like` names, with those that are given (not None) in their place.

    Raises `TfvizError` for a name that is not there, and for a `steps`, `fill` or `start` that is none.
    """
    chosen = {
        **pick("definition (like)", like, definitions),
        **{name: each for name, each in given.items() if each is not None},
    }
    if chosen.get("steps") is not None:
        check_count("steps", chosen["steps"])
    for name in ("fill", "start"):
        if name in chosen:
            check_blank(name, chosen[name])
    return {"like": like, **chosen}


def check_count(name: str, value: Any) -> None:
    """Raise `TfvizError` unless an option is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise TfvizError(f"{name} is {value!r}, expected an integer of at least 1")


def check_seed(seed: Any) -> None:
    """Raise `TfvizError` unless an option is an integer that NumPy takes as a seed."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise TfvizError(f"seed is {seed!r}, expected an integer of at least 0")


def check_share(name: str, value: Any) -> None:
    """Raise `TfvizError` unless an option is a number above 0, to 1."""
    if not is_number(value) or not 0 < value <= 1:
        raise TfvizError(f"{name} is {value!r}, expected a number above 0 to 1")


def is_number(value: Any) -> bool:
    """Return whether an option is a finite number."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))
