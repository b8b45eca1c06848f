"""Runs an attack over batches of images, and collects the results.

All images are checked before the first is attacked, since an attack takes long. The results are those of the network on
the final images, run once more after the loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfviz.arrays import Doubles, Floats, Indices, name_images
from tfviz.errors import InvalidImagesError, TfvizError, emit_warnings
from tfviz.methods.adversarial.ascent import WHITE, Attack, Bounds, compile_attack, start_attack
from tfviz.methods.adversarial.decision import check_decides, has_labels
from tfviz.methods.engine import (
    about_narrow,
    check_pixel_range,
    integer,
    narrow_images,
    number,
)
from tfviz.network.batches import Batch
from tfviz.network.diagnosis import OVERFLOW, check_scores, check_weights, objections_to
from tfviz.network.traced import TracedNetwork
from tfviz.progress import stretches

TOLERANCE = 0.01  # pixel units by which images may leave the pixel range, because a preprocessing rounds


@dataclass(frozen=True, repr=False)
class Adversarial:
    """Changed images, and what the change did, for N images.

    images: float32, in the network's own input space and data format. differences: float32, of the same shape, images
    minus originals in pixel units (of 255), signed. targets: (N,), the class to reach or, if none was given, to leave.
    steps: (N,), how many were taken, 0 if the image was there from the start. success: (N,), whether the network
    predicts what was wanted. predictions_before, predictions_after: (N,), classes. probabilities_before,
    probabilities_after: (N, K), of each class, if the network's output has any.

    Several sigmoids are independent labels: a label is reached if its probability is above 0.5 and left if it is not,
    whatever the others are; the prediction is the most probable one. A single raw output is taken for a logit: class 1
    above 0, otherwise class 0.
    """

    images: Floats
    differences: Floats
    targets: Indices
    steps: Indices
    success: NDArray[np.bool_]
    predictions_before: Indices
    predictions_after: Indices
    probabilities_before: Floats
    probabilities_after: Floats

    @property
    def l2(self) -> Doubles:
        """The L2 distance (N,) of each image from its original, in pixel units."""
        return np.asarray(np.sqrt(np.square(self.differences, dtype=np.float64).sum(axis=(1, 2, 3))))

    @property
    def linf(self) -> Floats:
        """The L-infinity distance (N,) of each image from its original, in pixel units."""
        return np.asarray(np.abs(self.differences).max(axis=(1, 2, 3)))

    def __repr__(self) -> str:
        """Return what was found, without the images."""
        return (
            f"Adversarial of {self.images.shape}, {np.sum(self.success)} of {len(self.success)} reached, "
            f"{self.steps.max()} steps, L2 up to {self.l2.max():.3g}, L-infinity up to {self.linf.max():.3g} of 255"
        )


@dataclass(frozen=True)
class Limits:
    """How far and how long an attack goes. rate, epsilon: in pixel units; None is no bound. seed: None is no noise."""

    iterations: int
    epsilon: float | None = None
    rate: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        """Raise `TfvizError` for a value out of range."""
        integer("iterations", self.iterations)
        for name in ("epsilon", "rate"):
            if getattr(self, name) is not None:
                number(name, getattr(self, name), above=0, unit=", in pixel units (of 255)")
        if self.seed is not None:
            integer("seed", self.seed, 0)

    def bounds(self, images: np.ndarray, classes: np.ndarray, low: np.ndarray, high: np.ndarray) -> Bounds:
        """Return the bounds of the steps on these images, as tensors."""
        epsilon = np.inf if self.epsilon is None else self.epsilon
        rate = 2.5 * epsilon / self.iterations if self.rate is None else self.rate
        return Bounds(*map(tf.constant, (images, classes, low, high, np.float32(rate), np.float32(epsilon))))


def run_attack(
    network: TracedNetwork,
    attack: Attack,
    limits: Limits,
    given: Iterable[Batch],
    pixel_range: tuple[Any, Any],
) -> Adversarial:
    """Attack the images of every batch, for the public functions, whose warnings it emits.

    An error in any of the images is raised before the first is attacked.
    """
    check_decides(network, attack.name)
    network.check_image_alone()
    prepared: list[tuple[Bounds, np.ndarray]] = []
    count, narrow = 0, []
    for batch in given:
        images = batch.images
        colors = check_pixel_range(pixel_range, images.shape[3])
        if not prepared:
            emit_warnings(objections_to(network, *colors))
        _check_inside(images, *colors, count)
        narrow += [count + index for index in narrow_images(images, *colors)]
        logits = network.in_channels_last().logits(images, batch_size=len(images))
        check_scores(network, batch, np.isfinite(logits.max(axis=1)), count)
        classes = network.head.resolve(tf.constant(logits), tf.constant(batch.targets.flat), 1).numpy()
        prepared.append((limits.bounds(images, classes, *colors), logits))
        count += len(images)
    emit_warnings(about_narrow(narrow, pixel_range))
    found = [_run_batch(network, attack, limits, *batch) for batch in prepared]
    joined = {
        field.name: np.concatenate([getattr(part, field.name) for part in found]) for field in fields(Adversarial)
    }
    result = Adversarial(**joined)
    emit_warnings(_about_failures(result, attack, limits, has_labels(network.head)))
    return result


def _run_batch(
    network: TracedNetwork, attack: Attack, limits: Limits, bounds: Bounds, before: np.ndarray
) -> Adversarial:
    """Attack one batch, in stretches from the host so that there is a progress bar, and return its results.

    before: the logits (N, K) of the originals. Raises `TfvizError` if a step met numbers that are not finite.
    """
    head, advance = network.head, compile_attack(network, attack)
    state = start_attack(attack, bounds, ~attack.is_reached(head, before, bounds.classes), limits.seed)
    for first, last in stretches(limits.iterations, attack.name):
        state = advance(state, bounds, first, last)
        if not state.going.numpy().any():
            break
    images = state.images.numpy()
    if not np.isfinite(images).all():
        check_weights(network, int(np.argmin(np.isfinite(images).all(axis=(1, 2, 3)))))
        raise TfvizError(f"{attack.name} met NaN or infinite values: {OVERFLOW}")
    after = network.in_channels_last().logits(images, batch_size=len(images))
    return Adversarial(
        images=network.data_format.from_last(images),
        differences=network.data_format.from_last(((state.images - bounds.originals) / bounds.unit).numpy()),
        targets=bounds.classes.numpy(),
        steps=state.steps.numpy(),
        success=attack.is_reached(head, after, bounds.classes).numpy(),
        predictions_before=head.predicted(before).numpy(),
        predictions_after=head.predicted(after).numpy(),
        probabilities_before=head.probabilities(before).numpy(),
        probabilities_after=head.probabilities(after).numpy(),
    )


def _check_inside(images: np.ndarray, low: np.ndarray, high: np.ndarray, first: int) -> None:
    """Raise `InvalidImagesError` for an image that leaves the pixel range by more than rounding (`TOLERANCE`).

    first: the number of the batch's first image, for the message.
    """
    slack = TOLERANCE / WHITE * (high - low)
    outside = ((images < low - slack) | (images > high + slack)).any(axis=(1, 2, 3))
    if outside.any():
        index = int(np.argmax(outside))
        raise InvalidImagesError(
            f"image {first + index} holds values from {images[index].min():g} to {images[index].max():g}, outside of "
            f"pixel_range ({low.tolist()} for black, {high.tolist()} for white)"
        )


def _about_failures(result: Adversarial, attack: Attack, limits: Limits, are_labels: bool) -> list[str]:
    """Return a warning that names the images in which the attack did not succeed; none if it did in all."""
    failed = np.flatnonzero(~result.success)
    if not failed.size:
        return []
    of_classes, of_labels = ("reach the", "switch on the") if attack.towards else ("leave the", "switch off the")
    aim = f"{of_labels} label" if are_labels else f"{of_classes} class"
    images = name_images(failed)
    return [f"{attack.name} did not {aim} of image {images} in {limits.iterations} steps (success is False there)"]
