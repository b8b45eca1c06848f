"""JSON as people write it by hand: a key that is said twice is a mistake, not the last one's."""

from __future__ import annotations

import json
from typing import Any


def read_json(text: str) -> Any:
    """Return what JSON says; raise `ValueError` where it is none, or an object says a key twice."""
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"it says {key!r} twice")
        found[key] = value
    return found
