"""Methods that hide parts of the image and watch the probability: forward passes only, so they suit any network.

Every patch or mask is an item of a `Loop`, and a sum of maps is all that is kept. Patches and masks are the same for
every image, so that the result of an image does not depend on its batch. The probability of raw outputs is their
softmax, with a warning; a custom score, or one raw output, has no probability and is taken as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.arrays import name_images
from tfviz.errors import TfvizError
from tfviz.methods.engine import Diagnosed, Loop, each_repeated, integer, joined, method, number, optional, split
from tfviz.network.passes import Passes, Patches

MEAN = "mean"
UNRESOLVED = "rounding"
ROUNDING = 1e-6  # of a probability in float32 after a network, relative: about eight times its resolution
GRAIN = "grain"
TOLERATED_GRAIN = 0.5
NOTHING_ELSE = 0.999  # all else has less than a thirtieth of the grain's standard deviation


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


def _check_cell(shape: tuple[int, ...], options: Mapping[str, Any]) -> None:
    """Raise `TfvizError` for cells larger than the image."""
    cell = options["cell_size"]
    if cell is not None and integer("cell_size", cell) > min(shape[:2]):
        raise TfvizError(f"cell_size is {cell}, larger than the image of {shape[0]}x{shape[1]} pixels")


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
    cost="1 forward for each place of the patch, 196 by default",
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


def _warn_of_grain(diagnostics: Mapping[str, np.ndarray]) -> list[str]:
    """Return a warning for images whose map shows which pixels the masks happened to leave more than what they did."""
    grain = diagnostics[GRAIN]
    said = []
    if (constant := np.flatnonzero(grain > NOTHING_ELSE)).size:
        said.append(
            f"rise of image {name_images(constant)} is nothing but the grain of its random masks, and means nothing: "
            "the probability of the target is all but the same under every mask"
        )
    if (mostly := np.flatnonzero((grain > TOLERATED_GRAIN) & (grain <= NOTHING_ELSE))).size:
        said.append(
            f"rise of image {name_images(mostly)} is mostly the grain of its random masks (up to "
            f"{grain[mostly].max():.0%} of its variance), not what they do to the probability: take more masks, or "
            "another method"
        )
    return said


@method(
    result="map",
    sign="for",
    paper="Petsiuk 2018, arXiv 1806.07421",
    needs="any network",
    cost="1 forward for each mask",
    caution="grainy with few masks; its background is the mean probability, not zero",
    when_zero="the probability of the target is 0 under every mask",
    shown_from="minimum",
    check=_check_cell,
    judge=_warn_of_grain,
    arguments={
        "masks": integer,
        "cell_size": optional(integer),
        "probability": partial(number, above=0, below=1),
        "seed": partial(integer, least=0),
    },
)
def rise(
    passes: Passes, masks: int = 1000, cell_size: int | None = None, probability: float = 0.5, seed: int = 0
) -> Loop:
    """Return the mean of p_c(x ⊙ M) M / `probability` over random masks M, (N, H, W), at least 0 [1]_.

    p_c is the probability of the target; a custom score, or one raw output, is taken as it is. A network that gives the
    same p under every mask still has a map: the grain of the masks, which is how often they happened to show each
    pixel. Its share of the variance of the map is among the diagnostics of `explain` as `grain`, and is warned about
    above a half.

    Parameters
    ----------
    masks
        Their number; the paper takes 4000 to 8000.
    cell_size
        Pixels between two points of the coarse grid that a mask is interpolated from; None is a seventh of the image's
        shorter side.
    probability
        That a point of the grid is shown, above 0 and below 1.
    seed
        Of the masks, which are the same for every image.

    References
    ----------
    .. [1] Petsiuk, Das, Saenko, "RISE", 2018, arXiv 1806.07421, section 3.
    """
    images, size, count = passes.images, tf.shape(passes.images)[1:3], tf.cast(masks, tf.float32)
    cell = tf.maximum(1, tf.reduce_min(size) // 7) if cell_size is None else cell_size
    cells = -(-size // cell)

    def mask(item: tf.Tensor) -> tf.Tensor:
        grid = tf.random.stateless_uniform(cells + 1, [seed, 2 * item])
        shown = tf.cast(grid < probability, tf.float32)[tf.newaxis, ..., tf.newaxis]
        large = tf.image.resize(shown, (cells + 1) * cell)[0, ..., 0]
        shift = tf.random.stateless_uniform([2], [seed, 2 * item + 1], 0, cell, tf.int32)
        return tf.slice(large, shift, size)

    def gather(state: tuple[tf.Tensor, ...], items: tf.Tensor) -> tuple[tf.Tensor, ...]:
        drawn = tf.map_fn(mask, items, fn_output_signature=tf.float32)
        masked = images[:, tf.newaxis] * drawn[tf.newaxis, ..., tf.newaxis]
        found = split(passes.again(joined(masked), each_repeated(passes.targets, items)).probabilities, items)
        new = tf.einsum("nk,khw->nhw", found, drawn), tf.reduce_sum(found, axis=1), tf.reduce_sum(drawn, axis=0)
        return tuple(old + each for old, each in zip(state, new, strict=True))

    def finish(state: tuple[tf.Tensor, ...]) -> Diagnosed:
        total, found, shown = state
        grain = found[:, tf.newaxis, tf.newaxis] * shown / count
        of_grain, of_rest = (tf.math.reduce_variance(each, axis=(1, 2)) for each in (grain, total - grain))
        share = tf.math.divide_no_nan(of_grain, of_grain + of_rest)
        return Diagnosed(total / (count * probability), {GRAIN: share})

    nothing = tf.zeros(tf.shape(images)[:3]), tf.zeros(tf.shape(images)[:1]), tf.zeros(size)
    return Loop(masks, nothing, gather, finish)
