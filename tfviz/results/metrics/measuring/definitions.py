"""Definitions of a metric as data: the options that `like="..."` names, and checks of those given in their place.

A check takes the name of an option and its value, and raises `TfvizError`, as those of methods do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tfviz.errors import TfvizError
from tfviz.methods.engine import integer
from tfviz.results import pick

Definitions = Mapping[str, Mapping[str, Any]]
"""The options of a metric by the name of who defines it so."""
Checks = Mapping[str, Callable[[str, Any], object]]
"""What an option must be, by its name."""
check_seed = partial(integer, least=0)
"""What NumPy takes as a seed."""


def choose(definitions: Definitions, like: str, checks: Checks | None = None, **given: Any) -> dict[str, Any]:
    """Return the options that `like` names, with those that are given (not None) in their place.

    Raises `TfvizError` for a name that is not there, for an option that the definition does not have, and for a value
    that its check refuses.
    """
    own = pick("definition (like)", like, definitions)
    chosen = {**own, **{name: value for name, value in given.items() if value is not None}}
    for name, value in chosen.items():
        if name not in own:
            raise TfvizError(f"{name} is not an option of the definition of {like}: it has {', '.join(own)}")
        if checks and name in checks:
            checks[name](name, value)
    return {"like": like, **chosen}


def choice_of(kind: str, choices: Mapping[str, Any]) -> Callable[[str, Any], object]:
    """Return a check that accepts the names of some choices; kind: what one of them is called."""
    return lambda name, value: pick(kind, value, choices)


def is_number(value: Any) -> bool:
    """Return whether an option is a finite number."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))
