"""The described network built of PyTorch's modules, with the same weights."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn


def load(folder: Path) -> SimpleNamespace:
    """Return the module up to the `logits`, that to the `probabilities`, and the module of the layer to look at."""
    torch.set_num_threads(os.cpu_count() or 1)
    described = json.loads((folder / "network.json").read_text())
    logits = Network(described["layers"], np.load(folder / "weights.npz")).eval()
    layer = logits.steps[logits.places[described["layer"]]] if described["layer"] else None
    return SimpleNamespace(logits=logits, probabilities=nn.Sequential(logits, nn.Softmax(1)).eval(), layer=layer)


def logits(network: SimpleNamespace, images: np.ndarray) -> np.ndarray:
    """Return the logits of images, channels last."""
    with torch.no_grad():
        return network.logits(channels_first(images)).numpy()


def channels_first(images: np.ndarray) -> torch.Tensor:
    """Return images (N, H, W, C) as a tensor (N, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def channels_last(found: torch.Tensor) -> np.ndarray:
    """Return attributions (N, C, H, W) as an array (N, H, W, C)."""
    return found.detach().numpy().transpose(0, 2, 3, 1)


class Network(nn.Module):
    """Modules run in order, each on what those of its inputs gave."""

    def __init__(self, layers: list[dict[str, Any]], weights: Any) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        self.places: dict[str, int] = {}  # of the module that gives a layer's output
        self.given: list[list[int]] = []
        for layer in layers[1:]:
            places = [self.places.get(name, -1) for name in layer["inputs"]]
            names = (f"{layer['name']}/{index}" for index in itertools.count())
            found = [weights[name] for name in itertools.takewhile(weights.files.__contains__, names)]
            for module in modules(layer, found):
                self.steps.append(module)
                self.given.append(places)
                places = [len(self.steps) - 1]
            self.places[layer["name"]] = places[0]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, K) of images (N, C, H, W)."""
        outputs = [images]
        for step, given in zip(self.steps, self.given, strict=True):
            outputs.append(step(*[outputs[place + 1] for place in given]))
        return outputs[-1]


class Concatenate(nn.Module):
    """Channels side by side."""

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """Return the tensors in one."""
        return torch.cat(tensors, 1)


class Add(nn.Module):
    """A sum."""

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        return first + second


class Flatten(nn.Module):
    """Flattening in the order of Keras, channels last."""

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return (N, h·w·c)."""
        return tensor.permute(0, 2, 3, 1).flatten(1)


class Mean(nn.Module):
    """Global average pooling."""

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return (N, c)."""
        return tensor.mean((2, 3))


class Rescale(nn.Module):
    """A factor and an offset."""

    def __init__(self, layer: dict[str, Any]) -> None:
        super().__init__()
        self.scale, self.offset = layer["scale"], layer["offset"]

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor scaled."""
        return tensor * self.scale + self.offset


def modules(layer: dict[str, Any], weights: list[np.ndarray]) -> list[nn.Module]:
    """Return what one layer is made of, in order; raise `ValueError` where there is no such."""
    kind = layer["kind"]
    plain = {"Concatenate": Concatenate, "Add": Add, "Flatten": Flatten, "GlobalAveragePooling2D": Mean}
    if kind in plain:
        return [plain[kind]()]
    made = {
        "Conv2D": convolution,
        "DepthwiseConv2D": convolution,
        "Dense": dense,
        "BatchNormalization": normalization,
        "MaxPooling2D": pooling,
        "ZeroPadding2D": padding,
        "Rescaling": lambda layer, _: [Rescale(layer)],
        "ReLU": lambda layer, _: [nn.ReLU6() if layer["max_value"] == 6 else nn.ReLU()],
        "Dropout": lambda layer, _: [nn.Identity()],
        "Activation": lambda layer, _: [],
    }
    if kind not in made or (kind == "ReLU" and layer["max_value"] not in (None, 6.0)):
        raise ValueError(f"the layer {layer['name']!r}, a {kind}, was not translated to PyTorch")
    activations = {"linear": [], "relu": [nn.ReLU()]}
    return [*made[kind](layer, weights), *activations[layer["activation"]]] or [nn.Identity()]


def convolution(layer: dict[str, Any], weights: list[np.ndarray]) -> list[nn.Module]:
    """Return a convolution, behind a module that pads where its own padding cannot."""
    kernel = weights[0].transpose(3, 2, 0, 1)
    groups = layer.get("groups", 1)
    inputs = kernel.shape[1] * groups
    if layer["kind"] == "DepthwiseConv2D":
        kernel = weights[0].transpose(2, 3, 0, 1)
        groups = inputs = kernel.shape[0]
        kernel = kernel.reshape(-1, 1, *kernel.shape[2:])
    sides = around(layer, kernel.shape[2:])
    even = all(before == after for before, after in sides)
    (top, bottom), (left, right) = sides
    own = (top, left) if even else (0, 0)
    made = nn.Conv2d(
        inputs, kernel.shape[0], kernel.shape[2:], layer["strides"], own, groups=groups, bias=layer["use_bias"]
    )
    filled(made, weight=kernel, **({"bias": weights[1]} if layer["use_bias"] else {}))
    return [made] if even else [nn.ZeroPad2d((left, right, top, bottom)), made]


def around(layer: dict[str, Any], kernel: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return how many zeros stand before and after the map on both axes: Keras puts the odd one after it."""
    if layer["padding"] != "same":
        return [(0, 0), (0, 0)]
    needed = [
        max(0, (-(-size // stride) - 1) * stride + side - size)
        for size, stride, side in zip(layer["size"], layer["strides"], kernel, strict=True)
    ]
    return [(each // 2, each - each // 2) for each in needed]


def dense(layer: dict[str, Any], weights: list[np.ndarray]) -> list[nn.Module]:
    """Return a dense layer."""
    made = nn.Linear(*weights[0].shape, bias=layer["use_bias"])
    return [filled(made, weight=weights[0].T, **({"bias": weights[1]} if layer["use_bias"] else {}))]


def normalization(layer: dict[str, Any], weights: list[np.ndarray]) -> list[nn.Module]:
    """Return a batch normalisation that has both a scale and an offset."""
    names = ("weight", "bias", "running_mean", "running_var")
    made = nn.BatchNorm2d(len(weights[0]), eps=layer["epsilon"])
    return [filled(made, **dict(zip(names, weights, strict=True)))]


def pooling(layer: dict[str, Any], _: list[np.ndarray]) -> list[nn.Module]:
    """Return a max pooling without padding."""
    if layer["padding"] == "same":
        raise ValueError(f"the pooling {layer['name']!r} pads to the same size; not translated to PyTorch")
    return [nn.MaxPool2d(tuple(layer["pool_size"]), tuple(layer["strides"]))]


def padding(layer: dict[str, Any], _: list[np.ndarray]) -> list[nn.Module]:
    """Return a padding with zeros."""
    (top, bottom), (left, right) = layer["padding"]
    return [nn.ZeroPad2d((left, right, top, bottom))]


def filled(module: nn.Module, **values: np.ndarray) -> nn.Module:
    """Return the module with values for its parameters and buffers."""
    state = {name: torch.from_numpy(np.array(value)) for name, value in values.items()}
    module.load_state_dict(state, strict=False)
    return module
