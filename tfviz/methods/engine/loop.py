"""Gathers results that take many runs of the network, a chunk at a time, in accumulators instead of stacks.

A loop is data: a method returns what to gather, and the engine decides how. A call advances it in stretches from the
host (see `batching`); in an export, or inside another method, it runs whole in the graph (`Loop.run`). Results of
several items of N images lie in one batch (N · k, ...), those of an image together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfviz.network.program import on_its_own


@dataclass(frozen=True)
class Diagnosed:
    """A result, with numbers (N,) by name that say how far that of each image can be trusted."""

    result: tf.Tensor
    diagnostics: dict[str, tf.Tensor]


@dataclass(frozen=True)
class Until:
    """When a loop may end before its last item.

    look: takes the number of items that are done, and returns the number after which is looked next: where a loop ends
    must not depend on how many items are run at once. ended: whether a state needs no more items of any image, bool ().
    """

    look: Callable[[tf.Tensor], tf.Tensor]
    ended: Callable[[Any], tf.Tensor]


@dataclass(frozen=True)
class Loop:
    """A result of N images that is gathered from `items` of something: samples, masks, channels, positions.

    start: the state before the first item, nested tensors, whose shapes do not change. gather: takes the state and the
    numbers (k,) of the next items, and returns the state with those items of every image. finish: makes the result of
    the last state. until: when it may end earlier; then a call runs each image by itself.
    """

    items: tf.Tensor | int
    start: Any
    gather: Callable[[Any, tf.Tensor], Any]
    finish: Callable[[Any], tf.Tensor | Diagnosed]
    until: Until | None = None

    def advance(self, state: Any, first: tf.Tensor | int, last: tf.Tensor | int, chunk: tf.Tensor) -> Any:
        """Return the state after the items from `first`, a multiple of `chunk`, up to `last`, that many at a time."""

        def goes_on(done: tf.Tensor, state: Any) -> tf.Tensor:
            return done < last if self.until is None else (done < last) & ~self.until.ended(state)

        @on_its_own
        def body(done: tf.Tensor, state: Any) -> Any:
            stop = tf.minimum((done // chunk + 1) * chunk, last)
            stop = stop if self.until is None else tf.minimum(stop, self.until.look(done))
            gathered = self.gather(state, tf.range(done, stop))
            return stop, tf.nest.map_structure(lambda new, old: tf.ensure_shape(new, old.shape), gathered, state)

        # One iteration after the other: several at once would multiply the memory.
        _, state = tf.while_loop(goes_on, body, (first, state), parallel_iterations=1)
        return state

    def run(self, at_once: tf.Tensor | int, count: tf.Tensor) -> tf.Tensor | Diagnosed:
        """Return the result of `count` images, with at most `at_once` of them (times items) run at once."""
        return self.finish(self.advance(self.start, 0, self.items, items_at_once(at_once, count)))


def per_row(rows: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
    """Return values (N,) with the rank of a tensor (N, ...), with which they are to be broadcast."""
    return tf.reshape(rows, tf.concat([[-1], tf.ones([tf.rank(tensor) - 1], tf.int32)], axis=0))


def items_at_once(at_once: tf.Tensor | int, count: tf.Tensor) -> tf.Tensor:
    """Return how many items of each of `count` images are run at once."""
    return tf.maximum(1, at_once // count)


def each_repeated(tensor: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
    """Return every row of a tensor (N, ...) once for each of k items, those of a row together: (N · k, ...)."""
    return tf.repeat(tensor, tf.size(items), axis=0)


def joined(tensor: tf.Tensor) -> tf.Tensor:
    """Return a tensor (N, k, ...) as (N · k, ...)."""
    return tf.reshape(tensor, tf.concat([[-1], tf.shape(tensor)[2:]], axis=0))


def split(tensor: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
    """Return a tensor (N · k, ...) as (N, k, ...)."""
    return tf.reshape(tensor, tf.concat([[-1, tf.size(items)], tf.shape(tensor)[1:]], axis=0))
