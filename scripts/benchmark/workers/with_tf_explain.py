"""tf-explain on the described network: its computations without the pictures that `explain` makes of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import cv2
import keras_network
import numpy as np
import tensorflow as tf
from keras_network import above, load, logits  # noqa: F401 - what serve.py asks a module for
from tf_explain.core.grad_cam import GradCAM
from tf_explain.core.gradients_inputs import GradientsInputs
from tf_explain.core.integrated_gradients import IntegratedGradients
from tf_explain.core.occlusion_sensitivity import OcclusionSensitivity
from tf_explain.core.smoothgrad import SmoothGrad
from tf_explain.core.vanilla_gradients import VanillaGradients


def versions() -> str:
    return f"tf-explain {version('tf-explain')}, {keras_network.versions()}"


def prepare(
    network: SimpleNamespace, method: str, images: np.ndarray, targets: np.ndarray, options: dict[str, Any]
) -> Callable[[], Any]:
    return METHODS[method](network, images, int(targets[0]), options)


def gradient(explainer: Any) -> Callable[..., Callable[[], Any]]:
    def made(network: SimpleNamespace, images: np.ndarray, target: int, options: dict[str, Any]) -> Callable[[], Any]:
        constant = tf.constant(images)
        return lambda: explainer.compute_gradients(constant, network.logits, target).numpy()

    return made


def grad_cam(network: SimpleNamespace, images: np.ndarray, target: int, options: dict[str, Any]) -> Callable[[], Any]:
    def run() -> np.ndarray:
        outputs, gradients = GradCAM.get_gradients_and_filters(network.logits, images, network.layer, target, False)
        maps = GradCAM.generate_ponderated_output(outputs, gradients)
        return np.stack([cv2.resize(each.numpy(), images.shape[2:0:-1]) for each in maps])

    return run


def smooth_grad(
    network: SimpleNamespace, images: np.ndarray, target: int, options: dict[str, Any]
) -> Callable[[], Any]:
    samples, noise = options["samples"], options["noise"] * float(images.max() - images.min())

    def run() -> np.ndarray:
        noisy = SmoothGrad.generate_noisy_images(images, samples, noise)
        return SmoothGrad.get_averaged_gradients(tf.constant(noisy), network.probabilities, target, samples).numpy()

    return run


def integrated_gradients(
    network: SimpleNamespace, images: np.ndarray, target: int, options: dict[str, Any]
) -> Callable[[], Any]:
    steps = options["steps"]

    def run() -> np.ndarray:
        way = tf.constant(IntegratedGradients.generate_interpolations(images, steps), tf.float32)
        return images * IntegratedGradients.get_integrated_gradients(way, network.logits, target, steps).numpy()

    return run


def occlusion(network: SimpleNamespace, images: np.ndarray, target: int, options: dict[str, Any]) -> Callable[[], Any]:
    explainer = OcclusionSensitivity(batch_size=32)
    return lambda: np.stack(
        [explainer.get_sensitivity_map(network.probabilities, image, target, options["patch"]) for image in images]
    )


METHODS = {
    "gradient": gradient(VanillaGradients),
    "input_x_gradient": gradient(GradientsInputs),
    "grad_cam": grad_cam,
    "smooth_grad": smooth_grad,
    "integrated_gradients": integrated_gradients,
    "occlusion": occlusion,
}
