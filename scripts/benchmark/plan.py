"""What is run: the methods, their options, and the passes through the network that each needs at least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

NETWORKS = ("demo", "squeezenet", "vgg16", "resnet50", "mobilenetv2")
BATCHES = (1, 8, 32)
SAMPLES, STEPS, MASKS, GRID = 25, 50, 200, 7
BY_HAND = ("gradient", "saliency", "input_x_gradient")

Facts = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What one method is asked to do.

    passes: how many forward and backward passes of one image it needs at least, from what is known of the network.
    options: its own, from the side of the image. loop: whether it runs the network many times for each image.
    """

    passes: Callable[[Facts], tuple[float, float]]
    options: Callable[[int], dict[str, Any]] = field(default=lambda side: {})
    loop: bool = False


def passes(forward: float, backward: float) -> Work:
    """Return the work of a method that always needs so many passes."""
    return Work(lambda facts: (forward, backward))


def integrated(baselines: int) -> Work:
    """Return the work of a method over steps from so many baselines."""
    return Work(lambda facts: (baselines * STEPS, baselines * STEPS), lambda side: {"steps": STEPS}, loop=True)


def noisy() -> Work:
    """Return the work of a method over noisy copies."""
    return Work(lambda facts: (SAMPLES, SAMPLES), lambda side: {"samples": SAMPLES, "noise": 0.15}, loop=True)


def places(facts: Facts) -> int:
    """Return how many places an occluding patch takes, the last ones at the edge."""
    patch, count = facts["image_shape"][0] // GRID, 1
    for side in facts["image_shape"][:2]:
        count *= 1 - (-(side - patch) // patch)
    return count


def patches(side: int) -> dict[str, Any]:
    """Return the options of an occlusion whose patches do not overlap."""
    return {"patch": side // GRID, "stride": side // GRID, "fill": 0.0}


METHODS = {
    "gradient": passes(1, 1),
    "saliency": passes(1, 1),
    "input_x_gradient": passes(1, 1),
    "guided_backprop": passes(1, 1),
    "deconvnet": passes(1, 1),
    "guided_grad_cam": passes(1, 1),
    "full_grad": passes(1, 1),
    "simple_full_grad": passes(1, 1),
    "grad_cam": passes(1, 0),
    "grad_cam_plus_plus": passes(1, 0),
    "hires_cam": passes(1, 0),
    "layer_cam": passes(1, 0),
    "xgrad_cam": passes(1, 0),
    "eigen_cam": passes(1, 0),
    "smooth_grad": noisy(),
    "var_grad": noisy(),
    "square_grad": noisy(),
    "smooth_full_grad": noisy(),
    "integrated_gradients": integrated(baselines=1),
    # From black and from white.
    "xrai": integrated(baselines=2),
    "occlusion": Work(lambda facts: (places(facts), 0), patches, loop=True),
    "rise": Work(lambda facts: (MASKS, 0), lambda side: {"masks": MASKS}, loop=True),
    "score_cam": Work(lambda facts: (1 + facts["channels"], 0), loop=True),
    # At least: what follows the layer is run again for each channel.
    "ablation_cam": Work(lambda facts: (1, 0), loop=True),
}
