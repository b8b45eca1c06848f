"""Readings of results whose numbers are only moved about: joined, padded, turned, repeated.

`BY_TYPE` has a function for each kind of operation, those of `cuts` included. A padded place lies beyond the image,
where its cells would go on; where other values are joined, as a class token, a value has no place (NaN). A function
returns None if an argument is not constant, or a place would stand at several of the result.

Each is given a `Moving` and returns, for each result of the step, the values that it reads and how it reads their axes.
Values that the image does not reach may be among them; they have no places and are left out when the readings are
joined. A padding or joining along the batch is not followed, since it would put other rows among the images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tfviz.network.geometry.constants import Constants
from tfviz.network.geometry.coordinates import Reading
from tfviz.network.geometry.cuts import CUTS
from tfviz.network.geometry.moving import Moved, Moving
from tfviz.network.program import Step


def move(step: Step, constants: Constants, rows: int, batch: int) -> Sequence[Moved] | None:
    """Return the readings of the results of a step of `MOVES`, None if they are not known.

    batch: the batch's axis. rows: how many of its places an image has. Values must have a known number of axes.
    """
    if any(value.shape.rank is None for value in (*step.inputs, *step.outputs)):
        return None
    return BY_TYPE[step.type](Moving(step, constants, rows, batch))


def _transposed(moving: Moving) -> Sequence[Moved] | None:
    """Read axes in another order; that of the batch, too, may get another number."""
    order = moving.constant(1)
    if order is None:
        return None
    value = moving.step.inputs[0]
    return [[(value, moving.renamed(value, lambda axis: list(order).index(axis)))]]


def _expanded(moving: Moving) -> Sequence[Moved] | None:
    """Read a value with one more axis, of one place; the axes behind it get the next number."""
    axis, value = moving.constant(1), moving.step.inputs[0]
    if axis is None:
        return None
    new = int(axis) % (value.shape.rank + 1)
    return [[(value, moving.renamed(value, lambda each: each + (each >= new)))]]


def _squeezed(moving: Moving) -> Sequence[Moved] | None:
    """Read a value without the named axes, or without all axes of one place if none is named."""
    value = moving.step.inputs[0]
    named = {axis % value.shape.rank for axis in moving.step.operation.get_attr("squeeze_dims")}
    gone = named or {axis for axis, size in enumerate(value.shape) if size == 1}
    left = [axis for axis in range(value.shape.rank) if axis not in gone]
    return [[(value, moving.renamed(value, lambda axis: left.index(axis) if axis in left else None))]]


def _reversed(moving: Moving) -> Sequence[Moved] | None:
    """Read some axes from their last place to the first."""
    axes, value = moving.constant(1), moving.step.inputs[0]
    if axes is None:
        return None
    found = moving.whole(value)
    for axis in (int(each) % value.shape.rank for each in axes):
        if axis not in found:
            return None
        found[axis] = Reading(found[axis].positions[::-1], axis)
    return [[(value, found)]]


def _rolled(moving: Moving) -> Sequence[Moved] | None:
    """Read places that are shifted along axes, and go on from the other end."""
    shifts, axes, value = moving.constant(1), moving.constant(2), moving.step.inputs[0]
    if shifts is None or axes is None:
        return None
    found = moving.whole(value)
    for shift, each in zip(np.ravel(shifts), np.ravel(axes), strict=True):
        axis = int(each) % value.shape.rank
        if axis not in found:
            return None
        found[axis] = Reading(np.roll(found[axis].positions, int(shift)), axis)
    return [[(value, found)]]


def _padded(moving: Moving) -> Sequence[Moved] | None:
    """Read places that go on before the first and behind the last, at negative positions and beyond the size.

    The mirrored places of a `MirrorPad` count as lying there, too, and not where they were copied from.
    """
    paddings, value = moving.constant(1), moving.step.inputs[0]
    if paddings is None or paddings[moving.batch].any():
        return None
    found = moving.whole(value)
    for axis, (before, after) in enumerate(paddings):
        if (before or after) and axis in found:
            size = value.shape[axis]
            found[axis] = Reading(np.arange(-before, size + after), axis)
    return [[(value, found)]]


def _tiled(moving: Moving) -> Sequence[Moved] | None:
    """Read a value that is repeated along axes of one place, which then lie nowhere; None along others."""
    multiples, value = moving.constants.find_sizes(moving.step.inputs[1]), moving.step.inputs[0]
    if multiples is None:
        return None
    found = moving.whole(value)
    for axis in sorted({*found} - {moving.batch}):
        # What is repeated lies at several places; a single place that is spread has none.
        if multiples[axis] != 1:
            if value.shape[axis] != 1:
                return None
            found[axis] = Reading(found[axis].positions, None)
    return [[(value, found)]]


def _broadcast(moving: Moving) -> Sequence[Moved] | None:
    """Read a value that is broadcast; an axis of one place that is spread is gone."""
    value, result = moving.step.inputs[0], moving.step.outputs[0].shape
    above = result.rank - value.shape.rank
    found = moving.renamed(value, lambda axis: axis + above)
    for axis, size in enumerate(value.shape):
        if axis != moving.batch and size == 1 and result[axis + above] != 1:
            found[axis] = Reading(np.arange(1), None)
    return [[(value, found)]]


def _packed(moving: Moving) -> Sequence[Moved] | None:
    """Read several values at once, stacked along a new axis that no coordinates vary along."""
    axis = moving.step.operation.get_attr("axis") % moving.step.outputs[0].shape.rank
    return [[(value, moving.renamed(value, lambda each: each + (each >= axis))) for value in moving.step.inputs]]


def _concatenated(moving: Moving) -> Sequence[Moved] | None:
    """Read several values one after the other: each has no place (NaN) where the others stand."""
    *values, last = moving.step.inputs
    axis = moving.constants.find(last)
    if axis is None:
        return None
    axis, found, start = int(axis) % values[0].shape.rank, [], 0
    sizes = [value.shape[axis] for value in values]
    if axis == moving.batch or None in sizes:
        return None
    for value, size in zip(values, sizes, strict=True):
        places = np.full(sum(sizes), np.nan)
        places[start : start + size] = np.arange(size)
        start += size
        found.append((value, {**moving.whole(value), axis: Reading(places, axis)}))
    return [found]


def _updated(moving: Moving) -> Sequence[Moved] | None:
    """Read a value in which a part is replaced by another value, from a constant start on (`keras.ops.slice_update`).

    The value is read as if nothing were replaced, so the places of both must agree where they meet.
    """
    (value, part), start = moving.step.inputs[:2], moving.constant(2)
    if start is None:
        return None
    found = moving.whole(part)
    for axis, size in enumerate(value.shape):
        if axis != moving.batch and axis in found and size is not None:
            places = np.arange(size, dtype=float) - start[axis]
            found[axis] = Reading(np.where((places >= 0) & (places < part.shape[axis]), places, np.nan), axis)
    return [[(value, moving.whole(value)), (part, found)]]


BY_TYPE: dict[str, Callable[[Moving], Sequence[Moved] | None]] = {
    "BroadcastTo": _broadcast,
    "ConcatV2": _concatenated,
    "ExpandDims": _expanded,
    "MirrorPad": _padded,
    "Pack": _packed,
    "Pad": _padded,
    "PadV2": _padded,
    "ReverseV2": _reversed,
    "Roll": _rolled,
    "Squeeze": _squeezed,
    "Tile": _tiled,
    "Transpose": _transposed,
    "XlaDynamicUpdateSlice": _updated,
    **CUTS,
}
MOVES = frozenset(BY_TYPE)
