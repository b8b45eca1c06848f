"""Readings of results that are cut out of a value: slices, strides, picks, splits.

A function for each kind of operation says which value each result reads and how, or None if that is not constant or
cuts through the batch. A cut `crops`: pixels that only the rest shows are not seen any more, which matters where a map
is drawn on the image. A picked place has no axis any more, and a cut without an end goes up to the last place.

Arguments that follow from shapes count as constant (see `constants`); those that follow from the image, such as the box
of a detector's crop, do not, since each image would have another geometry. Each function is given a `Moving` and
returns for each result of the step a list of one source and its readings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfviz.network.geometry.coordinates import Reading
from tfviz.network.geometry.moving import Moved, Moving
from tfviz.network.program import Step, Value


def _sliced(moving: Moving) -> Sequence[Moved] | None:
    """Read a part by where it begins and how large it is; a size of -1 is up to the end."""
    begin, sizes = (moving.constants.find_sizes(value) for value in moving.step.inputs[1:])
    if begin is None or sizes is None or moving.batch or begin[0] != 0:
        return None
    value = moving.step.inputs[0]
    found = moving.whole(value)
    for axis in range(1, value.shape.rank):
        if axis in found and (begin[axis] or sizes[axis] not in (-1, value.shape[axis])):
            stop = None if sizes[axis] == -1 else begin[axis] + sizes[axis]
            found |= {axis: _cut(moving, value, axis, slice(begin[axis], stop))}
    return [[(value, found)]]


def _strided(moving: Moving) -> Sequence[Moved] | None:
    """Read a Python-like index: slices, ellipses, new axes and picked places.

    A picked axis is gone, as of `x[:, 0]`, and a new one has no places. Along the batch only the whole of it, or a
    slice from its beginning, may be read; the end of that is not looked at, as it may be the number of images.
    """
    spec = [moving.constants.find_sizes(value) for value in moving.step.inputs[1:4]]
    if any(each is None for each in spec):
        return None
    entries = _entries(moving.step, spec, moving.step.inputs[0].shape.rank)
    value, axis, new, found = moving.step.inputs[0], 0, 0, dict[int, Reading]()
    whole = moving.whole(value)
    for entry in entries:
        if entry is None:
            new += 1
            continue
        is_pick = isinstance(entry, int)
        is_whole = entry == slice(None, None, None) or entry == slice(None, None, 1)
        if axis == moving.batch and (is_pick or not (is_whole or entry.start in (None, 0))):
            return None
        if axis in whole:
            found[axis] = Reading(whole[axis].positions, new)
            if is_pick:
                size = value.shape[axis]
                found[axis] = Reading(np.array([entry % size], float), None, crops=True)
            elif axis != moving.batch and not is_whole:
                cut = _cut(moving, value, axis, entry)
                found[axis] = Reading(cut.positions, new, cut.scale, crops=True)
        new += not is_pick
        axis += 1
    return [[(value, found)]]


def _gathered(moving: Moving) -> Sequence[Moved] | None:
    """Read the places of constant indices: one of them, whose axis is gone, or a list.

    A table of indices (two axes or more), or one for each image (`batch_dims`), is not followed.
    """
    places, axis, value = moving.constant(1), moving.constant(2), moving.step.inputs[0]
    if places is None or axis is None or moving.step.operation.get_attr("batch_dims"):
        return None
    axis, rank = int(axis) % value.shape.rank, np.ndim(places)
    if axis == moving.batch or rank > 1 or value.shape[axis] is None:
        return None
    if rank == 1:
        return [[(value, moving.along(value, axis, places.astype(float), crops=True))]]
    found = moving.renamed(value, lambda each: each - (each > axis))
    return [[(value, found | {axis: Reading(np.array([places], float), None, crops=True)})]]


def _split(moving: Moving) -> Sequence[Moved] | None:
    """Read consecutive parts along an axis, one for each result."""
    is_even = moving.step.type == "Split"
    value, axis = moving.step.inputs[1 if is_even else 0], moving.constant(0 if is_even else 2)
    if axis is None:
        return None
    axis, start, results = int(axis) % value.shape.rank, 0, []
    for output in moving.step.outputs:
        size = output.shape[axis]
        if axis == moving.batch or size is None:
            return None
        places = np.arange(start, start + size, dtype=float)
        results.append([(value, moving.along(value, axis, places, crops=True))])
        start += size
    return results


def _unpacked(moving: Moving) -> Sequence[Moved] | None:
    """Read the single places along an axis, one for each result."""
    value, axis = moving.step.inputs[0], moving.step.operation.get_attr("axis")
    axis %= value.shape.rank
    if axis == moving.batch:
        return None
    found = moving.renamed(value, lambda each: each - (each > axis))
    picks = [Reading(np.array([number], float), None, crops=True) for number in range(len(moving.step.outputs))]
    return [[(value, found | {axis: pick})] for pick in picks]


def _cut(moving: Moving, value: Value, axis: int, places: slice) -> Reading:
    """Return the reading of a slice of an axis of known size, with Python's own rules for its ends and step."""
    return moving.along(value, axis, np.arange(value.shape[axis])[places].astype(float), crops=True)[axis]


def _entries(step: Step, spec: Sequence[Any], rank: int) -> list[Any]:
    """Return the index of a strided slice, an entry for each axis: a slice, a number, or None for a new axis.

    spec: its begin, end and strides, (n,) each. Which of the n stand for an open end, an ellipsis, a new axis or a pick
    is told by the bits of five attributes, the lowest for the first. Axes that are not named are whole.
    """
    masks = {
        name: int(step.operation.get_attr(f"{name}_mask"))
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    begin, end, strides = spec
    entries: list[Any] = []
    for number in range(len(begin)):
        is_set = {name: bool(mask >> number & 1) for name, mask in masks.items()}
        if is_set["ellipsis"]:
            named = len(begin) - bin(masks["new_axis"]).count("1") - 1
            entries += [slice(None)] * (rank - named)
        elif is_set["new_axis"]:
            entries.append(None)
        elif is_set["shrink_axis"]:
            entries.append(int(begin[number]))
        else:
            first = None if is_set["begin"] else int(begin[number])
            entries.append(slice(first, None if is_set["end"] else int(end[number]), int(strides[number])))
    return entries + [slice(None)] * (rank - sum(entry is not None for entry in entries))


CUTS: dict[str, Callable[[Moving], Sequence[Moved] | None]] = {
    "GatherV2": _gathered,
    "Slice": _sliced,
    "Split": _split,
    "SplitV": _split,
    "StridedSlice": _strided,
    "Unpack": _unpacked,
}
