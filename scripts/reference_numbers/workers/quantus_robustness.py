"""Robustness by Quantus: of the gradient on the convolutional network, summed over channels or not.

The draws are those of `numpy.random.RandomState(16)`, one call for each of 200 samples, of the shape (N, C * H * W).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import quantus
from quantus_calls import EXPLAINED, SEED, explained, random
from torch_networks import Convolutional, first, gradient

METRICS = {
    "max_sensitivity": quantus.MaxSensitivity,
    "average_sensitivity": quantus.AvgSensitivity,
    "local_lipschitz": quantus.LocalLipschitzEstimate,
}
NOISES = {"uniform_noise": ("uniform", -0.2, 0.2), "normal_noise": ("normal", 0.0, 0.1)}


def measured(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the numbers by name."""
    network = Convolutional(arrays)
    found: dict[str, Any] = {"seed": SEED}
    found["gradient"] = last(gradient(network, first(arrays["images"]), arrays["targets"]))
    for name, metric in METRICS.items():
        for form, explain in EXPLAINED.items():
            found[name + form] = explained(metric(disable_warnings=True), arrays, explain)
    for name, (kind, low, high) in NOISES.items():
        drawn = getattr(random(), kind)(low, high, first(arrays["images"]).shape)
        found[f"{name}_of_first_sample"] = last(drawn)[:1]
    # The greatest is one sample's, the mean is all samples'; those of each tell which of them is off.
    found["sensitivity_by_sample"] = by_sample(quantus.MaxSensitivity, arrays)
    found["local_lipschitz_by_sample"] = by_sample(quantus.LocalLipschitzEstimate, arrays)
    return found


def last(images: np.ndarray) -> np.ndarray:
    """Return what is (N, C, H, W) as (N, H, W, C), and float32, for the file's size."""
    return np.moveaxis(images, 1, -1).astype(np.float32)


def by_sample(kind: Any, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return the values (N, samples) of which a metric takes the greatest, gradients summed over channels."""
    metric = kind(disable_warnings=True)
    metric.max_func = lambda values, axis: values
    return np.array(explained(metric, arrays, EXPLAINED[""]), np.float32)
