"""Where an integral over 0..1 is evaluated, with which weights, and in which rounds of more and more places.

Nodes and weights of Gauss and Legendre are the eigenvalues of a tridiagonal matrix and the squares of the first parts
of its eigenvectors (Golub, Welsch, "Calculation of Gauss Quadrature Rules", Mathematics of Computation, 1969). All of
it is in the graph, since how many steps there are may be known only there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

MIDPOINT, GAUSS_LEGENDRE = "midpoint", "gauss_legendre"
MOST_ROUNDS = 24


class Steps(NamedTuple):
    """What some items are: the number of their baseline (k,), the place on the way in 0..1 (k,) and its weight (k,).

    is_first, is_last: whether the first of them begins a round, and the last one ends it.
    """

    baseline: tf.Tensor
    share: tf.Tensor
    weight: tf.Tensor
    is_first: tf.Tensor
    is_last: tf.Tensor


class Rounds:
    """The items of rounds of n, 2n, 4n, ... steps for each of `count` baselines.

    items: how many there are.
    """

    def __init__(self, quadrature: str, steps: Any, most: Any, count: int) -> None:
        """Begin with n = `steps`; the last round has at most `most` of them, and there is one round if that is None."""
        lengths = tf.cast(steps, tf.int64) * 2 ** tf.range(MOST_ROUNDS, dtype=tf.int64)
        many = 1 if most is None else tf.reduce_sum(tf.cast(lengths <= tf.cast(most, tf.int64), tf.int32))
        self._lengths = tf.cast(lengths[:many], tf.int32)
        self._ends = tf.cumsum(self._lengths) * count
        self._count = count
        self._shares, self._weights = _nodes(quadrature, self._lengths)
        self.items = self._ends[-1]

    def end(self, done: tf.Tensor) -> tf.Tensor:
        """Return where the round ends in which the item of a number is."""
        return tf.gather(self._ends, self._number(done))

    def length(self, items: tf.Tensor) -> tf.Tensor:
        """Return the steps of the round that items are in."""
        return tf.gather(self._lengths, self._number(items[0]))

    def steps(self, items: tf.Tensor) -> Steps:
        """Return what items of one round are."""
        end, length = self.end(items[0]), self.length(items)
        start = end - length * self._count
        step = start // self._count + (items - start) % length
        share, weight = tf.gather(self._shares, step), tf.gather(self._weights, step)
        return Steps((items - start) // length, share, weight, items[0] == start, items[-1] + 1 == end)

    def _number(self, item: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(item >= self._ends, tf.int32))


def _nodes(quadrature: str, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the places and weights of rounds of those lengths, one round after the other, float32."""
    find = _midpoints if quadrature == MIDPOINT else _gauss_legendre
    count = tf.size(lengths)
    tables = [tf.TensorArray(tf.float32, count, infer_shape=False, element_shape=[None]) for _ in range(2)]

    def body(number: tf.Tensor, *tables: tf.TensorArray) -> tuple[Any, ...]:
        found = find(lengths[number])
        return number + 1, *(table.write(number, each) for table, each in zip(tables, found, strict=True))

    _, *tables = tf.while_loop(lambda number, *_: number < count, body, (0, *tables))
    shares, weights = (table.concat() for table in tables)
    return shares, weights


def _midpoints(count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    number = tf.cast(count, tf.float32)
    return (tf.cast(tf.range(count), tf.float32) + 0.5) / number, tf.fill([count], 1 / number)


def _gauss_legendre(count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    order = tf.cast(tf.range(1, count), tf.float64)
    beside = tf.linalg.diag(order / tf.sqrt(4 * order**2 - 1))
    matrix = tf.pad(beside, [[0, 1], [1, 0]]) + tf.pad(beside, [[1, 0], [0, 1]])
    places, vectors = tf.linalg.eigh(matrix)
    return tf.cast((places + 1) / 2, tf.float32), tf.cast(tf.square(vectors[0]), tf.float32)
