"""Randomisation by Quantus: of the gradient on the convolutional network.

A layer's new weights are the same in every order, since PyTorch is seeded before each. The draws of the smooth form are
those of `numpy.random.RandomState(16)`: for each explanation, of the whole batch, 49 times the normal noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import quantus
import torch
from quantus.helpers.model.pytorch_model import PyTorchModel
from quantus_calls import EXPLAINED, explained, summed
from torch_networks import Convolutional

ORDERS = ("top_down", "bottom_up", "independent")
QUIET = {"disable_warnings": True}


def measured(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the numbers by name."""
    return {
        **random_weights(arrays),
        **randomisation(arrays),
        **smooth_and_efficient(arrays),
        **random_logit(arrays),
    }


def random_weights(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the network's weights after every layer was randomised, float64."""
    *_, (_, network) = PyTorchModel(Convolutional(arrays)).get_random_layer_generator("top_down", seed=42)
    return {f"random_{name}": weights.copy() for name, weights in network.weights().items()}


def randomisation(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the correlation with the maps of the network as it is, first its own, then layer by layer, (1 + L, N)."""
    found: dict[str, Any] = {}
    for form, explain in EXPLAINED.items():
        for order in ORDERS:
            by_layer = explained(quantus.MPRT(layer_order=order, **QUIET), arrays, explain)
            found[f"mprt_{order}{form}"] = list(by_layer.values())
            found[f"mprt_{order}_layers"] = list(by_layer)
    average = quantus.MPRT(return_average_correlation=True, **QUIET)
    last = quantus.MPRT(return_last_correlation=True, **QUIET)
    found["mprt_top_down_average"] = explained(average, arrays, summed)
    found["mprt_top_down_last"] = explained(last, arrays, summed)
    return found


def smooth_and_efficient(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    quantus.explain = summed  # the smooth form asks this one, not what it is given
    smooth = explained(quantus.SmoothMPRT(**QUIET), arrays, summed)
    efficient = quantus.EfficientMPRT(compute_extra_scores=True, **QUIET)
    return {
        "smooth_mprt": list(smooth.values()),
        "smooth_mprt_layers": list(smooth),
        "efficient_mprt": explained(efficient, arrays, summed),
        "efficient_mprt_of_explanations": list(efficient.explanation_scores_by_layer.values()),
        "efficient_mprt_of_network": list(efficient.model_scores_by_layer.values()),
        "efficient_mprt_layers": list(efficient.explanation_scores_by_layer),
    }


def random_logit(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the similarity with the map of another class, and that class."""
    asked: list[np.ndarray] = []

    def explain(model: torch.nn.Module, inputs: np.ndarray, targets: np.ndarray, **_: Any) -> np.ndarray:
        asked.append(np.asarray(targets))
        return summed(model, inputs, targets)

    found = explained(quantus.RandomLogit(num_classes=arrays["bias"].size, **QUIET), arrays, explain)
    return {"random_logit": found, "random_logit_classes": asked[-1]}
