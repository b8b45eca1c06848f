"""Xplique on the described network."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import keras_network
import numpy as np
import tensorflow as tf
from keras_network import above, load, logits  # noqa: F401 - what serve.py asks a module for
from xplique import attributions

GRADIENTS = {
    "gradient": (attributions.GradientInput, None),
    "input_x_gradient": (attributions.GradientInput, None),
    "guided_backprop": (attributions.GuidedBackprop, None),
    "deconvnet": (attributions.DeconvNet, None),
    "saliency": (attributions.Saliency, "max"),
}
NOISE = {
    "smooth_grad": attributions.SmoothGrad,
    "var_grad": attributions.VarGrad,
    "square_grad": attributions.SquareGrad,
}
CAMS = {"grad_cam": attributions.GradCAM, "grad_cam_plus_plus": attributions.GradCAMPP}


def versions() -> str:
    return f"xplique {version('xplique')}, {keras_network.versions()}"


def prepare(
    network: SimpleNamespace, method: str, images: np.ndarray, targets: np.ndarray, options: dict[str, Any]
) -> Callable[[], Any]:
    explainer = made(network, method, options, float(images.max() - images.min()))
    labels = tf.one_hot(targets, network.logits.output_shape[-1])
    attributed = method not in (*CAMS, "saliency", "rise", "occlusion")

    def run() -> np.ndarray:
        found = explainer.explain(images, labels).numpy()
        return found if attributed else found[..., 0]

    return run


def made(network: SimpleNamespace, method: str, options: dict[str, Any], width: float) -> Any:
    """Return the explainer of a method, 32 images at once."""
    if method in GRADIENTS:
        kind, reducer = GRADIENTS[method]
        return kind(network.logits, batch_size=32, reducer=reducer)
    if method in CAMS:
        return CAMS[method](network.logits, batch_size=32, conv_layer=network.layer)
    if method in NOISE:
        noise = {"nb_samples": options["samples"], "noise": options["noise"] * width}
        return NOISE[method](network.logits, batch_size=32, reducer=None, **noise)
    if method == "integrated_gradients":
        return attributions.IntegratedGradients(network.logits, batch_size=32, reducer=None, steps=options["steps"])
    if method == "rise":
        return attributions.Rise(network.probabilities, batch_size=32, nb_samples=options["masks"])
    patch = {"patch_size": options["patch"], "patch_stride": options["stride"], "occlusion_value": options["fill"]}
    return attributions.Occlusion(network.probabilities, batch_size=32, **patch)
