"""RISE: shows the network random parts of the image and averages them by the probability; it suits any network.

Every mask is an item of a `Loop`, and sums are all that is kept. Masks are the same for every image, so that the result
of an image does not depend on its batch. For probabilities see `occlusion`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfviz.arrays import name_images
from tfviz.errors import TfvizError
from tfviz.methods.engine import (
    ENDS_AT,
    STANDARD_ERROR,
    Diagnosed,
    Loop,
    each_repeated,
    integer,
    joined,
    judge_tolerance,
    method,
    number,
    optional,
    per_row,
    relative_error,
    split,
    until_precise,
)
from tfviz.network.passes import Passes

GRAIN = "grain"
TOLERATED_GRAIN = 0.5
NOTHING_ELSE = 0.999  # all else has less than a thirtieth of the grain's standard deviation
LOOK = 50
"""After that many masks is looked whether they are enough."""


def _check_cell(shape: tuple[int, ...], options: Mapping[str, Any]) -> None:
    """Raise `TfvizError` for cells larger than the image."""
    cell = options["cell_size"]
    if cell is not None and integer("cell_size", cell) > min(shape[:2]):
        raise TfvizError(f"cell_size is {cell}, larger than the image of {shape[0]}x{shape[1]} pixels")


def _warn_of_grain(diagnostics: Mapping[str, np.ndarray]) -> list[str]:
    """Return a warning for images whose map shows which pixels the masks happened to leave more than what they did."""
    grain = diagnostics[GRAIN]
    said = judge_tolerance("rise")(diagnostics)
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
        ENDS_AT: optional(partial(number, above=0)),
    },
)
def rise(
    passes: Passes,
    masks: int = 1000,
    cell_size: int | None = None,
    probability: float = 0.5,
    seed: int = 0,
    *,
    tolerance: float | None = None,
) -> Loop:
    """Return the mean of p_c(x ⊙ M) M / `probability` over random masks M, (N, H, W), at least 0 [1]_.

    p_c is the probability of the target; a custom score, or one raw output, is taken as it is. A network that gives the
    same p under every mask still has a map: the grain of the masks, which is how often they happened to show each
    pixel. Its share of the variance of the map is among the diagnostics of `explain` as `grain`, and is warned about
    above a half. The L2 norm of the standard errors of the map, as a share of that of the map, is there as
    `standard_error`: by how much it would be another with other masks.

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
    tolerance
        The standard error at which an image needs no more masks: it is looked at after every 50, and `masks` are the
        most. None takes all. A warning names the images for which they were not enough; how many were used is among the
        diagnostics as `samples_used`.

    References
    ----------
    .. [1] Petsiuk, Das, Saenko, "RISE", 2018, arXiv 1806.07421, section 3.
    """
    images, size = passes.images, tf.shape(passes.images)[1:3]
    cell = tf.maximum(1, tf.reduce_min(size) // 7) if cell_size is None else cell_size
    cells = -(-size // cell)

    def mask(item: tf.Tensor) -> tf.Tensor:
        grid = tf.random.stateless_uniform(cells + 1, [seed, 2 * item])
        shown = tf.cast(grid < probability, tf.float32)[tf.newaxis, ..., tf.newaxis]
        large = tf.image.resize(shown, (cells + 1) * cell)[0, ..., 0]
        shift = tf.random.stateless_uniform([2], [seed, 2 * item + 1], 0, cell, tf.int32)
        return tf.slice(large, shift, size)

    def gather(before: Masked, items: tf.Tensor) -> Masked:
        drawn = tf.map_fn(mask, items, fn_output_signature=tf.float32)
        masked = images[:, tf.newaxis] * drawn[tf.newaxis, ..., tf.newaxis]
        found = split(passes.again(joined(masked), each_repeated(passes.targets, items)).probabilities, items)
        new = Masked(
            tf.einsum("nk,khw->nhw", found, drawn),
            tf.einsum("nk,khw->nhw", tf.square(found), tf.square(drawn)),
            tf.reduce_sum(found, axis=1),
            tf.repeat(tf.reduce_sum(drawn, axis=0)[tf.newaxis], tf.shape(images)[0], axis=0),
            tf.fill(tf.shape(images)[:1], tf.cast(tf.size(items), tf.float32)),
        )
        return Masked(*(old + each for old, each in zip(before, new, strict=True)))

    nothing, none = tf.zeros(tf.shape(images)[:3]), tf.zeros(tf.shape(images)[:1])
    loop = Loop(masks, Masked(nothing, nothing, none, nothing, none), gather, partial(_mean_shown, probability))
    return loop if tolerance is None else until_precise(loop, Masked.error, tolerance, LOOK)


class Masked(NamedTuple):
    """Sums over masks M, of which there were `count` (N,): of p M and its square, of p (N,), and of M; (N, H, W)."""

    total: tf.Tensor
    squares: tf.Tensor
    found: tf.Tensor
    shown: tf.Tensor
    count: tf.Tensor

    def error(self) -> tf.Tensor:
        """Return the standard error of the mean of p M, relative to that, (N,); infinite for a single mask."""
        count = per_row(self.count, self.total)
        mean = self.total / count
        variance = tf.nn.relu(self.squares / count - tf.square(mean)) / (count - 1)
        return relative_error(mean, tf.where(count > 1, variance, float("inf")))


def _mean_shown(probability: Any, masked: Masked) -> Diagnosed:
    """Return the mean of p M / `probability`, with the share of its variance that is of the masks alone."""
    grain = per_row(masked.found, masked.shown) * masked.shown / per_row(masked.count, masked.shown)
    of_grain, of_rest = (tf.math.reduce_variance(each, axis=(1, 2)) for each in (grain, masked.total - grain))
    share = tf.math.divide_no_nan(of_grain, of_grain + of_rest)
    mean = masked.total / (per_row(masked.count, masked.total) * probability)
    return Diagnosed(mean, {GRAIN: share, STANDARD_ERROR: masked.error()})
