"""The described network built of the Keras that TensorFlow has in this environment."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow as tf
from tensors import above  # noqa: F401 - which the modules of the peers pass on

NOT_SETTINGS = ("name", "kind", "inputs", "size", "activation")


def load(folder: Path) -> SimpleNamespace:
    """Return the models up to the `logits` and to the `probabilities`, and the name of the layer to look at."""
    described = json.loads((folder / "network.json").read_text())
    tensors: dict[str, Any] = {}
    for layer in described["layers"]:
        given = [tensors[name] for name in layer["inputs"]]
        tensors[layer["name"]] = build(layer, given, described["image_shape"])
    image, scores = tensors[described["layers"][0]["name"]], tensors[described["layers"][-1]["name"]]
    logits = tf.keras.Model(image, scores)
    weights = np.load(folder / "weights.npz")
    for layer in logits.layers:
        layer.set_weights([weights[f"{layer.name}/{index}"] for index in range(len(layer.weights))])
    probabilities = tf.keras.Model(image, tf.keras.layers.Activation("softmax", name="softmax")(scores))
    return SimpleNamespace(logits=logits, probabilities=probabilities, layer=described["layer"])


def build(layer: dict[str, Any], inputs: list[Any], image_shape: list[int]) -> Any:
    """Return the output of one layer."""
    if layer["kind"] == "InputLayer":
        return tf.keras.Input(image_shape, name=layer["name"])
    settings = {name: value for name, value in layer.items() if name not in NOT_SETTINGS}
    if layer["kind"] in ("Conv2D", "DepthwiseConv2D", "Dense", "Activation"):
        settings["activation"] = layer["activation"]
    made = getattr(tf.keras.layers, layer["kind"])(name=layer["name"], **settings)
    return made(inputs[0] if len(inputs) == 1 else inputs)


def logits(network: SimpleNamespace, images: np.ndarray) -> Any:
    """Return the logits (N, K) of images."""
    return network.logits(images, training=False)


def versions() -> str:
    """Return which TensorFlow and Keras these are."""
    keras = version("tf_keras" if os.environ.get("TF_USE_LEGACY_KERAS") else "keras")
    return f"TensorFlow {tf.__version__}, Keras {keras}"
