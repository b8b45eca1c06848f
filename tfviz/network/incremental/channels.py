"""Steps that leave places where they are, and act on the channels of each: means, slices, shuffles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfviz.network.incremental.local import Known, Local
from tfviz.network.program import Step, Tensors, Value, run_operation


def _on_channels(step: Step, known: Known, source: Value, run_on: Callable[[tf.Tensor], Tensors]) -> Local | None:
    """Return how a step is run that leaves the places of its source where they are."""
    if source not in known.windows or any(value.shape[1:3] != source.shape[1:3] for value in step.outputs):
        return None
    return Local(known.windows[source], lambda windows: run_on(windows.changed[source]))


def on_axes(step: Step, known: Known) -> Local | None:
    """Return how a reduction or a reversal is run, if it is along channels alone."""
    source, axes = step.inputs
    found = known.constants.find(axes)
    if found is None or source.shape.rank is None or (np.reshape(found, -1) % source.shape.rank < 3).any():
        return None
    return _on_channels(step, known, source, lambda tensor: run_operation(step, [tensor, tf.constant(found)]))


def transposing(step: Step, known: Known) -> Local | None:
    """Return how axes are put in another order, if those of the places stay in theirs."""
    source, order = step.inputs
    found = known.constants.find(order)
    if found is None or [*found[:3]] != [0, 1, 2]:
        return None
    return _on_channels(step, known, source, lambda tensor: run_operation(step, [tensor, tf.constant(found)]))


def reshaping(step: Step, known: Known) -> Local | None:
    """Return how channels are put into groups, or groups together."""
    result = step.outputs[0].shape
    if result.rank is None or result.rank < 3 or not result[1:].is_fully_defined():
        return None

    def run(tensor: tf.Tensor) -> Tensors:
        return [tf.reshape(tensor, tf.concat([tf.shape(tensor)[:3], result[3:].as_list()], axis=0))]

    return _on_channels(step, known, step.inputs[0], run)


def splitting(step: Step, known: Known) -> Local | None:
    """Return how channels are cut into several values."""
    axis, source = step.inputs[:2] if step.type == "Split" else (step.inputs[2], step.inputs[0])
    along, sizes = known.constants.find(axis), known.constants.find(step.inputs[1]) if step.type == "SplitV" else None
    if along is None or source.shape.rank is None or int(along) % source.shape.rank < 3:
        return None
    if step.type == "SplitV" and sizes is None:
        return None

    def run(tensor: tf.Tensor) -> Tensors:
        number = tf.constant(along, axis.dtype)
        return run_operation(step, [number, tensor] if sizes is None else [tensor, tf.constant(sizes), number])

    return _on_channels(step, known, source, run)


def slicing(step: Step, known: Known) -> Local | None:
    """Return how channels are taken, as by `[..., a:b]` or `[:, :, :, a:b]`, whose other bounds are open."""
    source, *bounds = step.inputs
    found = [known.constants.find(each) for each in bounds]
    if source.shape.rank is None or any(each is None for each in found):
        return None
    if not _leaves_places(step, source.shape.rank, found[-1]):
        return None

    def run(tensor: tf.Tensor) -> Tensors:
        return run_operation(step, [tensor, *map(tf.constant, found)])

    return _on_channels(step, known, source, run)


def _leaves_places(step: Step, rank: int, strides: np.ndarray) -> bool:
    """Return whether a `StridedSlice` of as many parts as strides takes all of the first three axes as they are."""
    begin, end, ellipsis, new, shrunk = (
        int(step.operation.get_attr(f"{name}_mask")) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    )
    if new or ellipsis & (ellipsis - 1):
        return False
    first = ellipsis.bit_length() - 1 if ellipsis else len(strides)
    skipped = rank - (len(strides) - 1) if ellipsis else 0
    whole = begin & end & ~shrunk
    are_open = all(whole >> part & 1 and strides[part] == 1 for part in range(min(first, 3)))
    return are_open and first + skipped >= 3
