"""Pictures of a class, made by gradient ascent on its score."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import (
    InvalidTargetsError,
    TfvizError,
    TfvizWarning,
    UnknownMethodError,
    UnsupportedModelError,
)
from tfviz.methods.ascent import Recipe, State, compile_ascent, start
from tfviz.methods.pixels import check_pixel_range
from tfviz.network.batches import check_targets
from tfviz.network.layers import Shape
from tfviz.network.trace import trace
from tfviz.network.traced import TracedNetwork
from tfviz.progress import stretches

PRESETS = {
    "simonyan": Recipe(start="zeros", iterations=200, rate=0.01, momentum=0.9, l2=0.1),
    "jitter-blur": Recipe(
        start="noise", iterations=200, rate=0.02, normalised=True, l2=1e-3, jitter=16, clamp=True, blur_every=10
    ),
}


@dataclass(frozen=True, repr=False)
class ClassVisualization:
    """Pictures of classes, in the network's own input space.

    images: float32 (N, H, W, C). targets: (N,). history: (iterations, N), the score before each step, of the image as
    it was jittered. scores: (N,), the score at the end. snapshots: images (N, H, W, C) by the number of steps done.
    """

    images: np.ndarray
    targets: np.ndarray
    history: np.ndarray
    scores: np.ndarray
    snapshots: dict[int, np.ndarray]

    def __repr__(self) -> str:
        """Return what was found, without the images."""
        found = ", ".join(f"{target}: {score:.3g}" for target, score in zip(self.targets, self.scores, strict=True))
        return f"ClassVisualization of {self.images.shape}, {len(self.history)} steps, score by class {{{found}}}"


def class_visualization(
    model: Any,
    targets: Any,
    *,
    pixel_range: tuple[Any, Any],
    preset: str = "jitter-blur",
    seed: int = 0,
    snapshots: Sequence[int] = (),
    image_shape: Shape | None = None,
    **changes: Any,
) -> ClassVisualization:
    """Return an image for each target class that maximises s_c(I) − λ‖I‖² [1]_.

    Repeatable for a seed, and an image does not depend on the others of its batch.

    Parameters
    ----------
    model
        Anything that `tfviz.trace` opens.
    targets
        Class indices (N,), or one.
    pixel_range
        What black and white are in the model's input space: two numbers, or two arrays (C,). Distances are measured in
        units of this range, so that a recipe means the same under any preprocessing.
    preset
        `simonyan`: from the zero image, momentum SGD, L2 only [1]_. `jitter-blur`: from seeded noise, a random jitter
        that is undone after each step, normalised steps along the gradient, L2, clamped to `pixel_range`, a Gaussian
        blur every 10 steps [2]_.
    seed
        Of the noise and the jitter.
    snapshots
        Numbers of steps after which the images are kept.
    image_shape
        (H, W, C), where the model leaves it open.
    **changes
        Other values for the fields of the preset's `Recipe`, such as `iterations=500`.

    .. [1] Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks", 2013, arXiv 1312.6034, section 2.
    .. [2] Yosinski et al., "Understanding Neural Networks Through Deep Visualization", 2015, arXiv 1506.06579; jitter:
       Mordvintsev, Olah, Tyka, "Inceptionism", 2015.
    """
    network = trace(model)
    recipe = _recipe(preset, changes)
    classes = _classes(network, targets)
    shape = _complete_shape(network, image_shape)
    wrong = [step for step in snapshots if not 0 <= step <= recipe.iterations]
    if wrong:
        raise TfvizError(f"snapshot {wrong[0]} is out of range: expected steps from 0 to {recipe.iterations}")
    state = start(recipe, classes, shape, check_pixel_range(pixel_range, shape), seed)
    images, history, kept = _ascend(compile_ascent(network, recipe, shape), state, recipe, seed, set(snapshots))
    _warn_where_nothing_happened(history, classes)
    scores = network.head.scores(tf.constant(network.logits(images)), state.targets)
    return ClassVisualization(images, classes, history, scores.numpy(), kept)


def _ascend(
    ascend: Any, state: State, recipe: Recipe, seed: int, snapshots: set[int]
) -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray]]:
    """Run the compiled loop and return the images, the history and the snapshots."""
    kept = {0: state.images.numpy()} if 0 in snapshots else {}
    history = [np.empty((0, len(state.targets)), np.float32)]
    for first, last in stretches(recipe.iterations, "class visualisation", snapshots):
        state, scores = ascend(state, seed, first, last)
        history.append(scores.numpy())
        if last in snapshots:
            kept[last] = state.images.numpy()
    return state.images.numpy(), np.concatenate(history), kept


def _warn_where_nothing_happened(history: np.ndarray, classes: np.ndarray) -> None:
    for target in classes[np.ptp(history, axis=0) == 0] if len(history) > 1 else ():
        warnings.warn(
            f"the score of class {target} never changed: nothing in the network answers to the image that the ascent "
            "starts from (common with the zero image); try the preset jitter-blur or another seed",
            TfvizWarning,
            stacklevel=3,
        )


def _recipe(preset: str, changes: dict[str, Any]) -> Recipe:
    if preset not in PRESETS:
        raise UnknownMethodError(f"no preset {preset!r}; they are {', '.join(PRESETS)}")
    known = vars(PRESETS[preset])
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise UnknownMethodError(f"a recipe has no {unknown[0]!r}; it has {', '.join(known)}")
    return replace(PRESETS[preset], **changes)


def _classes(network: TracedNetwork, targets: Any) -> np.ndarray:
    if network.num_classes is not None and targets is None:
        raise InvalidTargetsError(f"say which class to show: targets is None, expected 0 to {network.num_classes - 1}")
    if network.num_classes is None and targets is None:
        return np.zeros(1, np.int32)
    if np.size(targets) == 0:
        raise InvalidTargetsError("there are no targets, expected one class index or more")
    return np.atleast_1d(check_targets(network, targets, None)).astype(np.int32)


def _complete_shape(network: TracedNetwork, image_shape: Shape | None) -> tuple[int, ...]:
    shape = image_shape or network.image_shape
    fits = len(shape) == 3 and all(own in (None, size) for own, size in zip(network.image_shape, shape, strict=True))
    if None in shape or not fits:
        raise UnsupportedModelError(
            f"the network takes images {network.image_shape}; say image_shape=(height, width, channels) with its sizes"
        )
    return tuple(size for size in shape if size is not None)
