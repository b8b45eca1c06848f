"""Arithmetic on probabilities by their logarithms, which stays exact where a probability is nearly 0 or 1.

Both log p and log(1 − p) are carried along, since float32 rounds a p close to 1 to 1, from which log(1 − p) can no
longer be told; the log odds are the difference of the two. Log 0 is a large finite number, and both branches of every
choice are kept finite, since TensorFlow differentiates both: a gradient past them is zero and not NaN.

Everything is float32. A probability of 1 − 1e-20, which float32 rounds to 1, still has its log odds of 46. The sum of
two pairs is a pair again only if they are shares of one whole, which `share` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

# Stands for log 0: finite, so that a gradient past it is zero and not NaN.
NEVER = -1e30
# The logarithm of the largest float32 below 1, which a probability that was rounded to 1 may have been.
NEARLY_SURE = -6e-8
LOG_HALF = -0.6931472
# Stands for a difference of log odds that is 0 or less: too small to matter, and its logarithm is finite.
SMALLEST = 1e-12
# Nearly the smallest float32 whose logarithm is exact.
TINY = 1e-37


class LogPair(NamedTuple):
    """The logarithms of probabilities p and of the rest.

    That is 1 − p or, of the parts of a mean, what is left of their share.
    """

    log_p: tf.Tensor
    log_rest: tf.Tensor

    @property
    def share(self) -> tf.Tensor:
        """The logarithm of the whole that both add up to: 0 if p is a probability by itself."""
        return add(self.log_p, self.log_rest)

    @property
    def log_odds(self) -> tf.Tensor:
        """log(p / (1 − p)), finite."""
        return tf.clip_by_value(self.log_p - self.log_rest, NEVER, -NEVER)


def add(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Return log(eᵃ + eᵇ)."""
    return tf.maximum(one, other) + tf.math.log1p(tf.exp(-tf.abs(one - other)))


def complement(log_p: tf.Tensor) -> tf.Tensor:
    """Return log(1 − p) of log p, which is below 0: by `log1p` for p up to a half, and by `expm1` above it.

    Mächler, "Accurately computing log(1 − exp(−|a|))", 2012, with the same bound, log 2.
    """
    is_large = log_p > LOG_HALF
    # Both branches are differentiated, so that neither may be infinite where it is not taken.
    large = tf.math.log(-tf.math.expm1(tf.where(is_large, log_p, LOG_HALF)))
    return tf.where(is_large, large, tf.math.log1p(-tf.exp(tf.where(is_large, LOG_HALF, log_p))))


def rounded_complement(log_p: tf.Tensor) -> tf.Tensor:
    """Return log(1 − p) as far as float32 still knows it from log p, for want of anything more exact."""
    return complement(tf.minimum(log_p, NEARLY_SURE))


def log_of(number: tf.Tensor) -> tf.Tensor:
    """Return the logarithm of numbers that are not negative, `NEVER` of 0."""
    is_positive = number > 0
    return tf.where(is_positive, tf.math.log(tf.where(is_positive, number, 1.0)), NEVER)


def of_number(number: tf.Tensor) -> LogPair:
    """Return constants as probabilities."""
    return LogPair(log_of(number), log_of(1 - number))


def of_sigmoid(logits: tf.Tensor) -> LogPair:
    """Return the probabilities of independent labels: log p = −softplus(−x), log(1 − p) = −softplus(x)."""
    return LogPair(-tf.math.softplus(-logits), -tf.math.softplus(logits))


def of_softmax(logits: tf.Tensor) -> LogPair:
    """Return the probabilities of exclusive classes along the last axis.

    The rest of the best class is the logsumexp of the others. The rest of any other class includes the best one, so it
    is not small and follows from p.
    """
    logits = tf.maximum(logits, NEVER)
    logits -= tf.stop_gradient(tf.reduce_max(logits, axis=-1, keepdims=True))
    total = tf.reduce_logsumexp(logits, axis=-1, keepdims=True)
    best = tf.one_hot(tf.argmax(logits, axis=-1), tf.shape(logits)[-1], True, False, dtype=tf.bool)
    log_p, others = logits - total, tf.reduce_logsumexp(tf.where(best, NEVER, logits), axis=-1, keepdims=True) - total
    # Only the best class may have more than a half, and then what the others have is known best.
    is_large = best & (others < LOG_HALF)
    large = complement(tf.where(is_large, others, LOG_HALF))
    return LogPair(
        tf.where(is_large, large, log_p), tf.where(best, others, complement(tf.where(best, LOG_HALF, log_p)))
    )


def of_power(exponents: tf.Tensor) -> LogPair:
    """Return powers of e, of which nothing is left beside them."""
    return LogPair(exponents, tf.fill(tf.shape(exponents), NEVER))


def scaled(pair: LogPair, factor: tf.Tensor) -> LogPair:
    """Return a share of probabilities."""
    return LogPair(pair.log_p + log_of(factor), pair.log_rest + log_of(factor))


def sum_of(pairs: Sequence[LogPair]) -> LogPair:
    """Return the sum of several."""
    first, *rest = pairs
    for pair in rest:
        first = LogPair(add(first.log_p, pair.log_p), add(first.log_rest, pair.log_rest))
    return first


def product(one: LogPair, other: LogPair) -> LogPair:
    """Return p q, and beside it 1 − p q = (1 − p) + p (1 − q)."""
    return LogPair(one.log_p + other.log_p, add(one.log_rest + other.share, one.log_p + other.log_rest))


def difference(one: LogPair, other: LogPair) -> LogPair:
    """Return p − q of probabilities p ≥ q, p (1 − q) (1 − e^(logit q − logit p)); nearly 0 if q is larger."""
    apart = tf.maximum(one.log_odds - other.log_odds, SMALLEST)
    return LogPair(one.log_p + other.log_rest + complement(-apart), add(one.log_rest, other.log_p))


def power(pair: LogPair, exponent: tf.Tensor) -> LogPair:
    """Return p to a positive power; one below 1 is a root, as in a geometric mean."""
    log_p = pair.log_p * exponent
    return LogPair(log_p, complement(tf.minimum(log_p, -SMALLEST)))


def reduced(pair: LogPair, how: Callable[[tf.Tensor], tf.Tensor]) -> LogPair:
    """Return both logarithms after the same operation."""
    return LogPair(how(pair.log_p), how(pair.log_rest))


def running_product(pair: LogPair, axis: int, *, exclusive: bool, reverse: bool) -> LogPair:
    """Return p₀ p₁ ... up to each: 1 − p₀ ... pₖ = Σᵢ p₀ ... pᵢ₋₁ (1 − pᵢ)."""
    direction = {"axis": axis, "reverse": reverse}
    log_p = tf.cumsum(pair.log_p, exclusive=exclusive, **direction)
    before = tf.cumsum(pair.log_p, exclusive=True, **direction)
    log_rest = tf.math.cumulative_logsumexp(before + pair.log_rest, exclusive=exclusive, **direction)
    return LogPair(log_p, tf.maximum(log_rest, NEVER))


def product_along(pair: LogPair, axis: int, *, keepdims: bool) -> LogPair:
    """Return the product along an axis, with the rest as in `running_product`."""
    before = tf.cumsum(pair.log_p, axis=axis, exclusive=True)
    log_rest = tf.reduce_logsumexp(before + pair.log_rest, axis=axis, keepdims=keepdims)
    return LogPair(tf.reduce_sum(pair.log_p, axis=axis, keepdims=keepdims), log_rest)
