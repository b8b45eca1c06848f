"""The removal and debiased imputation of ROAD's authors.

    python with_road.py FILE CHECKOUT COMMIT

By their data set, imputer and evaluation, at 10 to 90 %, most and least relevant first, without noise for all images,
and with noise of 0.01 for the first. The probability is that of the targets, which are given as predictions.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from inputs import inputs, write
from torch_networks import Linear, first, leave_out

SHARES = np.arange(1, 10) / 10
SHOWN = [0, 4, 8]  # of SHARES: the imputed images that are kept
NOISE, SEED = 0.01, 16
ORDERS = {"morf": True, "lerf": False}


def main() -> None:
    file, checkout, commit = sys.argv[1:]
    sys.path.insert(0, checkout)
    leave_out("torchvision", "torchvision.transforms")
    arrays = inputs()
    np.random.seed(SEED)  # noqa: NPY002 - what their code draws from
    found: dict[str, Any] = {"shares": SHARES, "shown": SHARES[SHOWN], "noise": NOISE}
    for name, most_relevant_first in ORDERS.items():
        found |= measured(name, most_relevant_first, arrays)
    write(Path(file), ("numpy", "scipy", "torch"), found, commit)


def measured(name: str, first_ones: bool, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return removed pixels, probabilities and accuracies of one order, and imputed images of the first."""
    from road.imputations import NoisyLinearImputer
    from road.imputed_dataset import ImputedDataset
    from road.retraining import road_eval

    network = Linear(arrays).eval()
    images, targets = torch.from_numpy(first(arrays["images"])), arrays["targets"].tolist()
    pairs = list(zip(images, targets, strict=True))
    kept: dict[str, list[Any]] = {key: [] for key in ("probabilities", "accuracy", "probability", "removed", "noisy")}
    imputed = []
    for share in SHARES:
        removed: list[np.ndarray] = []
        imputer = watched(NoisyLinearImputer(noise=0), removed)
        maps = arrays["maps"][..., None]
        data = ImputedDataset(pairs, maps, share, first_ones, imputer, prediction=targets)
        accuracy, probability = road_eval(network, torch.utils.data.DataLoader(data, batch_size=len(pairs)))
        kept["accuracy"].append(accuracy)
        kept["probability"].append(probability)
        kept["removed"].append(np.stack(removed))
        imputed.append(torch.stack([data[i][0] for i in range(len(pairs))]))
        kept["probabilities"].append(softmax(network, imputed[-1])[np.arange(len(pairs)), targets])
        torch.manual_seed(SEED)
        kept["noisy"].append(NoisyLinearImputer(NOISE)(images[0], torch.from_numpy(1 - removed[0].astype(np.uint8))))
    shown = np.stack([np.moveaxis(imputed[i][0].numpy(), 0, -1) for i in SHOWN])
    noisy = torch.stack([kept["noisy"][i] for i in SHOWN])
    removed = np.packbits(np.array(kept["removed"]).reshape(len(SHARES), len(pairs), -1), -1)
    return {
        **{f"{name}_{key}": np.array(kept[key]) for key in ("probabilities", "probability", "accuracy")},
        f"{name}_removed": removed,
        f"{name}_imputed": shown,
        f"{name}_noise": np.moveaxis(noisy.numpy(), 1, -1) - shown,
        f"{name}_noisy_probabilities": softmax(network, noisy)[:, targets[0]],
    }


def watched(imputer: Any, removed: list[np.ndarray]) -> Any:
    """Return the imputer as a function that keeps which pixels it was told to impute."""

    def impute(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        removed.append(mask.numpy() == 0)
        return imputer(image, mask)

    return impute


def softmax(network: torch.nn.Module, images: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return torch.softmax(network(images), 1).numpy()


if __name__ == "__main__":
    main()
