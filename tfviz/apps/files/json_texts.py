"""Reads JSON that people write by hand, such as class names or metadata, and writes JSON that every program reads.

Python keeps the last of two equal keys in silence; in a file written by hand the second is a mistake, and the class
that it hides would be missed. Numbers that are not finite become null where JSON is written, since it has none, and all
texts are made printable, because they quote names from files and models of strangers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfviz.printable import printable


def read_json(text: str) -> Any:
    """Return the content of a JSON text; raise `ValueError` if it is not JSON or an object has a key twice."""
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs of one object as a dictionary; raise `ValueError` if a key comes twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"it has the key {key!r} twice")
        found[key] = value
    return found


def strict_json(content: Mapping[str, Any]) -> str:
    """Return content as the text of a JSON file; options in it may be NumPy numbers, tuples or other objects."""
    return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it, with printable texts."""
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {printable(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float | bool | None) else printable(value)
