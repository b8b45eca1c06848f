"""Runs a program again for a patch at many places, computing anew what the patch changes and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from tfviz.network.incremental.plan import WindowPlan
from tfviz.network.incremental.windows import Windows
from tfviz.network.program import TensorsByValue, Value
from tfviz.network.replay import run_step


class Patched(dict[Value, tf.Tensor]):
    """The values of N images with a patch at each of k places, whole: (N · k, ...), those of an image together."""

    def __init__(self, windows: Windows) -> None:
        super().__init__()
        self._windows = windows

    def __missing__(self, value: Value) -> tf.Tensor:
        """Return the value, of which a window alone may have been computed."""
        self[value] = self._windows[value]
        return self[value]


class Incremental:
    """A program that was run on N images, and is run again with a patch on them."""

    def __init__(self, plan: WindowPlan, tensors: TensorsByValue, count: tf.Tensor) -> None:
        """Take what the patch leaves as it is from the `tensors` of the images without it; there are `count` rows."""
        self._plan, self._base, self._count = plan, tensors, count
        for value in plan.unchanged:
            # A tensor that a shortcut left out is made when it is asked for, which must not be inside a loop.
            _ = tensors[value]

    def run(self, arguments: Mapping[Value, tf.Tensor], rows: tf.Tensor, columns: tf.Tensor) -> dict[Value, tf.Tensor]:
        """Return the values of all images with the patch at places (k,), given by their numbers along both axes.

        arguments: those of the program that differ between rows, (N · k, ...): of the image, what the patch shows.
        """
        windows = Windows(self._base, self._plan.windows, self._count, rows, columns, dict(arguments))
        for step in self._plan.steps:
            rule = self._plan.rules.get(step)
            if rule is not None:
                results = rule.run(windows)
            else:
                results = run_step(step, step.taking([windows[value] for value in step.inputs]), None)
                for value, result in zip(step.outputs, results, strict=True):
                    result.set_shape(value.shape)
            windows.changed.update(zip(step.outputs, results, strict=True))
        return Patched(windows)
