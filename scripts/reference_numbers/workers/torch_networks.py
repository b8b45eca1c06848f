"""The two networks in PyTorch, channels first, computing in float64 so that only a test's own digits are few."""

from __future__ import annotations

import sys
from unittest.mock import MagicMock

import numpy as np
import torch
from inputs import CLASSES, FILTERS, POOLED, SIDE


def first(images: np.ndarray) -> np.ndarray:
    """Return images (N, H, W, C) as (N, C, H, W)."""
    return np.ascontiguousarray(np.moveaxis(images, -1, 1))


class Linear(torch.nn.Module):
    """The linear network: images (N, C, H, W) of any precision to logits float64."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(*arrays["weights"].shape).double()
        by_place = arrays["weights"].reshape(SIDE, SIDE, -1, CLASSES)
        set_values(self.dense, np.moveaxis(by_place, 2, 0).reshape(-1, CLASSES).T, arrays["bias"])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.dense(images.double().flatten(1))


class Convolutional(torch.nn.Module):
    """The convolutional network. Its layers with weights are `convolution` and `dense`."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(arrays["kernel"].shape[2], FILTERS, 3).double()
        self.dense = torch.nn.Linear(*arrays["dense"].shape).double()
        set_values(self.convolution, np.transpose(arrays["kernel"], (3, 2, 0, 1)), arrays["kernel_bias"])
        by_place = arrays["dense"].reshape(POOLED, POOLED, FILTERS, CLASSES)
        set_values(self.dense, np.moveaxis(by_place, 2, 0).reshape(-1, CLASSES).T, arrays["dense_bias"])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = torch.relu(self.convolution(images.double()))
        return self.dense(torch.nn.functional.avg_pool2d(features, 2).flatten(1))

    def weights(self) -> dict[str, np.ndarray]:
        """Return the weights in the layout of `inputs`."""
        dense = self.dense.weight.detach().numpy().T.reshape(FILTERS, POOLED, POOLED, CLASSES)
        return {
            "kernel": np.transpose(self.convolution.weight.detach().numpy(), (2, 3, 1, 0)),
            "kernel_bias": self.convolution.bias.detach().numpy(),
            "dense": np.moveaxis(dense, 0, 2).reshape(-1, CLASSES),
            "dense_bias": self.dense.bias.detach().numpy(),
        }


def set_values(layer: torch.nn.Module, weight: np.ndarray, bias: np.ndarray) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        layer.bias.copy_(torch.from_numpy(bias))


def gradient(model: torch.nn.Module, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the gradient (N, C, H, W) of the targets' logits, float64."""
    images = torch.tensor(np.asarray(inputs), dtype=torch.float64, requires_grad=True)
    scores = model(images)[torch.arange(len(images)), torch.as_tensor(targets)]
    return torch.autograd.grad(scores.sum(), images)[0].numpy()


def leave_out(*modules: str) -> None:
    """Let software import modules that it does not need for its numbers, as torchvision, which wants CUDA."""
    for module in modules:
        sys.modules[module] = MagicMock()
