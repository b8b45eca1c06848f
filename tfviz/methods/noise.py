"""Any method over noisy copies of the image: the mean, the variance or the mean square of its results.

The noise of a sample is the same for every image, so that the result of an image does not depend on its batch. Samples
are not kept, but for their moments. If the inner method is a loop itself, it runs whole inside this one, in the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from tfviz.methods.engine import (
    ENDS_AT,
    INNER,
    INNER_OPTIONS,
    LAYER,
    SAMPLE_MEAN,
    SAMPLE_MEAN_SQUARE,
    SAMPLE_VARIANCE,
    STANDARD_ERROR,
    Convert,
    Diagnosed,
    Loop,
    Method,
    Moments,
    Statistic,
    each_repeated,
    find_method,
    integer,
    joined,
    judge_tolerance,
    method,
    moments_of,
    number,
    optional,
    per_row,
    relative_error,
    split,
    taken_together,
    until_precise,
)
from tfviz.network.passes import Features, Passes

SMILKOV = "Smilkov 2017, arXiv 1706.03825"
SAMPLING: dict[str, Convert] = {
    "samples": integer,
    "noise": partial(number, least=0),
    "seed": partial(integer, least=0),
    ENDS_AT: optional(partial(number, above=0)),
}
LOOK = 8
"""After that many samples is looked whether they are enough."""
NEEDS = "whatever the inner method needs"
COST = "the inner method's for each sample"


class Sampling(NamedTuple):
    """The options of noisy copies: their number, the deviation of the noise, its seed, and when they are enough."""

    samples: Any
    noise: Any
    seed: Any
    tolerance: Any = None


@method(
    result="inner",
    sign=None,
    paper=SMILKOV,
    needs=NEEDS,
    cost=COST,
    arguments=SAMPLING,
    judge=judge_tolerance("smooth_grad"),
    caution="smooth, which is not the same as faithful: the noise decides what is left",
)
def smooth_grad(
    passes: Passes,
    *,
    of: str = "gradient",
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    tolerance: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> Loop:
    """Return the mean of a method's results over noisy copies of the image [1]_.

    The L2 norm of its standard errors, as a share of that of the result, is among the diagnostics of `explain` as
    `standard_error`: by how much it would be another with other noise.

    Parameters
    ----------
    of
        The name of any method of `tfviz.METHODS`; the result has its shape and unit.
    samples
        The number of noisy copies.
    noise
        The standard deviation of the noise, in units of the range (maximum − minimum) of each image.
    seed
        Of the noise, which is the same for every image.
    tolerance
        The standard error at which an image needs no more samples: it is looked at after every eighth, and `samples`
        are the most. None takes all samples. A warning names the images for which they were not enough; how many were
        used is among the diagnostics as `samples_used`.
    options
        The inner method's own options: `{"layer": "block5_conv3"}`.

    References
    ----------
    .. [1] Smilkov et al., "SmoothGrad", 2017, arXiv 1706.03825, section 3.
    """
    return over_noise(passes, of, Sampling(samples, noise, seed, tolerance), options, SAMPLE_MEAN)


@method(
    result="inner",
    sign="magnitude",
    paper="Adebayo 2018, arXiv 1810.03307",
    needs=NEEDS,
    cost=COST,
    arguments=SAMPLING,
    judge=judge_tolerance("var_grad"),
    caution="large where the method is unsteady, which need not be where it is large",
    when_zero="the inner method gives the same result for every noisy copy",
)
def var_grad(
    passes: Passes,
    *,
    of: str = "gradient",
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    tolerance: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> Loop:
    """Return the variance of a method's results over noisy copies of the image, at least 0, in its squared unit [1]_.

    The options are those of `smooth_grad`.

    References
    ----------
    .. [1] Adebayo et al., "Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values",
       2018, arXiv 1810.03307, section 2.
    """
    return over_noise(passes, of, Sampling(samples, noise, seed, tolerance), options, SAMPLE_VARIANCE)


@method(
    result="inner",
    sign="magnitude",
    paper="Hooker 2018, arXiv 1806.10758",
    needs=NEEDS,
    cost=COST,
    arguments=SAMPLING,
    judge=judge_tolerance("square_grad"),
    caution="without sign; the square lets few pixels outshine all others",
)
def square_grad(
    passes: Passes,
    *,
    of: str = "gradient",
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    tolerance: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> Loop:
    """Return the mean square of a method's results over noisy copies, at least 0, in its squared unit [1]_.

    The options are those of `smooth_grad`.

    References
    ----------
    .. [1] Hooker et al., "A Benchmark for Interpretability Methods in Deep Neural Networks", 2018, arXiv 1806.10758,
       section 3 (SmoothGrad-Squared).
    """
    return over_noise(passes, of, Sampling(samples, noise, seed, tolerance), options, SAMPLE_MEAN_SQUARE)


def over_noise(
    passes: Passes, of: str, sampling: Sampling, options: Mapping[str, Any] | None, statistic: Statistic
) -> Loop:
    """Return the loop over noisy copies that gathers the moments of the method's results.

    of, options: the method and all of its options; None means its defaults. Numbers of `sampling` may be tensors.
    statistic: what is made of the results.
    """
    inner, completed = find_method(of), find_method(of).complete({}) if options is None else options
    images = passes.images
    span = tf.reduce_max(images, axis=(1, 2, 3)) - tf.reduce_min(images, axis=(1, 2, 3))
    deviation = sampling.noise * per_row(span, images)[:, tf.newaxis]

    def gather(seen: Moments, numbers: tf.Tensor) -> Moments:
        """Add the results for some samples, whose noise depends on the seed and the number of the sample alone."""
        shape = tf.shape(images)[1:]
        drawn = tf.map_fn(
            lambda sample: tf.random.stateless_normal(shape, [sampling.seed, sample]),
            numbers,
            fn_output_signature=tf.float32,
        )
        noisy = joined(images[:, tf.newaxis] + deviation * drawn)
        found = _evaluated(passes, inner, completed, noisy, each_repeated(passes.targets, numbers))
        return taken_together(seen, moments_of(statistic.of_each(split(found, numbers)), statistic.order))

    def error(seen: Moments) -> tf.Tensor:
        return relative_error(statistic.result(seen), statistic.variance(seen))

    def finish(seen: Moments) -> Diagnosed:
        return Diagnosed(statistic.result(seen), {STANDARD_ERROR: error(seen)})

    empty, none = tf.zeros(_shape(passes, inner, completed)), tf.zeros_like(span)
    higher = empty if statistic.order > 2 else none
    loop = Loop(sampling.samples, Moments(none, empty, empty, higher, higher), gather, finish)
    return loop if sampling.tolerance is None else until_precise(loop, error, sampling.tolerance, LOOK)


def _evaluated(
    passes: Passes, inner: Method, options: Mapping[str, Any], images: tf.Tensor, targets: tf.Tensor
) -> tf.Tensor:
    """Return what the inner method finds in images made of those of the passes."""
    again = passes.again(images, targets, inner.gradients_at(options.get(LAYER)))
    found = inner.compute(again, **options)
    if isinstance(found, Loop):
        found = found.run(again.at_once, tf.shape(images)[0])
    return found.result if isinstance(found, Diagnosed) else found


def _shape(passes: Passes, method: Method, options: Mapping[str, Any]) -> tf.Tensor:
    """Return the shape of the result of a method for the images."""
    if INNER in options:
        return _shape(passes, find_method(options[INNER]), options[INNER_OPTIONS])
    if not options.get("upsample", True):
        announced = [Features(options[LAYER])]
        return tf.shape(passes.again(passes.images, passes.targets, announced).features(options[LAYER]))[:3]
    shape = tf.shape(passes.images)
    return shape if method.result == "attribution" else shape[:3]
