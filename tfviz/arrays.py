"""What is refused of any array that a user gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfviz.errors import InvalidImagesError


def refuse_masked(name: str, values: Any) -> None:
    """Raise `InvalidImagesError` for masked arrays: what they hide would be taken as if it were seen."""
    several = values if isinstance(values, list | tuple) else [values]
    if any(map(np.ma.isMaskedArray, several)):
        raise InvalidImagesError(f"{name} are a masked array, whose mask would be lost: fill it first (.filled(value))")
