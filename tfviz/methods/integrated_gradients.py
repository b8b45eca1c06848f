"""Integrated gradients: the mean gradient on the way from a baseline to the image, times that way.

The steps of all baselines are the items of one `Loop`. If there are enough of them, the result adds up to the rise of
the score from the baseline to the image; the scores at the baselines are therefore computed, too, and how far the sum
misses the rise is a diagnostic. Steps, seed and baselines that are numbers or arrays are arguments of the compiled
function, so that other ones are not compiled anew. XRAI is built on `integrate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.arrays import name_images, refuse_masked
from tfviz.errors import InvalidImagesError, TfvizError, suggestion
from tfviz.methods.engine import (
    Convert,
    Diagnosed,
    Judge,
    Loop,
    each_repeated,
    gaussian_blur,
    integer,
    joined,
    method,
    split,
)
from tfviz.network.passes import Gradient, Passes

GAP = "completeness_gap"
BASELINE = "baseline"
TOLERATED_GAP = 0.05
ZERO_WAY = "at every pixel the image has the baseline's colour, or the score does not change on the way from it"
NAMED_BASELINES = ("zeros", "blurred", "uniform", "black", "white")
BLUR = 0.1  # of the shorter side: what is left are the colours of large areas


def check_baseline(shape: tuple[int, ...], options: Mapping[str, Any]) -> None:
    """Raise if the `baseline` among the options does not fit images of a shape (H, W, C)."""
    for each in _as_list(options["baseline"]):
        if not isinstance(each, str) and np.shape(each) not in ((), shape[2:], shape):
            raise _unfit(np.asarray(each), f"a colour {shape[2:]} or an image {shape}")


def _baseline(name: str, baseline: Any) -> Any:
    """Return a baseline; raise if it would not fit any image."""
    for each in _as_list(baseline):
        if isinstance(each, str):
            if each not in NAMED_BASELINES:
                expected = f"expected {', '.join(NAMED_BASELINES)}, a colour or an image"
                raise TfvizError(f"no baseline {each!r}; {suggestion(each, NAMED_BASELINES, expected, always=True)}")
            continue
        refuse_masked("baselines", each)
        try:
            array = np.asarray(each)
        except ValueError:  # lists of several lengths
            array = np.asarray(None)
        if array.dtype.kind not in "fiu" or array.ndim not in (0, 1, 3):
            raise _unfit(array, "a colour (C,) or an image (H, W, C)")
        if not np.isfinite(array).all():
            raise InvalidImagesError("the baseline holds NaN or infinite values")
    return baseline


def _unfit(array: np.ndarray, expected: str) -> InvalidImagesError:
    """Return the error for a baseline of the wrong shape or type."""
    return InvalidImagesError(
        f"the baseline has the shape {array.shape} and the type {array.dtype}; expected a number, {expected}, in the "
        "space of the images"
    )


WAY: dict[str, Convert] = {"baseline": _baseline, "steps": integer, "seed": partial(integer, least=0)}
"""The checks of the options of the way from a baseline to the image."""


def judge_completeness(name: str) -> Judge:
    """Return the function that warns about the completeness gap of the method of that name.

    It names the images whose gap is above `TOLERATED_GAP`. The gap is infinite if the score does not rise at all.
    """

    def judge(diagnostics: Mapping[str, np.ndarray]) -> list[str]:
        wide = np.flatnonzero(diagnostics[GAP] > TOLERATED_GAP)
        if not wide.size:
            return []
        worst = diagnostics[GAP].max()
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
    check=check_baseline,
    arguments=WAY,
    given_images=frozenset({BASELINE}),
    judge=judge_completeness("integrated_gradients"),
)
def integrated_gradients(passes: Passes, baseline: Any = "zeros", steps: int = 50, seed: int = 0) -> Loop:
    """Return (x − b) · the mean of ∂s_c/∂x at midpoints on the way from b to x, signed, (N, H, W, C) [1]_.

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
        The number of intervals on the way, for each baseline.
    seed
        Of the uniform noise.

    References
    ----------
    .. [1] Sundararajan, Taly, Yan, "Axiomatic Attribution for Deep Networks", 2017, arXiv 1703.01365, sections 3 and 5.
    """
    return integrate(passes, baseline, steps, seed)


def integrate(passes: Passes, baseline: Any, steps: Any, seed: Any) -> Loop:
    """Return the loop over the steps of every baseline, one baseline after the other; see `integrated_gradients`.

    The scores at the baselines are computed before it, in a loop of their own, so that the state holds the rise (N,)
    that the attributions must add up to, averaged over the baselines. The seed of a baseline's noise is `seed` plus its
    place among the baselines.
    """
    images = passes.images
    baselines = tf.stack(
        [_image(each, images, seed + number) for number, each in enumerate(_as_list(baseline))], axis=1
    )
    count: int = baselines.shape[1]
    of_each = tf.cast(steps, tf.float32)

    def gather_score(total: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        found = passes.again(joined(tf.gather(baselines, items, axis=1)), each_repeated(passes.targets, items)).scores
        return total + tf.reduce_sum(split(found, items), axis=1) / count

    def gather(state: tuple[tf.Tensor, tf.Tensor], items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Add the share of some steps: the way from the baseline, times the gradient at the step's midpoint."""
        total, rise = state
        start = tf.gather(baselines, items // steps, axis=1)
        share = (tf.cast(items % steps, tf.float32) + 0.5) / of_each
        way = images[:, tf.newaxis] - start
        places = start + share[:, tf.newaxis, tf.newaxis, tf.newaxis] * way
        found = passes.again(joined(places), each_repeated(passes.targets, items), [Gradient()]).gradient()
        return total + tf.reduce_sum(way * split(found, items), axis=1) / (of_each * count), rise

    def finish(state: tuple[tf.Tensor, tf.Tensor]) -> Diagnosed:
        total, rise = state
        gap = tf.abs(tf.reduce_sum(total, axis=(1, 2, 3)) - rise)
        return Diagnosed(total, {GAP: tf.where(gap == 0, 0.0, gap / tf.abs(rise))})

    at_baselines = Loop(count, tf.zeros_like(passes.scores), gather_score, lambda total: total)
    rise = passes.scores - at_baselines.run(passes.at_once, tf.shape(images)[0])
    return Loop(steps * count, (tf.zeros_like(images), rise), gather, finish)


def _as_list(baseline: Any) -> list[Any]:
    """Return the baselines as a list, also a single one; raise `TfvizError` for an empty list, or one of numbers.

    Several numbers could be a colour or as many grey baselines; a colour is given as an array.
    """
    if not isinstance(baseline, list | tuple):
        return [baseline]
    if len(baseline) > 1 and all(isinstance(each, int | float) for each in baseline):
        raise TfvizError(
            f"baseline is a list of numbers, {baseline!r}: give a colour as an array, np.array({baseline!r})"
        )
    if not baseline:
        raise TfvizError(
            f"baseline is an empty list; expected one or more of {', '.join(NAMED_BASELINES)}, a colour or an image"
        )
    return list(baseline)


def _image(baseline: Any, images: tf.Tensor, seed: Any) -> tf.Tensor:
    """Return the baseline (N, H, W, C) of every image."""
    if not isinstance(baseline, str):
        return tf.zeros_like(images) + tf.cast(baseline, tf.float32)
    if baseline == "blurred":
        shorter = tf.reduce_min(tf.shape(images)[1:3])
        return gaussian_blur(images, BLUR * tf.cast(shorter, tf.float32))
    if baseline == "uniform":
        lowest, highest = (reduce(images, axis=(1, 2, 3), keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
        return lowest + (highest - lowest) * tf.random.stateless_uniform(tf.shape(images)[1:], [seed, 0])
    if baseline in ("black", "white"):
        reduce = tf.reduce_min if baseline == "black" else tf.reduce_max
        return tf.zeros_like(images) + reduce(images, axis=(1, 2), keepdims=True)
    return tf.zeros_like(images)
