"""Sums of products that are means of probabilities, by their logarithms.

A mixture multiplies probabilities by weights and sums them, along axes or by a matrix product. If the weights add up to
1, the sum is a mean of the other factor, and log p and log(1 − p) are each a weighted sum of exponentials. Types do not
tell which factor is the weights, if any: that is seen from the numbers of a trial.

This is the arithmetic of a mixture of experts, whose weights are a softmax that depends on the image, of an ensemble
with fixed weights, and of a hierarchy of classes, whose matrix of zeros and ones adds up the classes below another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tfviz.network.heads.log_probabilities import NEVER, LogPair, reduced
from tfviz.network.program import Step

PRODUCTS = frozenset({"MatMul", "BatchMatMulV2"})


class Mixture(NamedTuple):
    """A sum of products u v along axes: a mean of one factor if the other one is weights that add up to 1.

    factors: u and v as they are multiplied with each other, of ranks that broadcast. made: which of them are
    probabilities, and not constants.
    """

    factors: Sequence[LogPair]
    made: Sequence[bool]
    axes: Sequence[int] | tf.Tensor
    keepdims: bool

    def total(self, place: int) -> tf.Tensor:
        """Return the logarithm of the sum of one factor, which is 0 for weights."""
        weights, parts = self._weighted_by(place)
        return self._sum(weights.log_p + tf.zeros_like(parts.log_p))

    def holds_probabilities(self, place: int) -> bool:
        """Return whether one factor is probabilities, or the constants 0 and 1 that choose among such."""
        chosen = tf.minimum(*self.factors[place]) <= NEVER
        return self.made[place] or bool(tf.reduce_all(chosen))

    def mean(self, place: int) -> LogPair:
        """Return the mean of the other factor with that one as its weights: log Σ w p and log Σ w (1 − p)."""
        weights, parts = self._weighted_by(place)
        return LogPair(self._sum(weights.log_p + parts.log_p), self._sum(weights.log_p + parts.log_rest))

    def _weighted_by(self, place: int) -> tuple[LogPair, LogPair]:
        return self.factors[place], self.factors[1 - place]

    def _sum(self, values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_logsumexp(values, axis=self.axes, keepdims=self.keepdims)


def matrix_product(step: Step, factors: Sequence[LogPair], made: Sequence[bool]) -> Mixture | None:
    """Return a matrix product as a sum of products along an axis; None if a matrix is transposed.

    (.., n, m) by (.., m, k) is (.., n, m, 1) times (.., 1, m, k), summed along m. All products are in memory at once,
    which is affordable for classes and experts, of which there are few.
    """
    transposed = ("transpose_a", "transpose_b") if step.type == "MatMul" else ("adj_x", "adj_y")
    if any(step.operation.get_attr(name) for name in transposed):
        return None
    rows = reduced(factors[0], lambda values: values[..., tf.newaxis])
    columns = reduced(factors[1], lambda values: values[..., tf.newaxis, :, :])
    return Mixture((rows, columns), made, [-2], False)
