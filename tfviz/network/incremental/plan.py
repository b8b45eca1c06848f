"""Plans how a program is run again for a patch at many places, on windows as long as that is less work.

What the patch changes of a value is a window of it, which grows from step to step (`spans`). A step without a rule in
`locality`, or whose window is nearly all of the map, is run as a whole, and so is all that follows from it.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfviz.network.geometry import Constants
from tfviz.network.incremental.local import Known, Local
from tfviz.network.incremental.locality import local
from tfviz.network.incremental.sliding import CONVOLUTIONS
from tfviz.network.incremental.spans import Span
from tfviz.network.incremental.windows import Window
from tfviz.network.program import Program, Step, Value

LARGEST_SHARE = 0.75
"""Of a map that is still run as a window; what is gathered around it costs the rest."""
WORTHWHILE = 0.95
"""Of the time of whole maps, by the estimate; a plan that takes more is none."""
MULTIPLY_ADDS, BYTES = 4e10, 6e9
"""What a CPU does in a second: their ratio is what counts, for the share of steps that only move numbers."""


@dataclass(frozen=True, eq=False)
class WindowPlan:
    """How a program is run for a patch at k places: the steps, in order, and those among them that are local as such.

    windows: those of values that have one. unchanged: the values that are taken from the images without a patch. share:
    of the time of whole maps, estimated.
    """

    steps: Sequence[Step]
    rules: Mapping[Step, Local]
    windows: Mapping[Value, Window]
    unchanged: Collection[Value]
    share: float


def plan_windows(
    program: Program,
    differing: Sequence[Value],
    results: Sequence[Value],
    patch: tuple[int, int],
    places: Sequence[np.ndarray],
) -> WindowPlan | None:
    """Return the plan for a patch of (h, w) pixels, None if whole images are no more work, or sizes are open.

    differing: the image, and what else differs between the rows of a batch. results: what is asked for. places: the
    rows (n,) where a patch begins, and the columns (m,); it may lie at any of them together.
    """
    image, *beside = differing
    if not image.shape[1:].is_fully_defined():
        return None
    spans = [Span(start, start + size, axis) for start, size, axis in zip(places, patch, image.shape[1:3], strict=True)]
    windows: dict[Value, Window] = {image: Window(*spans)}
    changed, rules, steps = set(beside), dict[Step, Local](), list[Step]()
    constants = Constants(program, [image])
    for step in program.steps:
        if changed.isdisjoint(step.inputs) and not any(value in windows for value in step.inputs):
            continue
        steps.append(step)
        found = _rule(step, Known(windows, changed, constants))
        if found is None:
            changed.update(step.outputs)
        else:
            rules[step] = found
            windows.update(dict.fromkeys(step.outputs, found.window))
    share = sum(_seconds(step, rules.get(step)) for step in steps) / max(sum(map(_seconds, steps)), sys.float_info.min)
    if share > WORTHWHILE:
        return None
    read = {value for step in steps for value in (rules[step].around if step in rules else step.inputs)}
    read.update(value for step in rules for value in step.inputs if value not in windows)
    unchanged = read.union(results) - changed
    made = [value.step for value in unchanged if value.step is not None and value.step.type == "Const"]
    return WindowPlan([*made, *steps], rules, windows, unchanged.difference(*(step.outputs for step in made)), share)


def _rule(step: Step, known: Known) -> Local | None:
    """Return how a step is run on windows; None if it is not, or its window is nearly all of the map."""
    if not any(value in known.windows for value in step.inputs):
        return None
    if not all(value.shape[1:].is_fully_defined() for value in step.outputs):
        return None
    found = local(step, known)
    return found if found is not None and found.window.share <= LARGEST_SHARE else None


def _seconds(step: Step, rule: Local | None = None) -> float:
    """Return how long a step takes for one image, whole or by its rule: what it multiplies and what it moves."""
    each = [value.shape for value in (*step.inputs, *step.outputs) if value.shape.rank and value.shape[0] is None]
    numbers, products = sum(shape[1:].num_elements() or 0 for shape in each), 0
    if step.type in CONVOLUTIONS:
        products = (step.inputs[1].shape.num_elements() or 0) * (step.outputs[0].shape[1:3].num_elements() or 0)
    elif step.type == "MatMul":
        products = step.inputs[1].shape.num_elements() or 0
    share = 1.0 if rule is None else rule.window.share
    return share * (products / MULTIPLY_ADDS + 4 * numbers / BYTES)
