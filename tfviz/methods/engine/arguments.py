"""Turns options that differ from call to call into arguments of one compiled function.

A function that is compiled for a seed, a number of steps or a baseline takes seconds to make and megabytes to keep. So
`split_options` puts a `Slot` in the place of each such number or array, and `filled` puts the arguments of the function
back in their places, in the same order, while it is traced. What must be a constant (layers, methods) stays as it is:
options with slots are the key by which the network remembers the function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.methods.engine.registry import INNER, INNER_OPTIONS, find_method


@dataclass(frozen=True)
class Slot:
    """Stands among options for a number or an array that is an argument of the compiled function."""

    dtype: str
    rank: int

    @property
    def spec(self) -> tf.TensorSpec:
        """The specification for the compiled function: arrays may have any size."""
        return tf.TensorSpec([None] * self.rank, self.dtype)


def split_options(method: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Return the options that a method is compiled for, with slots in place of arguments, and these arguments in order.

    Python's integers become int32, all other numbers float32, and a list a tuple of slots; None and texts are
    constants, as are options that the method does not list among its arguments. Options that only the last step on the
    host reads are left out.
    """
    about, values = find_method(method), []

    def slot(value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, list | tuple):
            return tuple(map(slot, value))
        values.append(np.asarray(value, np.int32 if isinstance(value, int) else np.float32))
        return Slot(values[-1].dtype.name, values[-1].ndim)

    compiled_for: dict[str, Any] = {}
    for name, value in options.items():
        if name == INNER_OPTIONS:
            compiled_for[name], inner = split_options(options[INNER], value)
            values += inner
        elif name not in about.for_host:
            compiled_for[name] = slot(value) if name in about.arguments else value
    return compiled_for, values


def filled(compiled_for: Any, values: Iterator[Any]) -> Any:
    """Return the options with each slot replaced by the next of the values, which are tensors."""
    if isinstance(compiled_for, Slot):
        return next(values)
    if isinstance(compiled_for, Mapping):
        return {name: filled(each, values) for name, each in compiled_for.items()}
    if isinstance(compiled_for, list | tuple):
        return type(compiled_for)(filled(each, values) for each in compiled_for)
    return compiled_for


def slots(compiled_for: Any) -> list[Slot]:
    """Return the slots among options, in order."""
    if isinstance(compiled_for, Slot):
        return [compiled_for]
    if isinstance(compiled_for, Mapping):
        return slots(list(compiled_for.values()))
    if isinstance(compiled_for, list | tuple):
        return [found for each in compiled_for for found in slots(each)]
    return []
