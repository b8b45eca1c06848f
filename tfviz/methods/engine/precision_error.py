"""Measures how far the results of a network in a reduced precision are from those in float32.

What a precision costs depends on network and method: on SqueezeNet and photographs, maps differ by 1 % (`grad_cam`) to
20 % (`saliency`) in the median. It is not known without the exact result, so `run_methods` runs the first image in
float32, too.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PRECISION_ERROR = "precision_error"
TOLERATED_ERROR = 0.1


def precision_errors(
    found: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """Return, as diagnostics (N,), how far the results of the first image are from the `exact` ones.

    The relative L2 distance: infinite if only the exact result is zero everywhere, 0 if both are, NaN for the other
    images, which were not compared.
    """
    errors = {}
    for name, values in exact.items():
        distance, size = (np.linalg.norm(each.ravel()) for each in (found[name][0] - values[0], values[0]))
        numbers = np.full(len(found[name]), np.nan, np.float32)
        numbers[0] = distance / size if size else np.inf if distance else 0
        errors[name] = {PRECISION_ERROR: numbers}
    return errors


def judge_precision(method: str, diagnostics: Mapping[str, np.ndarray]) -> list[str]:
    """Return a warning if results of a method were compared with those in float32 and are far from them."""
    errors = diagnostics.get(PRECISION_ERROR, np.zeros(1))
    return [
        f"{method} of image {row} differs from that of the network in float32 by {errors[row]:.0%} (relative L2): that "
        "is what its precision costs"
        for row in np.flatnonzero(errors > TOLERATED_ERROR)
    ]
