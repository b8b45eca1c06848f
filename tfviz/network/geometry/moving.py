"""One operation that moves numbers about, and the readings of its results.

`moves` and `cuts` describe each result by the values that it reads and a `Reading` for each of their axes. An axis of
open size has none, but for the batch's, which has as many places as one image has there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.network.geometry.constants import Constants
from tfviz.network.geometry.coordinates import Reading
from tfviz.network.program import Step, Value

# Of one result: each value that it is made of, and how it reads that value's axes.
Moved = Sequence[tuple[Value, dict[int, Reading]]]
Axes = dict[int, Reading]


@dataclass(frozen=True)
class Moving:
    """A step that moves numbers about. batch: the batch's axis. rows: how many of its places an image has."""

    step: Step
    constants: Constants
    rows: int
    batch: int

    def constant(self, index: int) -> Any:
        """Return the array that an input always is, None for none."""
        return self.constants.find(self.step.inputs[index])

    def whole(self, value: Value) -> Axes:
        """Return the reading of a whole value as it is; the batch's axis has its places of one image."""
        return whole(value.shape, self.rows, self.batch)

    def renamed(self, value: Value, name: Callable[[int], int | None]) -> Axes:
        """Return the reading of a whole value whose axes get other numbers, None for an axis that is gone."""
        return {axis: Reading(each.positions, name(axis)) for axis, each in self.whole(value).items()}

    def along(self, value: Value, axis: int, positions: np.ndarray, *, crops: bool = False) -> Axes:
        """Return the reading of a value whose places are moved along one axis.

        positions: the place of the value for each place of the result, NaN for none. The scale is the distance between
        them if that is the same everywhere, and 1 for places in any other order.
        """
        known = positions[np.isfinite(positions)]
        steps = np.abs(np.diff(known))
        scale = float(steps[0]) if steps.size and np.ptp(steps) == 0 and steps[0] else 1.0
        return {**self.whole(value), axis: Reading(positions, axis, scale, crops)}


def whole(shape: tf.TensorShape, rows: int, batch: int) -> Axes:
    """Return the readings of all axes of a value, but for those of open size."""
    sizes = [rows if axis == batch else size for axis, size in enumerate(shape)]
    return {axis: Reading(np.arange(size), axis) for axis, size in enumerate(sizes) if size is not None}
