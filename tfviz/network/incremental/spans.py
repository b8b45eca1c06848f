"""Which places of a map a patch changes, along one axis, for every place where the patch may lie.

A patch that covers `low` up to `high` of an axis changes those places of a result whose windows meet it. With a kernel
of k places, a stride s, a dilation d and b places of padding in front, place o of the result reads the places
s · o − b + d · j for j = 0..k − 1, so that the first that is changed is ⌈(low + b − d (k − 1)) / s⌉ and the last
⌊(high − 1 + b) / s⌋. All are integers that follow from shapes: nothing of an image is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfviz.network.geometry import Sliding


@dataclass(frozen=True, eq=False)
class Span:
    """Places of an axis, one run of them for each of n places of the patch.

    low, high: int (n,), where each run begins and where it ends, excluded. axis: how many places the axis has. Runs of
    one length are read, `length` places from `start` (n,), which hold what is changed and lie on the axis.
    """

    low: np.ndarray
    high: np.ndarray
    axis: int

    @cached_property
    def length(self) -> int:
        """The places of the longest run, at least one."""
        return int(min(max(1, (self.high - self.low).max()), self.axis))

    @cached_property
    def start(self) -> np.ndarray:
        """Where the runs of that length begin, int (n,)."""
        return np.asarray(np.clip(self.low, 0, self.axis - self.length))

    @property
    def is_whole(self) -> bool:
        """Whether the runs are the whole axis."""
        return self.length == self.axis

    def after(self, window: Sliding, axis: int) -> Span:
        """Return the places of a result, with an axis of that many, whose windows meet these."""
        reach = window.dilation * (window.size - 1)
        low = -((reach - self.low - window.before) // window.stride)
        high = (self.high - 1 + window.before) // window.stride + 1
        low, high = np.clip(low, 0, axis), np.clip(high, 0, axis)
        return Span(low, np.maximum(low, high), axis)

    def shifted(self, places: int, axis: int) -> Span:
        """Return what is read of these places, if the axis is padded to that many, with `places` in front."""
        return Span(self.start + places, self.start + places + self.length, axis)


def hull(spans: Sequence[Span]) -> Span:
    """Return the shortest runs that hold those of several spans of one axis."""
    low, high = np.min([each.low for each in spans], axis=0), np.max([each.high for each in spans], axis=0)
    return Span(low, high, spans[0].axis)


def are_same(first: Span, second: Span) -> bool:
    """Return whether both read the same places."""
    return first.length == second.length and np.array_equal(first.start, second.start)
