"""Moments of results that come in chunks, and the statistics that are made of them with the errors of these.

They are updated with every chunk, since a difference of sums would lose small variances (Pébay, "Formulas for Robust,
One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical Moments", 2008, Sandia report
SAND2008-6212). How precise a statistic is follows from moments of twice its own order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfviz.methods.engine.loop import per_row


class Moments(NamedTuple):
    """The count (N,) of the results so far, their mean, and the sums of powers of their distances from it.

    The second power for all; the third and the fourth only of a variance, and else without an axis behind the images.
    """

    count: tf.Tensor
    mean: tf.Tensor
    squares: tf.Tensor
    cubes: tf.Tensor
    fourths: tf.Tensor


class Statistic(NamedTuple):
    """What is made of the results: values of each, of the moments a result and the variance of that as an estimate.

    order: the power up to which moments are gathered.
    """

    of_each: Callable[[tf.Tensor], tf.Tensor]
    result: Callable[[Moments], tf.Tensor]
    variance: Callable[[Moments], tf.Tensor]
    order: int = 2


def _mean(seen: Moments) -> tf.Tensor:
    return seen.mean


def _variance(seen: Moments) -> tf.Tensor:
    return seen.squares / per_row(seen.count, seen.squares)


def _variance_of_mean(seen: Moments) -> tf.Tensor:
    """Return s² / n; infinite for a single value, of which nothing is known."""
    count = per_row(seen.count, seen.squares)
    return tf.where(count > 1, seen.squares / (count * (count - 1)), float("inf"))


def _variance_of_variance(seen: Moments) -> tf.Tensor:
    """Return (m₄ − m₂²) / n, which is right for many values."""
    count = per_row(seen.count, seen.squares)
    spread = tf.nn.relu(seen.fourths / count - tf.square(seen.squares / count))
    return tf.where(count > 1, spread / count, float("inf"))


SAMPLE_MEAN = Statistic(tf.identity, _mean, _variance_of_mean)
SAMPLE_MEAN_SQUARE = Statistic(tf.square, _mean, _variance_of_mean)
SAMPLE_VARIANCE = Statistic(tf.identity, _variance, _variance_of_variance, order=4)


def moments_of(values: tf.Tensor, order: int) -> Moments:
    """Return the moments of values (N, k, ...) up to that order."""
    mean = tf.reduce_mean(values, axis=1)
    apart = values - mean[:, tf.newaxis]
    count = tf.fill(tf.shape(values)[:1], tf.cast(tf.shape(values)[1], tf.float32))
    squares = tf.reduce_sum(tf.square(apart), axis=1)
    if order == 2:
        return Moments(count, mean, squares, tf.zeros_like(count), tf.zeros_like(count))
    return Moments(count, mean, squares, tf.reduce_sum(apart**3, axis=1), tf.reduce_sum(apart**4, axis=1))


def taken_together(one: Moments, other: Moments) -> Moments:
    """Return the moments of the values of two together."""
    first, second = (per_row(each.count, each.mean) for each in (one, other))
    total, apart = first + second, other.mean - one.mean
    squares = one.squares + other.squares + tf.square(apart) * first * second / total
    found = Moments(one.count + other.count, one.mean + apart * second / total, squares, one.cubes, one.fourths)
    if one.cubes.shape.rank == 1:
        return found
    cubes = one.cubes + other.cubes + apart**3 * first * second * (first - second) / total**2
    cubes += 3 * apart * (first * other.squares - second * one.squares) / total
    fourths = one.fourths + other.fourths + 4 * apart * (first * other.cubes - second * one.cubes) / total
    fourths += apart**4 * first * second * (first**2 - first * second + second**2) / total**3
    fourths += 6 * tf.square(apart) * (first**2 * other.squares + second**2 * one.squares) / total**2
    return found._replace(cubes=cubes, fourths=fourths)
