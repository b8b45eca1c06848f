"""Integrated gradients: the mean gradient on the way from a baseline to the image, times that way.

The steps of all baselines are the items of one `Loop`. If there are enough of them, the result adds up to the rise of
the score from the baseline to the image; the scores at the baselines are therefore computed, too, and how far the sum
misses the rise is a diagnostic. With a tolerance the loop begins anew with twice the steps until that gap is small
enough. Steps, seed and baselines that are numbers or arrays are arguments of the compiled function, so that other ones
are not compiled anew. XRAI is built on `integrate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfviz.arrays import name_images
from tfviz.errors import TfvizError
from tfviz.methods.baselines import as_list, baseline_image, check_baseline, checked_baseline
from tfviz.methods.engine import (
    ENDS_AT,
    MISSED,
    Convert,
    Diagnosed,
    Judge,
    Loop,
    Until,
    each_repeated,
    integer,
    joined,
    kept_where,
    method,
    number,
    one_of,
    optional,
    split,
)
from tfviz.methods.quadrature import GAUSS_LEGENDRE, MIDPOINT, Rounds
from tfviz.network.passes import Gradient, Passes

GAP = "completeness_gap"
BASELINE = "baseline"
TOLERATED_GAP = 0.05
ZERO_WAY = "at every pixel the image has the baseline's colour, or the score does not change on the way from it"


WAY: dict[str, Convert] = {"baseline": checked_baseline, "steps": integer, "seed": partial(integer, least=0)}
"""The checks of the options of the way from a baseline to the image."""
STOPPING: dict[str, Convert] = {ENDS_AT: optional(partial(number, above=0)), "max_steps": integer}


class Way(NamedTuple):
    """The options of the way from a baseline to the image, as `integrated_gradients` takes them; some are tensors."""

    baseline: Any
    steps: Any
    seed: Any
    quadrature: str = MIDPOINT
    tolerance: Any = None
    max_steps: Any = 1


class Integral(NamedTuple):
    """What is known on the way: the sum so far (N, H, W, C) and the rise of the score that it must add up to (N,).

    open: whether each image goes on with more steps, bool (N,). steps: how many its sum is made of, int32 (N,).
    """

    total: tf.Tensor
    rise: tf.Tensor
    open: tf.Tensor
    steps: tf.Tensor

    @property
    def gap(self) -> tf.Tensor:
        """How far the sum is from the rise, relative to that, (N,)."""
        gap = tf.abs(tf.reduce_sum(self.total, axis=(1, 2, 3)) - self.rise)
        return tf.where(gap == 0, 0.0, gap / tf.abs(self.rise))


def _check_way(shape: tuple[int, ...], options: Mapping[str, Any]) -> None:
    """Raise if the baseline does not fit the images, or fewer steps are allowed than are taken at first."""
    check_baseline(shape, options)
    if options[ENDS_AT] is not None and options["max_steps"] < options["steps"]:
        raise TfvizError(f"max_steps is {options['max_steps']}, less than the {options['steps']} steps to begin with")


def judge_completeness(name: str) -> Judge:
    """Return the function that warns about the completeness gap of the method of that name.

    It names the images whose gap is above the tolerance, or above `TOLERATED_GAP` if none was given. The gap is
    infinite if the score does not rise at all.
    """

    def judge(diagnostics: Mapping[str, np.ndarray]) -> list[str]:
        wide = np.flatnonzero(diagnostics.get(MISSED, diagnostics[GAP] > TOLERATED_GAP))
        if not wide.size:
            return []
        worst = diagnostics[GAP][wide].max()
        missed = f"by up to {worst:.0%}" if np.isfinite(worst) else "of a score that does not rise"
        return [
            f"{name} misses completeness {missed} for image {name_images(wide)}: its sum is not the score's rise from "
            "the baseline; take more steps"
        ]

    return judge


@method(
    result="attribution",
    sign="evidence",
    paper="Sundararajan 2017, arXiv 1703.01365",
    needs="any differentiable network; a baseline that means nothing there",
    cost="1 forward, 1 backward for each step and baseline",
    caution="depends on the baseline: what has its colour gets nothing",
    when_zero=ZERO_WAY,
    check=_check_way,
    arguments=WAY | STOPPING,
    constants={"quadrature": one_of(MIDPOINT, GAUSS_LEGENDRE)},
    given_images=frozenset({BASELINE}),
    judge=judge_completeness("integrated_gradients"),
)
def integrated_gradients(
    passes: Passes,
    baseline: Any = "zeros",
    steps: int = 50,
    seed: int = 0,
    *,
    quadrature: str = MIDPOINT,
    tolerance: float | None = None,
    max_steps: int = 400,
) -> Loop:
    """Return (x − b) · the mean of ∂s_c/∂x on the way from b to x, signed, (N, H, W, C) [1]_.

    In units of the logit. The gap of completeness, `|Σ − (s_c(x) − s_c(b))| / |s_c(x) − s_c(b)|`, is among the
    diagnostics of `explain` as `completeness_gap` and is warned about above 5 %.

    Parameters
    ----------
    baseline
        What stands for nothing there: `zeros`; `blurred`, the image under a Gaussian of a tenth of its shorter side;
        `uniform`, noise between the image's minimum and maximum, the same for every image; `black` and `white`, the
        smallest and the largest value of each channel in the image; a number or a colour, an array (C,); an image
        (H, W, C), in the network's input space and data format. The results of a list of them are averaged.
    steps
        The number of places on the way, for each baseline.
    seed
        Of the uniform noise.
    quadrature
        Where they lie: `midpoint`, in the middle of as many equal parts, or `gauss_legendre`, at the nodes of the
        quadrature of that name, whose weights differ [2]_.
    tolerance
        The gap at which an image needs no more steps: as long as it is wider, there are twice as many, up to
        `max_steps`. None takes `steps`. How many were taken is among the diagnostics as `steps_used`.
    max_steps
        The most steps with a tolerance, for each baseline; images that need more are warned about.

    References
    ----------
    .. [1] Sundararajan, Taly, Yan, "Axiomatic Attribution for Deep Networks", 2017, arXiv 1703.01365, sections 3 and 5.
    .. [2] Golub, Welsch, "Calculation of Gauss Quadrature Rules", Mathematics of Computation, 1969,
       doi 10.1090/S0025-5718-69-99647-1.
    """
    return integrate(passes, Way(baseline, steps, seed, quadrature, tolerance, max_steps))


def integrate(passes: Passes, way: Way) -> Loop:
    """Return the loop over the steps of every baseline, one baseline after the other; see `integrated_gradients`.

    The scores at the baselines are computed before it, in a loop of their own, so that the state holds the rise (N,)
    that the attributions must add up to, averaged over the baselines. The seed of a baseline's noise is `seed` plus its
    place among the baselines. With a tolerance, rounds of twice as many steps follow each other.
    """
    images = passes.images
    baselines = tf.stack(
        [baseline_image(each, images, way.seed + number) for number, each in enumerate(as_list(way.baseline))], axis=1
    )
    count: int = baselines.shape[1]
    rounds = Rounds(way.quadrature, way.steps, None if way.tolerance is None else way.max_steps, count)

    def gather(before: Integral, items: tf.Tensor) -> Integral:
        """Add the share of some steps: the way from the baseline, times the gradient there and its weight."""
        number, share, weight, is_first, is_last = rounds.steps(items)
        start = tf.gather(baselines, number, axis=1)
        parts = images[:, tf.newaxis] - start
        found = passes.again(
            joined(start + _by_item(share) * parts), each_repeated(passes.targets, items), [Gradient()]
        ).gradient()
        total = tf.where(is_first, 0.0, before.total) + tf.reduce_sum(
            parts * _by_item(weight / count) * split(found, items), axis=1
        )
        if way.tolerance is None:
            return before._replace(total=total)
        after = before._replace(total=kept_where(before.open, total, before.total))
        used = tf.where(before.open, rounds.length(items), before.steps)
        return after._replace(steps=used, open=before.open & ~(is_last & (after.gap <= way.tolerance)))

    rise = passes.scores - _scores_at(passes, baselines)
    start = Integral(tf.zeros_like(images), rise, tf.ones_like(rise, tf.bool), tf.zeros_like(rise, tf.int32))
    ended = Until(rounds.end, lambda state: ~tf.reduce_any(state.open))
    return Loop(rounds.items, start, gather, partial(_known, way.tolerance), None if way.tolerance is None else ended)


def _known(tolerance: Any, state: Integral) -> Diagnosed:
    """Return the attributions with their gap and, with a tolerance, the steps and where these were not enough."""
    found = {GAP: state.gap}
    if tolerance is not None:
        found |= {"steps_used": tf.cast(state.steps, tf.float32), MISSED: tf.cast(state.gap > tolerance, tf.float32)}
    return Diagnosed(state.total, found)


def _by_item(numbers: tf.Tensor) -> tf.Tensor:
    """Return numbers (k,) so that they are broadcast over images (N, k, H, W, C)."""
    return numbers[:, tf.newaxis, tf.newaxis, tf.newaxis]


def _scores_at(passes: Passes, baselines: tf.Tensor) -> tf.Tensor:
    """Return the mean score (N,) of the baselines (N, b, H, W, C) of each image."""
    count: int = baselines.shape[1]

    def gather(total: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        found = passes.again(joined(tf.gather(baselines, items, axis=1)), each_repeated(passes.targets, items)).scores
        return total + tf.reduce_sum(split(found, items), axis=1) / count

    loop = Loop(count, tf.zeros_like(passes.scores), gather, lambda total: total)
    return loop.run(passes.at_once, tf.shape(passes.images)[0])
