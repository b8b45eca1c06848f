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
KEPT = ("removed", "probabilities", "accuracy", "probability")


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
    """Return what is found of one order, and imputed images of the first."""
    images = torch.from_numpy(first(arrays["images"]))
    by_share = [at_share(share, first_ones, images, arrays) for share in SHARES]
    found = {f"{name}_{key}": np.stack([each[key] for each in by_share]) for key in KEPT}
    found[f"{name}_removed"] = np.packbits(found[f"{name}_removed"].reshape(len(SHARES), len(images), -1), -1)
    imputed = torch.stack([by_share[i]["imputed"][0] for i in SHOWN])
    noisy = torch.stack([with_noise(images[0], by_share[i]["removed"][0]) for i in SHOWN])
    return {
        **found,
        f"{name}_imputed": np.moveaxis(imputed.numpy(), 1, -1),
        f"{name}_noise": np.moveaxis((noisy - imputed).numpy(), 1, -1),
        f"{name}_noisy_probabilities": softmax(Linear(arrays), noisy)[:, arrays["targets"][0]],
    }


def at_share(share: float, first_ones: bool, images: torch.Tensor, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return removed pixels, imputed images without noise, their probabilities, and accuracy and mean probability."""
    from road.imputations import NoisyLinearImputer
    from road.imputed_dataset import ImputedDataset
    from road.retraining import road_eval

    network, targets = Linear(arrays).eval(), arrays["targets"].tolist()
    removed: list[np.ndarray] = []
    imputer = watched(NoisyLinearImputer(noise=0), removed)
    pairs = list(zip(images, targets, strict=True))
    data = ImputedDataset(pairs, arrays["maps"][..., None], share, first_ones, imputer, prediction=targets)
    imputed = torch.stack([data[i][0] for i in range(len(pairs))])
    accuracy, probability = road_eval(network, torch.utils.data.DataLoader(data, batch_size=len(pairs)))
    return {
        "removed": np.stack(removed[: len(pairs)]),
        "imputed": imputed,
        "probabilities": softmax(network, imputed)[np.arange(len(pairs)), targets],
        "accuracy": accuracy,
        "probability": probability,
    }


def with_noise(image: torch.Tensor, removed: np.ndarray) -> torch.Tensor:
    from road.imputations import NoisyLinearImputer

    torch.manual_seed(SEED)
    return NoisyLinearImputer(NOISE)(image, torch.from_numpy(1 - removed.astype(np.uint8)))


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
