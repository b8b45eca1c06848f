"""What the scores of all images say of the network: raw probabilities, or the same for every image.

A network that is dead before the layer that is looked at gives that layer's biases and padding as a map, which looks
like any other. It gives the same scores for every image, too, and that can be seen at no cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfviz.network.traced import TracedNetwork

RAW_PROBABILITIES = (
    "the model's output looks like probabilities, but no softmax or sigmoid was found at its end: the raw output is "
    "explained, whose gradient fades where the model is sure; trace(model, score=...) explains another number"
)
SAME_SCORES = (
    "the network gives the same scores for all of these images, which differ: what maps of layers show is not what "
    "decides"
)


def complete_scores(network: TracedNetwork, arrays: dict[str, Any]) -> tuple[str, ...]:
    """Add the probabilities of a network that ends in them to the `arrays` of all images; return what must be said.

    Without a classifier, the logits become NaN. Where a map is zero, its own reason is enough.
    """
    if network.head.lacking:
        arrays["logits"] = np.full_like(arrays["logits"], np.nan)
        return ()
    warnings = []
    if not arrays["zero_maps"] and _is_constant(arrays["logits"]) and not _is_constant(arrays["images"]):
        warnings.append(SAME_SCORES)
    if network.head.kind == "none" and _are_probabilities(arrays["logits"]):
        arrays["probabilities"] = arrays["logits"]
        warnings.append(RAW_PROBABILITIES)
    return tuple(warnings)


def _are_probabilities(outputs: np.ndarray) -> bool:
    """Return whether every row (N, K) is of numbers from 0 to 1 that sum to 1."""
    return bool(outputs.shape[1] > 1 and (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))


def _is_constant(rows: np.ndarray) -> bool:
    """Return whether all rows (N, ...) are the same."""
    return bool((rows == rows[:1]).all())
