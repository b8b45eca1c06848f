"""Whether two libraries computed the same."""

from __future__ import annotations

from typing import Any

import numpy as np

EQUAL = 1e-3
"""The relative distance up to which float32 and another order of sums explain a difference: near-ties in ReLU and
max-pooling flip, which moves single pixels."""
NEAR = 1e-2
SCALED = 0.9999


def compare(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Return in a few words how two results of the same images are related."""
    if ours.shape != theirs.shape:
        return f"another shape, {theirs.shape} beside {ours.shape}"
    size = float(np.linalg.norm(ours))
    distance = float(np.linalg.norm(ours - theirs)) / size if size else float(np.linalg.norm(theirs))
    if distance <= EQUAL:
        return f"equal ({distance:.0e})"
    if distance <= NEAR:
        return f"nearly equal ({distance:.0e})"
    if not np.ptp(ours) or not np.ptp(theirs):
        return "constant"
    correlation = float(np.mean([correlate(*pair) for pair in zip(ours, theirs, strict=True)]))
    return f"{'equal but for scale, ' if correlation >= SCALED else ''}r = {correlation:.4f}"


def correlate(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of the results of one image, 0 where one is constant."""
    apart = [(each - each.mean(dtype=np.float64)).ravel() for each in (first, second)]
    size = float(np.linalg.norm(apart[0]) * np.linalg.norm(apart[1]))
    return float(apart[0] @ apart[1]) / size if size else 0.0


def same_logits(ours: Any, theirs: Any) -> bool:
    """Return whether the logits agree to 1e-4 of the largest: the same weights in the same places."""
    first, second = np.asarray(ours), np.asarray(theirs)
    return first.shape == second.shape and bool(np.abs(first - second).max() <= 1e-4 * np.abs(first).max())
