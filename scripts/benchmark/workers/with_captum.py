"""captum on the described network, built of PyTorch's modules."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import captum.attr
import numpy as np
import torch
from torch_network import channels_first, channels_last, load, logits  # noqa: F401 - what serve.py asks a module for

NOISE = {"smooth_grad": "smoothgrad", "square_grad": "smoothgrad_sq", "var_grad": "vargrad"}
PLAIN = {
    "gradient": (captum.attr.Saliency, {"abs": False}),
    "input_x_gradient": (captum.attr.InputXGradient, {}),
    "guided_backprop": (captum.attr.GuidedBackprop, {}),
    "deconvnet": (captum.attr.Deconvolution, {}),
}


def versions() -> str:
    return f"captum {version('captum')}, PyTorch {torch.__version__}"


def prepare(
    network: SimpleNamespace, method: str, images: np.ndarray, targets: np.ndarray, options: dict[str, Any]
) -> Callable[[], Any]:
    target = torch.from_numpy(targets).long()
    # What the images become for PyTorch is timed as well, as it is for tfviz.
    if method == "saliency":
        saliency = captum.attr.Saliency(network.logits)
        return lambda: saliency.attribute(channels_first(images), target=target).amax(1).numpy()
    if method == "grad_cam":
        return grad_cam(network, images, target)
    if method == "occlusion":
        occlusion = captum.attr.Occlusion(network.probabilities)
        sides = (images.shape[-1], options["patch"], options["patch"])
        places = {"sliding_window_shapes": sides, "strides": (sides[0], options["stride"], options["stride"])}
        given = {"target": target, "baselines": options["fill"], "perturbations_per_eval": 32, **places}
        return lambda: occlusion.attribute(channels_first(images), **given)[:, 0].detach().numpy()
    attribute = attribution(network, method, images, options)
    return lambda: channels_last(attribute(channels_first(images), target=target))


def grad_cam(network: SimpleNamespace, images: np.ndarray, target: torch.Tensor) -> Callable[[], Any]:
    cam = captum.attr.LayerGradCam(network.logits, network.layer)

    def run() -> np.ndarray:
        found = cam.attribute(channels_first(images), target=target, relu_attributions=True)
        return captum.attr.LayerAttribution.interpolate(found, images.shape[1:3], "bilinear")[:, 0].detach().numpy()

    return run


def attribution(
    network: SimpleNamespace, method: str, images: np.ndarray, options: dict[str, Any]
) -> Callable[..., torch.Tensor]:
    """Return the function of a method whose result has the shape of the images."""
    if method in PLAIN:
        kind, given = PLAIN[method]
        made = kind(network.logits)
        return lambda tensor, target: made.attribute(tensor, target=target, **given)
    if method == "integrated_gradients":
        integrated = captum.attr.IntegratedGradients(network.logits)
        given = {"n_steps": options["steps"], "method": "riemann_middle", "internal_batch_size": 32}
        return lambda tensor, target: integrated.attribute(tensor, target=target, **given)
    noisy = captum.attr.NoiseTunnel(captum.attr.Saliency(network.logits))
    given = {
        "nt_type": NOISE[method],
        "nt_samples": options["samples"],
        "nt_samples_batch_size": max(1, 32 // len(images)),
        "stdevs": options["noise"] * float(images.max() - images.min()),
        "abs": False,
    }
    return lambda tensor, target: noisy.attribute(tensor, target=target, **given)
