"""tfviz and what is written by hand, on a model opened by name, which it describes for the other workers."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import arithmetic
import by_hand
import keras
import numpy as np
import portable
import tensorflow as tf
from networks import open_model
from tensors import above  # noqa: F401 - what serve.py asks a module for

import tfviz
from tfviz import demo

COUNT = 32  # images that are kept


def load(folder: Path) -> SimpleNamespace:
    """Open the model that `given.json` names, and write its description, its weights and images for it."""
    warnings.simplefilter("ignore")
    given = json.loads((folder / "given.json").read_text())
    model = open_model(given["model"])
    traced = tfviz.trace(model)
    random = np.random.default_rng(0).uniform(0, 255, (COUNT, *traced.image_shape))
    images = demo.generate(COUNT, seed=0).images if given["model"] == "demo" else random.astype(np.float32)
    np.save(folder / "images.npy", images)
    layer = traced.default_layer
    facts = {
        "image_shape": list(traced.image_shape),
        "multiply_adds": arithmetic.multiply_adds(traced),
        "channels": traced.layers[layer][-1] if layer else 0,
        "layer": layer,
        "target": int(traced.logits(images[:1])[0].argmax()),
    }
    portable.write(model, folder, facts)
    return SimpleNamespace(model=model, traced=traced, facts={**facts, "rates": arithmetic.RATES})


def versions() -> str:
    return f"TensorFlow {tf.__version__}, Keras {keras.__version__}"


def logits(network: SimpleNamespace, images: np.ndarray) -> np.ndarray:
    return network.traced.logits(images)


def prepare(
    network: SimpleNamespace, method: str, images: np.ndarray, targets: np.ndarray, options: dict[str, Any]
) -> Callable[[], Any]:
    """Return a method of tfviz, or one of `BESIDE`."""
    if method in BESIDE:
        return BESIDE[method](network, images, targets, **options)
    explainer = tfviz.Explainer(network.traced, method, **options)
    return lambda: explainer(images, targets)


def explain(network: SimpleNamespace, images: np.ndarray, targets: np.ndarray, methods: list[str]) -> Callable[[], Any]:
    return lambda: tfviz.explain(network.traced, images, targets, methods=methods).maps[methods[0]]


def visualize(
    network: SimpleNamespace, images: np.ndarray, targets: np.ndarray, preset: str, iterations: int
) -> Callable[[], Any]:
    recipe = {"pixel_range": (0, 255), "preset": preset, "iterations": iterations}
    return lambda: tfviz.class_visualization(network.traced, int(targets[0]), **recipe).images


def many(
    network: SimpleNamespace, images: np.ndarray, targets: np.ndarray, method: str, count: int, at_once: int, calls: str
) -> Callable[[], Any]:
    """Return the explanation of `count` images, `at_once` in a batch, in `one` call or in a `stream` of calls."""
    explainer = tfviz.Explainer(network.traced, method)
    several = images[np.arange(count) % len(images)] if calls == "one" else images

    def stream() -> None:
        for first in range(0, count, at_once):
            chosen = images[np.arange(first, first + at_once) % len(images)]
            explainer(chosen, int(targets[0]), batch_size=at_once)

    def run() -> np.ndarray:
        if calls == "one":
            explainer(several, int(targets[0]), batch_size=at_once)
        else:
            stream()
        return images[:1]

    return run


BESIDE: dict[str, Callable[..., Callable[[], Any]]] = {
    "forward": lambda network, images, targets: by_hand.forward(network.model, images),
    "tape": lambda network, images, targets, method: by_hand.tape(network.model, images, targets, method),
    "steps": lambda network, images, targets, iterations: by_hand.steps(network.model, images, targets, iterations),
    "rate": lambda network, images, targets, work: arithmetic.rate(work),
    "traced otherwise": lambda network, images, targets, **options: prepare(
        SimpleNamespace(traced=tfviz.trace(network.model, **options)), "saliency", images, targets, {}
    ),
    "explain": explain,
    "class_visualization": visualize,
    "many": many,
}
