"""pytorch-grad-cam on the described network, built of PyTorch's modules; its maps are scaled to 0..1."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

try:
    import torchvision  # noqa: F401 - which pytorch-grad-cam imports
except RuntimeError:
    # Beside PyTorch's CPU build torchvision lacks its compiled operators, which nothing here calls: name them for it.
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor boxes, Tensor scores, float threshold) -> Tensor")

import pytorch_grad_cam
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch_network import channels_first, load, logits  # noqa: F401 - what serve.py asks a module for

CAMS = {
    "grad_cam": "GradCAM",
    "grad_cam_plus_plus": "GradCAMPlusPlus",
    "layer_cam": "LayerCAM",
    "hires_cam": "HiResCAM",
    "xgrad_cam": "XGradCAM",
    "eigen_cam": "EigenCAM",
    "score_cam": "ScoreCAM",
    "ablation_cam": "AblationCAM",
}


def versions() -> str:
    return f"pytorch-grad-cam {version('grad-cam')}, PyTorch {torch.__version__}"


def prepare(
    network: SimpleNamespace, method: str, images: np.ndarray, targets: np.ndarray, options: dict[str, Any]
) -> Callable[[], Any]:
    cam = getattr(pytorch_grad_cam, CAMS[method])(model=network.logits, target_layers=[network.layer])
    cam.batch_size = 32
    wanted = [ClassifierOutputTarget(int(target)) for target in targets]
    return lambda: cam(input_tensor=channels_first(images), targets=wanted)
