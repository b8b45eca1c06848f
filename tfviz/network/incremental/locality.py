"""The operations that see a window of their input at a time, and how each is run on windows.

A rule is a function of a step, the windows of its inputs and the constants of the program, and returns a `Local`: the
window of the result, and how to make it; None if the step is not local, or if what it does with places is not known.
An operation without a rule is never wrong, it only ends the window.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from tfviz.network.geometry import POINTWISE
from tfviz.network.incremental.channels import on_axes, reshaping, slicing, splitting, transposing
from tfviz.network.incremental.local import Known, Local, grown, joined_window
from tfviz.network.incremental.sliding import CONVOLUTIONS, OUTSIDE, convolution, padded, pooling
from tfviz.network.incremental.windows import Windows
from tfviz.network.program import NORMALISATIONS, Step, Tensors, Value, run_operation

ON_AXES = frozenset({"Max", "Mean", "Min", "Prod", "Sum", "All", "Any", "EuclideanNorm", "ReverseV2"})
# Those that give up places, or compute numbers of the whole tensor.
NOT_LOCAL = frozenset({"Bitcast", "Cumprod", "Cumsum", "PlaceholderWithDefault", "Select", "QuantizeAndDequantize"})
LAST_AXIS = frozenset({"Softmax", "LogSoftmax", "LRN", "BiasAdd"})


def local(step: Step, known: Known) -> Local | None:
    """Return how a step is run on windows of its inputs, at least one of which has one; None if it cannot be."""
    for types, rule in _RULES:
        if step.type in types:
            return rule(step, known) if _is_channels_last(step) else None
    return None


def _is_channels_last(step: Step) -> bool:
    attributes = step.operation.node_def.attr
    return "data_format" not in attributes or step.operation.get_attr("data_format") == b"NHWC"


def _pointwise(step: Step, known: Known) -> Local | None:
    """Return how a step is run that works element by element, on maps and on what has no places."""
    shape = step.outputs[0].shape
    if not _is_by_place(step) or shape.rank is None:
        return None
    windowed = [value for value in step.inputs if value in known.windows]
    if any(value.shape.rank != shape.rank or value.shape[1:3] != shape[1:3] for value in windowed):
        return None
    others = [value for value in step.inputs if value not in known.windows]
    if not all(known.same_everywhere(value) and _has_no_places(value, shape.rank) for value in others):
        return None
    window = joined_window([known.windows[value] for value in windowed])

    def run(windows: Windows) -> Tensors:
        inputs = [windows.at(value, window) if value in known.windows else windows[value] for value in step.inputs]
        return inputs if step.type == "EnsureShape" else run_operation(step, step.taking(inputs))

    return Local(window, run, grown(windowed, window, known))


def _is_by_place(step: Step) -> bool:
    """Return whether a step of `POINTWISE` computes each place from the same place alone."""
    attributes = step.operation.node_def.attr
    if step.type in NORMALISATIONS and step.operation.get_attr("is_training"):
        return False
    if "range_given" in attributes and not step.operation.get_attr("range_given"):
        return False
    rank = step.outputs[0].shape.rank or 0
    return step.type not in NOT_LOCAL and rank >= (4 if step.type in LAST_AXIS else 3)


def _has_no_places(value: Value, rank: int) -> bool:
    """Return whether a value is broadcast over the images and over both axes of places."""
    if value.shape.rank is None:
        return False
    return all(size == 1 for size in ([1] * rank + value.shape.as_list())[-rank:][:3])


def _concatenated(step: Step, known: Known) -> Local | None:
    """Return how maps are put together along channels, all of them in one window."""
    *parts, axis = step.inputs
    rank, along = step.outputs[0].shape.rank, known.constants.find(axis)
    if along is None or rank is None or int(along) % rank < 3 or any(part not in known.windows for part in parts):
        return None
    window = joined_window([known.windows[part] for part in parts])

    def run(windows: Windows) -> Tensors:
        return run_operation(step, [*(windows.at(part, window) for part in parts), windows[axis]])

    return Local(window, run, grown(parts, window, known))


_RULES: tuple[tuple[Collection[str], Callable[[Step, Known], Local | None]], ...] = (
    (POINTWISE, _pointwise),
    (CONVOLUTIONS, convolution),
    (OUTSIDE, pooling),
    (frozenset({"Pad", "PadV2"}), padded),
    (frozenset({"ConcatV2"}), _concatenated),
    (ON_AXES, on_axes),
    (frozenset({"Transpose"}), transposing),
    (frozenset({"Reshape"}), reshaping),
    (frozenset({"Split", "SplitV"}), splitting),
    (frozenset({"StridedSlice"}), slicing),
)
