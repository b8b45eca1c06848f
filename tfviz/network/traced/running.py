"""How a network is run: in which precision, with which shortcuts, and whether XLA compiles it.

Shortcuts are for backward passes on CPUs: unless the user says so, they are taken only if TensorFlow sees no other
device, and not with XLA, which has kernels of its own. A reduced precision has none; it keeps how the network is run in
float32 as `full`, so that `explain` can measure what was lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import tensorflow as tf

from tfviz.errors import TfvizError
from tfviz.network.heads import Head
from tfviz.network.opening import KEEP, TraceOptions
from tfviz.network.program import Program, Value
from tfviz.network.replay import (
    FULL,
    NONE,
    Shortcuts,
    StraightThrough,
    find_precision,
    find_shortcuts,
    find_straight_through,
    in_precision,
    only_cpus,
    replay,
)
from tfviz.network.traced.last_layer import LastLayer, find_last_layer


@dataclass(frozen=True, eq=False)
class Running:
    """How a network is run.

    precision: the type that it is run in. jit_compile: whether XLA compiles the passes. program: its operations in that
    type. straight_through: its quantised values. shortcuts: those of its backward passes. last_layer: gives the score
    of one class alone; like shortcuts, only if it is `fast`. random: whether random operations were kept. full: how it
    is run in float32, None if it already is.
    """

    precision: str
    jit_compile: bool
    program: Program = field(repr=False)
    straight_through: StraightThrough = field(repr=False)
    shortcuts: Shortcuts = field(default=NONE, repr=False)
    last_layer: LastLayer | None = field(default=None, repr=False)
    random: str = KEEP
    full: Running | None = field(default=None, repr=False)

    @property
    def fast(self) -> bool:
        """Whether less is computed for the same numbers: the shortcuts for CPUs, windows, what is linear."""
        return self.shortcuts is not NONE

    def replay(self, arguments: Mapping[Value, tf.Tensor], **how: Any) -> dict[Value, tf.Tensor]:
        """Run the program and return the tensor of every value; see `replay`, whose other arguments are `how`."""
        return replay(self.program, arguments, shortcuts=self.shortcuts, straight_through=self.straight_through, **how)


def find_running(program: Program, image: Value, head: Head, options: TraceOptions) -> Running:
    """Return how a program is run on `image`, as `trace` was told; raise `TfvizError` for options that do not agree.

    head: where its scores come from, which tells whether those of one class can be computed alone. `fast=None` takes
    shortcuts if there are only CPUs and XLA is not asked for; `True` takes them anywhere, but not with a precision.
    """
    precision = find_precision(options.precision)
    if options.fast and precision != FULL:
        raise TfvizError(
            f"fast is True, expected None or False beside the precision {precision}, which has no shortcuts"
        )
    straight_through = find_straight_through(program, image)
    full = Running(FULL, options.jit_compile, program, straight_through, random=options.random)
    # XLA has kernels of its own.
    if only_cpus() and not options.jit_compile if options.fast is None else options.fast:
        depending = program.depending_on([image])
        shortcuts = find_shortcuts(program, depending)
        full = replace(full, shortcuts=shortcuts, last_layer=find_last_layer(depending, head))
    if precision == FULL:
        return full
    reduced = in_precision(program, image, precision)
    return Running(precision, options.jit_compile, reduced, straight_through, random=options.random, full=full)
