"""Axioms by Quantus.

Completeness asks for exact equality. So it is measured on numbers that floats hold exactly, too: images and weights of
the linear network rounded to multiples of 1/256, without scaling by the greatest. Non-sensitivity is measured on grey
images, of the maps with 0 outside of their masks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import quantus
from quantus_calls import explained, of_channels, scores
from quantus_faithfulness import Grey, grey
from torch_networks import Linear, first

QUIET = {"disable_warnings": True}


def measured(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the numbers by name."""
    one_channel = grey(arrays)
    one_channel["maps"] = arrays["maps"] * arrays["masks"]
    return {
        **completeness(arrays),
        "grey_non_sensitivity": scores(quantus.NonSensitivity(**QUIET), Grey(one_channel), one_channel),
        **invariance(arrays),
    }


def completeness(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return whether maps add up to a difference of logits, that difference, and whether exact ones do."""
    differences: list[np.ndarray] = []

    def kept(difference: np.ndarray) -> np.ndarray:
        differences.append(difference)
        return difference

    exact = dict(arrays)
    for name in ("images", "weights", "bias"):
        exact[name] = np.round(arrays[name] * 256) / 256
    black = exact["images"].min((1, 2, 3), keepdims=True)
    weights = exact["weights"].T[arrays["targets"]].reshape(exact["images"].shape)
    evidence = first((exact["images"] - black) * weights).astype(np.float64)
    metric = quantus.Completeness(normalise=False, **QUIET)
    return {
        "completeness": scores(quantus.Completeness(output_func=kept, **QUIET), Linear(arrays), arrays),
        "completeness_difference": differences[0],
        "exact_completeness": scores(metric, Linear(exact), exact, a_batch=evidence),
        "inexact_completeness": scores(metric, Linear(exact), exact, a_batch=evidence * (1 + 1e-6)),
    }


def invariance(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return whether explanations stay when images are shifted by -1 and the network takes that back."""

    def times_input(model: Any, inputs: np.ndarray, targets: np.ndarray, **_: Any) -> np.ndarray:
        return of_channels(model, inputs, targets) * np.asarray(inputs)

    ways = {"gradient": of_channels, "input_x_gradient": times_input}
    return {
        f"input_invariance_of_{name}": explained(quantus.InputInvariance(**QUIET), arrays, way)
        for name, way in ways.items()
    }
