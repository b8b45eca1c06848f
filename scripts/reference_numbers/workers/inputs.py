"""What every worker measures on: images, maps, masks, and the weights of two small networks, seeded; and its file.

Linear network: logits = images.reshape(N, -1) @ weights + bias.
Convolutional network: 3×3 convolution without padding, 4 filters (`kernel`, `kernel_bias`), ReLU, 2×2 average pooling,
flattened in the order (H, W, C), `dense` and `dense_bias`. Not global pooling: its gradient has the same value at many
pixels, and ranks of equal values say nothing.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, SIDE, CHANNELS, CLASSES, FILTERS = 4, 16, 3, 4, 4
POOLED = (SIDE - 2) // 2
DARKEST, BRIGHTEST = np.array([0.05, 0.1, 0.0, 0.02]), np.array([0.95, 0.9, 1.0, 0.98])  # of each image
SCALES = np.array([1.0, 0.5, 2.0, 0.8])  # maps of several sizes: software that scales a batch by one number shows it
BENDS, SHIFTS = np.array([0.2, 0.5, 1.0, 1.5]), np.array([0.3, 0.5, 0.2, 0.4])
GRAIN = 4096  # values are whole numbers of its parts, which makes files half as large


def inputs() -> dict[str, np.ndarray]:
    """Return the arrays by name: images and weights float32, maps float64, masks bool, targets int64."""
    random = np.random.default_rng(16)
    images = pictures(random)
    weights = grained(random.normal(0, 0.1, (images[0].size, CLASSES)))
    logits = images.reshape(IMAGES, -1) @ weights
    bias = grained(-logits.mean(0))
    return {
        "images": images,
        "maps": spread(smooth(random, (IMAGES, SIDE, SIDE, 1))[..., 0]),
        "masks": rectangles(random),
        "targets": (logits + bias).argmax(1),
        "weights": weights,
        "bias": bias,
        **convolution(random),
    }


def pictures(random: np.random.Generator) -> np.ndarray:
    """Return images (N, H, W, C) in 0..1, each with its own darkest and brightest value, so that no black is 0."""
    images = smooth(random, (IMAGES, SIDE, SIDE, CHANNELS))
    images -= images.min((1, 2, 3), keepdims=True)
    images /= images.max((1, 2, 3), keepdims=True)
    low, high = (each[:, None, None, None] for each in (DARKEST, BRIGHTEST))
    return grained(low + images * (high - low))


def grained(values: np.ndarray) -> np.ndarray:
    return (np.round(values * GRAIN) / GRAIN).astype(np.float32)


def smooth(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return noise averaged over 5×5 neighbours."""
    noise = random.normal(size=shape)
    for axis in (1, 2):
        noise = sum(np.roll(noise, shift, axis) for shift in range(-2, 3))
    return noise


def spread(maps: np.ndarray) -> np.ndarray:
    """Return maps of the same order whose values are far from each other and of both signs."""
    ranks = maps.reshape(len(maps), -1).argsort(1).argsort(1).reshape(maps.shape)
    steps = 2 * ranks / (SIDE * SIDE - 1) - 1
    bend, shift, scale = (each[:, None, None] for each in (BENDS, SHIFTS, SCALES))
    return np.round((steps + bend * steps**3 + shift) * scale * GRAIN) / GRAIN


def rectangles(random: np.random.Generator) -> np.ndarray:
    masks = np.zeros((IMAGES, SIDE, SIDE), bool)
    for mask in masks:
        top, left = random.integers(1, 8, 2)
        height, width = random.integers(4, 8, 2)
        mask[top : top + height, left : left + width] = True
    return masks


def convolution(random: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "kernel": grained(random.normal(0, 0.5, (3, 3, CHANNELS, FILTERS))),
        "kernel_bias": grained(random.normal(0, 0.3, FILTERS)),
        "dense": grained(random.normal(0, 0.15, (POOLED * POOLED * FILTERS, CLASSES))),
        "dense_bias": grained(random.normal(0, 0.1, CLASSES)),
    }


def write(path: Path, packages: tuple[str, ...], arrays: dict[str, Any], commit: str = "") -> None:
    """Write the arrays with the versions of Python and of packages, as `version_NAME`, and the commit of a checkout."""
    versions = {name: version(name).split("+")[0] for name in packages}
    versions["python"] = ".".join(platform.python_version_tuple()[:2])
    if commit:
        versions["commit"] = commit
    named = {f"version_{name}": np.array(number) for name, number in versions.items()}
    kept = {name: np.asarray(array) for name, array in arrays.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **inputs(), **kept, **named)
