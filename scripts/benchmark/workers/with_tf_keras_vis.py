"""tf-keras-vis on the described network; nothing is scaled, so that numbers can be compared."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import keras_network
import numpy as np
from keras_network import above, load, logits  # noqa: F401 - what serve.py asks a module for
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.layercam import Layercam
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.scorecam import Scorecam
from tf_keras_vis.utils.scores import CategoricalScore

CAMS = {"grad_cam": Gradcam, "grad_cam_plus_plus": GradcamPlusPlus, "layer_cam": Layercam, "score_cam": Scorecam}


def versions() -> str:
    return f"tf-keras-vis {version('tf-keras-vis')}, {keras_network.versions()}"


def prepare(
    network: SimpleNamespace, method: str, images: np.ndarray, targets: np.ndarray, options: dict[str, Any]
) -> Callable[[], Any]:
    score = CategoricalScore([int(target) for target in targets])
    if method in CAMS:
        cam = CAMS[method](network.logits)
        place = {"penultimate_layer": network.layer, "seek_penultimate_conv_layer": False, "normalize_cam": False}
        return lambda: cam(score, images, **place)
    saliency = Saliency(network.logits)
    if method == "saliency":
        return lambda: saliency(score, images, normalize_map=False)
    noise = {"smooth_samples": options["samples"], "smooth_noise": options["noise"], "gradient_modifier": None}
    return lambda: saliency(score, images, keepdims=True, normalize_map=False, **noise)
