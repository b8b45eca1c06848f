"""How a metric of Quantus is called here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch_networks import Convolutional, first, gradient

SEED = 16
Explain = Callable[..., np.ndarray]


def scores(metric: Any, network: torch.nn.Module, arrays: dict[str, np.ndarray], **given: Any) -> Any:
    """Return what a metric says of the arrays' maps, or what is given in place of it, after seeding NumPy."""
    np.random.seed(SEED)  # noqa: NPY002 - what its code draws from
    default = {
        "x_batch": first(arrays["images"]).astype(np.float64),
        "y_batch": arrays["targets"],
        "a_batch": arrays["maps"].copy(),
    }
    return metric(model=network.eval(), channel_first=True, **default | given)


def random() -> np.random.RandomState:
    """Return NumPy's old generator as it stands when a metric starts to draw."""
    return np.random.RandomState(SEED)


def summed(model: torch.nn.Module, inputs: np.ndarray, targets: np.ndarray, **_: Any) -> np.ndarray:
    """Return the gradient summed over the channels, (N, 1, H, W)."""
    return gradient(model, inputs, targets).sum(1, keepdims=True)


def of_channels(model: torch.nn.Module, inputs: np.ndarray, targets: np.ndarray, **_: Any) -> np.ndarray:
    """Return the gradient (N, C, H, W)."""
    return gradient(model, inputs, targets)


EXPLAINED = {"": summed, "_of_channels": of_channels}


def explained(metric: Any, arrays: dict[str, np.ndarray], explain: Explain, **given: Any) -> Any:
    """Return what a metric says of a method on the convolutional network."""
    return scores(metric, Convolutional(arrays), arrays, a_batch=None, explain_func=explain, **given)
