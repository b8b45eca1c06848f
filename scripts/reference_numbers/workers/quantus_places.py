"""Localisation and complexity by Quantus, of maps as they are, and of their positive part, `relu_...`."""

from __future__ import annotations

from typing import Any

import numpy as np
import quantus
from quantus_calls import scores
from torch_networks import Linear

MOST = 50  # pixels; its default of 1000 is more than there are
LOWEST = 0.25  # of the greatest value; at its default of 0.00001 all pixels count
PLACES = {
    "pointing_game": quantus.PointingGame,
    "attribution_localisation": quantus.AttributionLocalisation,
    "relevance_mass": quantus.RelevanceMassAccuracy,
    "relevance_rank": quantus.RelevanceRankAccuracy,
    "localisation_auc": quantus.AUC,
}
SPREAD = {
    "sparseness": quantus.Sparseness,
    "complexity": quantus.Complexity,
    "effective_complexity": quantus.EffectiveComplexity,
}


def measured(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the numbers by name."""
    positive = {**arrays, "maps": np.maximum(arrays["maps"], 0)}
    found = {**of_maps(arrays), **{f"relu_{name}": value for name, value in of_maps(positive).items()}}
    intersection = quantus.TopKIntersection(k=MOST, disable_warnings=True)
    found["top_k_intersection"] = scores(intersection, Linear(arrays), arrays, s_batch=arrays["masks"][:, None])
    higher = quantus.EffectiveComplexity(eps=LOWEST, disable_warnings=True)
    found["effective_complexity_above"] = scores(higher, Linear(arrays), arrays)
    return {**found, "top_k": MOST, "effective_complexity_least": LOWEST}


def of_maps(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    network, masks = Linear(arrays), arrays["masks"][:, None]
    found = {
        name: scores(metric(disable_warnings=True), network, arrays, s_batch=masks) for name, metric in PLACES.items()
    }
    return found | {name: scores(metric(disable_warnings=True), network, arrays) for name, metric in SPREAD.items()}
