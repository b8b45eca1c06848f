"""Reads and joins windows of maps: what a patch changes, in the middle of what it does not.

A window is what was computed anew of a value, for each image and place of the patch (N · k, h, w, ...); around it lies
the map of the image without a patch, (N, H, W, ...). Whatever an operation reads is gathered from both, and from the
padding outside of the map, by one `tf.gather` of places, which copies the channels of each as they lie in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfviz.network.incremental.spans import Span, are_same
from tfviz.network.program import TensorsByValue, Value


class Window(NamedTuple):
    """The window of a value: its rows and its columns, for every row and column of places of the patch."""

    rows: Span
    columns: Span

    @property
    def size(self) -> tuple[int, int]:
        """Its height and width."""
        return self.rows.length, self.columns.length

    @property
    def share(self) -> float:
        """Its share of the map."""
        return self.rows.length * self.columns.length / (self.rows.axis * self.columns.axis)

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole map."""
        return self.rows.is_whole and self.columns.is_whole

    def is_same(self, other: Window) -> bool:
        """Return whether both are read from the same places."""
        return are_same(self.rows, other.rows) and are_same(self.columns, other.columns)


class Read(NamedTuple):
    """Places that are read along an axis: `length` in a row, from `first` (n,); some may lie outside of it."""

    first: np.ndarray
    length: int

    def tables(self, span: Span) -> tuple[np.ndarray, np.ndarray]:
        """Return for each place (n, length) its number on the axis and in the window; −1 outside of either."""
        places = self.first[:, np.newaxis] + np.arange(self.length)
        inside = (places >= 0) & (places < span.axis)
        within = places - span.start[:, np.newaxis]
        is_changed = inside & (within >= 0) & (within < span.length)
        return np.where(inside, places, -1), np.where(is_changed, within, -1)


@dataclass(eq=False)
class Windows:
    """The values of N rows, each an image with the patch at k places, while a program runs.

    base: the tensors of the images without a patch; as many rows in turn are of each. rows, columns: int32 (k,), where
    in the tables of spans each place is. changed: the windows (N · k, h, w, ...) of values that have one, and the whole
    tensors (N · k, ...) of others.
    """

    base: TensorsByValue
    known: Mapping[Value, Window]
    count: tf.Tensor
    rows: tf.Tensor
    columns: tf.Tensor
    changed: dict[Value, tf.Tensor] = field(default_factory=dict)

    def __getitem__(self, value: Value) -> tf.Tensor:
        """Return a value as a whole: (N · k, ...), or as it is without a patch if that changes nothing of it."""
        if value not in self.changed:
            return self.base[value]
        window = self.known.get(value)
        if window is None or window.is_whole:
            return self.changed[value]
        whole = self.read(value, [Read(np.zeros_like(span.start), span.axis) for span in window])
        whole.set_shape(value.shape)
        return whole

    def at(self, value: Value, window: Window) -> tf.Tensor:
        """Return a value in a window that holds its own."""
        if window.is_same(self.known[value]):
            return self.changed[value]
        return self.read(value, [Read(span.start, span.length) for span in window])

    def read(self, value: Value, reads: Sequence[Read], fill: float | None = None) -> tf.Tensor:
        """Return the places of a value that are read, (N · k, h, w, ...); `fill` stands outside of the map."""
        rows, columns = reads
        base, changed, window = self.base[value], self.changed[value], self.known[value]
        axes = window.rows.axis, window.columns.axis
        size = int(np.prod(base.shape[3:], dtype=int))
        parts = [tf.reshape(base, [-1, size]), tf.reshape(changed, [-1, size])]
        if fill is not None:
            parts.append(tf.fill([1, size], tf.cast(fill, base.dtype)))
        y, v = (tf.gather(tf.constant(table, tf.int32), self.rows) for table in rows.tables(window.rows))
        x, u = (tf.gather(tf.constant(table, tf.int32), self.columns) for table in columns.tables(window.columns))
        images, places, area = tf.shape(base)[0], tf.size(self.rows), axes[0] * axes[1]
        number = tf.range(self.count)[:, tf.newaxis, tf.newaxis, tf.newaxis]
        y, v, x, u = y[:, :, tf.newaxis], v[:, :, tf.newaxis], x[:, tf.newaxis], u[:, tf.newaxis]
        height, width = window.size
        # Several rows may be of one image, such as its targets.
        from_base = number * images // self.count * area + (y * axes[1] + x)
        patch = number * places + tf.range(places)[:, tf.newaxis, tf.newaxis]
        where = tf.where((v >= 0) & (u >= 0), images * area + patch * (height * width) + (v * width + u), from_base)
        if fill is not None:
            last = images * area + self.count * places * (height * width)
            where = tf.where((y >= 0) & (x >= 0), where, last)
        found = tf.gather(tf.concat(parts, axis=0), where)
        return tf.reshape(found, [-1, rows.length, columns.length, *base.shape[3:]])
