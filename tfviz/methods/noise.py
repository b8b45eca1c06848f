"""Any method over noisy copies of the image: the mean, the variance or the mean square of its results.

The noise of a sample is the same for every image, so that the result of an image does not depend on its batch. Samples
are not kept: count, mean and squared distances are updated with every chunk of them, since a difference of sums would
lose small variances. If the inner method is a loop itself, it runs whole inside this one, in the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from tfviz.methods.engine import (
    INNER,
    INNER_OPTIONS,
    LAYER,
    Convert,
    Diagnosed,
    Loop,
    Method,
    each_repeated,
    find_method,
    integer,
    joined,
    method,
    number,
    split,
)
from tfviz.network.passes import Features, Passes

SMILKOV = "Smilkov 2017, arXiv 1706.03825"
SAMPLING: dict[str, Convert] = {
    "samples": integer,
    "noise": partial(number, least=0),
    "seed": partial(integer, least=0),
}
NEEDS = "whatever the inner method needs"
COST = "the inner method's for each sample"


class Moments(NamedTuple):
    """The count of the results so far, their mean, and the sum of their squared distances from it."""

    count: tf.Tensor
    mean: tf.Tensor
    squares: tf.Tensor


@method(
    result="inner",
    sign=None,
    paper=SMILKOV,
    needs=NEEDS,
    cost=COST,
    arguments=SAMPLING,
    caution="smooth, which is not the same as faithful: the noise decides what is left",
)
def smooth_grad(
    passes: Passes,
    *,
    of: str = "gradient",
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Loop:
    """Return the mean of a method's results over noisy copies of the image [1]_.

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
    options
        The inner method's own options: `{"layer": "block5_conv3"}`.

    References
    ----------
    .. [1] Smilkov et al., "SmoothGrad", 2017, arXiv 1706.03825, section 3.
    """
    return over_noise(passes, of, (samples, noise, seed), options, lambda seen: seen.mean)


@method(
    result="inner",
    sign="magnitude",
    paper="Adebayo 2018, arXiv 1810.03307",
    needs=NEEDS,
    cost=COST,
    arguments=SAMPLING,
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
    options: Mapping[str, Any] | None = None,
) -> Loop:
    """Return the variance of a method's results over noisy copies of the image, at least 0, in its squared unit [1]_.

    The options are those of `smooth_grad`.

    References
    ----------
    .. [1] Adebayo et al., "Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values",
       2018, arXiv 1810.03307, section 2.
    """
    return over_noise(passes, of, (samples, noise, seed), options, lambda seen: seen.squares / seen.count)


@method(
    result="inner",
    sign="magnitude",
    paper="Hooker 2018, arXiv 1806.10758",
    needs=NEEDS,
    cost=COST,
    arguments=SAMPLING,
    caution="without sign; the square lets few pixels outshine all others",
)
def square_grad(
    passes: Passes,
    *,
    of: str = "gradient",
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Loop:
    """Return the mean square of a method's results over noisy copies, at least 0, in its squared unit [1]_.

    The options are those of `smooth_grad`.

    References
    ----------
    .. [1] Hooker et al., "A Benchmark for Interpretability Methods in Deep Neural Networks", 2018, arXiv 1806.10758,
       section 3 (SmoothGrad-Squared).
    """
    return over_noise(
        passes, of, (samples, noise, seed), options, lambda seen: seen.mean**2 + seen.squares / seen.count
    )


def over_noise(
    passes: Passes,
    of: str,
    sampling: tuple[Any, Any, Any],
    options: Mapping[str, Any] | None,
    finish: Callable[[Moments], tf.Tensor],
) -> Loop:
    """Return the loop over noisy copies that gathers the moments of the method's results.

    Parameters
    ----------
    of, options
        The method and all of its options; None means its defaults.
    sampling
        Samples, noise and seed, as `smooth_grad` takes them; they may be tensors.
    finish
        Makes the result from the moments.
    """
    inner, completed = find_method(of), find_method(of).complete({}) if options is None else options
    samples, noise, seed = sampling
    images = passes.images
    span = tf.reduce_max(images, axis=(1, 2, 3)) - tf.reduce_min(images, axis=(1, 2, 3))
    deviation = noise * span[:, tf.newaxis, tf.newaxis, tf.newaxis, tf.newaxis]

    def evaluate(images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        found = inner.compute(
            again := passes.again(images, targets, inner.gradients_at(completed.get(LAYER))), **completed
        )
        if isinstance(found, Loop):
            found = found.run(again.at_once, tf.shape(images)[0])
        return found.result if isinstance(found, Diagnosed) else found

    def gather(seen: Moments, numbers: tf.Tensor) -> Moments:
        """Add the results for some samples, whose noise depends on the seed and the number of the sample alone."""
        shape = tf.shape(images)[1:]
        drawn = tf.map_fn(
            lambda sample: tf.random.stateless_normal(shape, [seed, sample]), numbers, fn_output_signature=tf.float32
        )
        noisy = images[:, tf.newaxis] + deviation * drawn
        found = split(evaluate(joined(noisy), each_repeated(passes.targets, numbers)), numbers)
        return _merged(seen, found)

    empty = tf.zeros(_shape(passes, inner, completed))
    return Loop(samples, Moments(tf.zeros([]), empty, empty), gather, finish)


def _shape(passes: Passes, method: Method, options: Mapping[str, Any]) -> tf.Tensor:
    """Return the shape of the result of a method for the images."""
    if INNER in options:
        return _shape(passes, find_method(options[INNER]), options[INNER_OPTIONS])
    if not options.get("upsample", True):
        announced = [Features(options[LAYER])]
        return tf.shape(passes.again(passes.images, passes.targets, announced).features(options[LAYER]))[:3]
    shape = tf.shape(passes.images)
    return shape if method.result == "attribution" else shape[:3]


def _merged(seen: Moments, values: tf.Tensor) -> Moments:
    """Return the moments with more values (N, k, ...): updated, since a difference of sums loses small variances."""
    count = tf.cast(tf.shape(values)[1], tf.float32)
    mean = tf.reduce_mean(values, axis=1)
    squares = tf.reduce_sum(tf.square(values - mean[:, tf.newaxis]), axis=1)
    total, apart = seen.count + count, mean - seen.mean
    return Moments(
        total,
        seen.mean + apart * count / total,
        seen.squares + squares + tf.square(apart) * seen.count * count / total,
    )
