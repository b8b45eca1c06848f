"""What a rule of `locality` is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from tfviz.network.geometry import Constants
from tfviz.network.incremental.spans import hull
from tfviz.network.incremental.windows import Window, Windows
from tfviz.network.program import Tensors, Value

OnWindows = Callable[[Windows], Tensors]


@dataclass(frozen=True, eq=False)
class Local:
    """A step on windows: the window of its results and how they are made; around: values read around their windows."""

    window: Window
    run: OnWindows
    around: tuple[Value, ...] = ()


@dataclass(frozen=True, eq=False)
class Known:
    """What is known when a step is looked at: the windows of values, which others the patch changes, constants."""

    windows: Mapping[Value, Window]
    changed: Collection[Value]
    constants: Constants

    def same_everywhere(self, value: Value) -> bool:
        """Return whether a value has no part in the images: it is the same with and without a patch."""
        return value not in self.windows and value not in self.changed


def joined_window(windows: list[Window]) -> Window:
    """Return the smallest window that holds those of several values of one size."""
    return Window(hull([each.rows for each in windows]), hull([each.columns for each in windows]))


def grown(values: Sequence[Value], window: Window, known: Known) -> tuple[Value, ...]:
    """Return the values whose own windows are smaller than the one that they are read in."""
    return tuple(value for value in values if not window.is_same(known.windows[value]))
