"""Tells of maps that show nothing of their image, since a ReLU on the only way from it is saturated at every place.

All that is behind such a ReLU is the same for any image that leaves it so: biases, and where padding meets them. A CAM
shows these at full contrast, as if they were evidence, while the gradient at the image is zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfviz.arrays import name_images

UNSEEN = "unseen"
"""The diagnostic that is 1 for such a map, and is there if there is one."""


def add_unseen(results: Mapping[str, Any], asleep: np.ndarray, seen: Mapping[str, int]) -> None:
    """Add to the diagnostics of results which maps show nothing of their image, 1 or 0 in (N,); only if one does.

    asleep: int32 (N,), see `Passes`. seen: of each method `Run.sees_up_to`. Maps that are zero say so themselves.
    """
    for name, last in seen.items():
        shown = asleep < last
        shown[[*results["zero_maps"].get(name, {})]] = False
        if shown.any():
            results["diagnostics"].setdefault(name, {})[UNSEEN] = shown.astype(np.float32)


def judge_unseen(method: str, diagnostics: Mapping[str, np.ndarray]) -> list[str]:
    """Return a warning about the maps of a method that show nothing of their image, if there are some."""
    rows = np.flatnonzero(diagnostics.get(UNSEEN, ()))
    about = (
        f"{method} of image {name_images(rows)} shows weights, biases and padding, and nothing of the image: a ReLU "
        "that all evidence flows through is saturated at every place; saliency is zero, and names it"
    )
    return [about] if rows.size else []
