"""Occlusion: hides a part of the image at a time and watches the probability; it suits any network.

Every place of the patch is an item of a `Loop`, and a sum of maps is all that is kept. Patches are the same for every
image, so that the result of an image does not depend on its batch. The probability of raw outputs is their softmax,
with a warning; a custom score, or one raw output, has no probability and is taken as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.arrays import name_images
from tfviz.errors import TfvizError
from tfviz.methods.engine import Diagnosed, Loop, integer, method, number, optional
from tfviz.network.passes import Passes, Patches

MEAN = "mean"
UNRESOLVED = "rounding"
ROUNDING = 1e-6  # of a probability in float32 after a network, relative: about eight times its resolution


def _check_patch(shape: tuple[int, ...], options: Mapping[str, Any]) -> None:
    """Raise `TfvizError` for a patch larger than the image, or a stride that would leave pixels between two patches."""
    patch, stride = options["patch"], options["stride"]
    if patch is not None and integer("patch", patch) > min(shape[:2]):
        raise TfvizError(f"patch is {patch}, larger than the image of {shape[0]}x{shape[1]} pixels")
    side = max(1, min(shape[:2]) // 7) if patch is None else patch
    if stride is not None and integer("stride", stride) > side:
        raise TfvizError(f"stride is {stride}, larger than the patch of {side} pixels: it would leave pixels out")


def _fill(name: str, value: Any) -> Any:
    """Return what a patch shows, a number or `mean`; raise `TfvizError` for anything else."""
    if isinstance(value, str) and value != MEAN:
        raise TfvizError(f"fill is {value!r}, expected a number or {MEAN!r}")
    return value if isinstance(value, str) else number(name, value)


def _warn_of_rounding(diagnostics: Mapping[str, np.ndarray]) -> list[str]:
    """Return a warning for images whose probability changes under no patch by more than rounding changes it."""
    lost = np.flatnonzero(diagnostics[UNRESOLVED] > 1)
    if not lost.size:
        return []
    return [
        f"occlusion of image {name_images(lost)} shows nothing but rounding: no patch changes the probability of the "
        "target by more than a millionth of it; take a larger patch, or explain a score that is not saturated"
    ]


@method(
    result="map",
    sign="evidence",
    paper="Zeiler 2013, arXiv 1311.2901",
    needs="any network",
    cost="1 forward for each place of the patch, 196 by default; on a CPU only what each place changes",
    caution="sees what one patch can hide; the patch itself is something that the network was not trained on",
    when_zero="the probability of the target is the same wherever the patch lies",
    check=_check_patch,
    judge=_warn_of_rounding,
    arguments={"fill": _fill},
    constants={"patch": optional(integer), "stride": optional(integer)},
)
def occlusion(passes: Passes, patch: int | None = None, stride: int | None = None, fill: float | str = MEAN) -> Loop:
    """Return how far the probability of the target falls under a sliding patch, signed, (N, H, W), in −1..1 [1]_.

    Each pixel gets the mean over the patches that hide it. A custom score, or one raw output, is taken as it is. What
    rounding may change of the probability, as a share of the largest change under any patch, is among the diagnostics
    of `explain` as `rounding`, and is warned about above 1.

    Parameters
    ----------
    patch
        Height and width of the patch in pixels; None is a seventh of the image's shorter side.
    stride
        Pixels between two places of the patch; None is half the patch. The last row and column of places end at the
        image's edge.
    fill
        What the patch shows: a number in the network's input space, or `mean`, the mean colour of the image.

    References
    ----------
    .. [1] Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks", 2013, arXiv 1311.2901, section 4.2.
    """
    images, before = passes.images, passes.probabilities
    mean = tf.reduce_mean(images, axis=(1, 2), keepdims=True)
    shown = mean if isinstance(fill, str) else tf.reshape(tf.cast(fill, tf.float32), [1, 1, 1, 1])
    patches = Patches(passes, patch, stride, shown)

    def gather(state: tuple[tf.Tensor, ...], items: tf.Tensor) -> tuple[tf.Tensor, ...]:
        hidden = patches.hidden(items)
        drop = before[:, tf.newaxis] - patches.probabilities(items)
        largest = tf.maximum(state[2], tf.reduce_max(tf.abs(drop), axis=1))
        return state[0] + tf.einsum("nk,khw->nhw", drop, hidden), state[1] + tf.reduce_sum(hidden, axis=0), largest

    start = tf.zeros(tf.shape(images)[:3]), tf.zeros(tf.shape(images)[1:3]), tf.zeros_like(before)
    return Loop(patches.count, start, gather, partial(_mean_drop, before))


def _mean_drop(before: tf.Tensor, state: tuple[tf.Tensor, ...]) -> Diagnosed:
    """Return the mean fall (N, H, W) under the patches, given its sum, how often pixels were hidden and the largest."""
    total, hidden, largest = state
    return Diagnosed(total / hidden, {UNRESOLVED: tf.math.divide_no_nan(ROUNDING * tf.abs(before), largest)})
