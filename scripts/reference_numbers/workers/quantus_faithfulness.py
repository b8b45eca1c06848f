"""Faithfulness by Quantus, on the linear network: of colour images, and of their first channel alone, `grey_...`.

A map of colour images is repeated over the channels, so that a pixel is three features of equal value, in an order that
NumPy leaves open. So steps are of 48 features, 16 pixels, there; that they must divide the pixels is not asked. Grey
images have Quantus's own step of one feature.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import quantus
import torch
from inputs import CLASSES, SIDE
from quantus.helpers import asserts
from quantus_calls import scores
from torch_networks import Convolutional, Linear

STEP = 3 * SIDE
RUNS = 100
QUIET = {"disable_warnings": True}


class Grey(Linear):
    """The linear network of the images' first channel."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        torch.nn.Module.__init__(self)
        weights, bias = arrays["grey_weights"], arrays["grey_bias"]
        self.dense = torch.nn.Linear(*weights.shape)
        with torch.no_grad():
            self.dense.weight.copy_(torch.from_numpy(weights.T.copy()))
            self.dense.bias.copy_(torch.from_numpy(bias))


def grey(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays with images of one channel; four rows of the network's weights are 0."""
    images = arrays["images"][..., :1]
    weights = 2 * arrays["weights"].reshape(SIDE, SIDE, -1, CLASSES)[:, :, 0]
    weights[6:10] = 0
    weights = weights.reshape(-1, CLASSES)
    logits = images.reshape(len(images), -1) @ weights
    bias = -logits.mean(0)
    own = {"grey_weights": weights, "grey_bias": bias}
    return {**arrays, **own, "images": images, "targets": (logits + bias).argmax(1)}


def measured(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the numbers by name."""
    asserts.assert_features_in_step = lambda *_, **__: None
    one_channel = grey(arrays)
    kept = {"grey_weights": one_channel["grey_weights"], "grey_bias": one_channel["grey_bias"]}
    return {
        **kept,
        "grey_targets": one_channel["targets"],
        "features_in_step": STEP,
        **curves("", STEP, Linear(arrays), arrays),
        **curves("grey_", 1, Grey(one_channel), one_channel),
        **road(one_channel),
        **infidelity(arrays),
    }


def curves(name: str, step: int, network: torch.nn.Module, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return pixel flipping and sensitivity n, which remove the same pixels in the same order."""
    options = {"features_in_step": step, **QUIET}
    area = quantus.PixelFlipping(return_auc_per_sample=True, **options)
    each = quantus.SensitivityN(return_aggregate=False, **options)
    return {
        f"{name}pixel_flipping_curves": scores(quantus.PixelFlipping(**options), network, arrays),
        f"{name}pixel_flipping": scores(area, network, arrays),
        f"{name}sensitivity_n": scores(quantus.SensitivityN(**options), network, arrays)[0],
        f"{name}sensitivity_n_by_step": scores(each, network, arrays),
    }


def road(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return ROAD on grey images: with noise from the seed, and without, then by image too."""
    noisy = scores(quantus.ROAD(**QUIET), Grey(arrays), arrays)
    hits = []
    for i in range(len(arrays["images"])):
        one = {name: arrays[name][i : i + 1] for name in ("images", "maps", "targets")}
        hits.append(list(scores(quantus.ROAD(noise=0, **QUIET), Grey(arrays), {**arrays, **one}).values()))
    return {"grey_road_percentages": list(noisy), "grey_road": list(noisy.values()), "grey_road_without_noise": hits}


def infidelity(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return infidelity of both networks, and the correlation of faithfulness by image."""
    correlation = quantus.FaithfulnessCorrelation(return_aggregate=False, nr_runs=RUNS, **QUIET)
    networks = {"": Linear(arrays), "_convolutional": Convolutional(arrays)}
    return {
        **{f"infidelity{name}": scores(quantus.Infidelity(**QUIET), networks[name], arrays) for name in networks},
        "faithfulness_correlation": scores(correlation, networks[""], arrays),
    }
