"""A Keras 3 network up to its logits, as a list of layers and their weights, to build it elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

KEPT = {
    "InputLayer": (),
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "use_bias"),
    "DepthwiseConv2D": ("kernel_size", "strides", "padding", "depth_multiplier", "use_bias"),
    "Dense": ("units", "use_bias"),
    "BatchNormalization": ("epsilon", "scale", "center"),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "AveragePooling2D": ("pool_size", "strides", "padding"),
    "GlobalAveragePooling2D": (),
    "ZeroPadding2D": ("padding",),
    "Rescaling": ("scale", "offset"),
    "ReLU": ("max_value",),
    "Activation": (),
    "Concatenate": (),
    "Add": (),
    "Flatten": (),
    "Dropout": ("rate",),
}


def write(model: keras.Model, folder: Path, facts: dict[str, Any]) -> None:
    """Write `network.json` and `weights.npz`; where a layer is unknown, the former says so under `unknown`."""
    layers, weights, unknown = [], {}, []
    for layer in model.layers:
        try:
            layers.append(describe(layer))
        except KeyError:
            unknown.append(f"{type(layer).__name__} {layer.name!r}")
        weights.update({f"{layer.name}/{index}": value for index, value in enumerate(layer.get_weights())})
    if layers and layers[-1]["activation"] == "softmax":
        layers[-1]["activation"] = "linear"
    np.savez(folder / "weights.npz", **weights)
    described = {"layers": layers, "unknown": unknown, "image_shape": list(model.inputs[0].shape[1:]), **facts}
    (folder / "network.json").write_text(json.dumps(described))


def describe(layer: keras.layers.Layer) -> dict[str, Any]:
    """Return the kind, settings, activation and inputs of a layer; raise `KeyError` where it is not to be had."""
    kind, config = type(layer).__name__, layer.get_config()
    (node,) = layer._inbound_nodes if len(layer._inbound_nodes) == 1 else [{}["shared"]]
    return {
        "name": layer.name,
        "kind": kind,
        "activation": config.get("activation", "linear"),
        "size": list(node.input_tensors[0].shape[1:-1]) if node.input_tensors else [],
        "inputs": [tensor._keras_history.operation.name for tensor in node.input_tensors],
        **{name: config[name] for name in KEPT[kind]},
    }
