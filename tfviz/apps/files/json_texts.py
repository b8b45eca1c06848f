"""Reads JSON that people write by hand, such as class names or metadata.

Python keeps the last of two equal keys in silence; in a file written by hand the second is a mistake, and the class
that it hides would be missed.
"""

from __future__ import annotations

import json
from typing import Any


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
