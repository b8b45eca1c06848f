"""Follows the axes of a value through operations: kept, moved, picked from, or mixed into others.

This is how tokens are known: which token is which patch follows from the operations and is not counted, so that a class
token is left out wherever it stands. Operations that move numbers are run once on numbered places, and the result tells
where each went; for products, reductions and reshapings a rule says which axis stays. The three steps of a Dense layer
on tokens, a tensordot, hide the axes in between and are taken as one.

An axis ends where its places are mixed: multiplied with weights along it, summed, or joined with another axis by a
reshaping. It should, since tokens that were mixed are not patches any more. Where on the image a place lies is not
known here: `following` adds that, and can also cut axes apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.network.program import Program, Step, Value, run_operation

# Operations that move numbers about without changing them; they are followed by moving the numbers of places.
PLAIN_MOVES = frozenset(
    {"ConcatV2", "ExpandDims", "GatherV2", "Pack", "Pad", "PadV2", "ReverseV2", "Roll", "Slice", "Split", "SplitV"}
    | {"Squeeze", "StridedSlice", "Transpose", "Unpack"}
)
REDUCTIONS = frozenset({"Max", "Mean", "Min", "Prod", "Sum"})
# The attributes that say whether a factor is transposed.
MATRIX_PRODUCTS = {
    "MatMul": ("transpose_a", "transpose_b"),
    "BatchMatMul": ("adj_x", "adj_y"),
    "BatchMatMulV2": ("adj_x", "adj_y"),
    "BatchMatMulV3": ("adj_x", "adj_y"),
}


@dataclass(frozen=True)
class Flow:
    """A step and what flows into it. The three steps of a Dense layer on tokens (a tensordot) are one flow.

    step: the one that gives the results, of a tensordot the last. sources: the values that flow into it, which are its
    inputs or, of a tensordot, the features alone: neither the matrix nor the shapes.
    """

    step: Step
    sources: Sequence[Value]

    @property
    def is_tensordot(self) -> bool:
        """Whether these are the steps of a tensordot."""
        return self.sources is not self.step.inputs

    @property
    def is_rearrangement(self) -> bool:
        """Whether numbers are only put into another order or shape."""
        return self.step.type in PLAIN_MOVES or (self.step.type == "Reshape" and not self.is_tensordot)


@dataclass(frozen=True)
class Carried:
    """Where an axis went: to which axis of which value, None if a single place was picked from it.

    places: for every place along the new axis the place along the old one, -1 if it is not of the old one. A
    class token that is put in front of four patches carries their axis to the places (-1, 0, 1, 2, 3).
    """

    value: Value
    axis: int | None
    places: tuple[int, ...]


def flows_of(program: Program) -> list[Flow]:
    """Return the flows of a program, in order.

    A tensordot flattens to two axes whose sizes TensorFlow does not know, multiplies, and reshapes back.
    """
    sources = {step: source for step in program.steps if (source := _before_tensordot(step)) is not None}
    inside = {inner for step in sources for inner in _flattening(step)}
    return [
        Flow(step, [sources[step]] if step in sources else step.inputs) for step in program.steps if step not in inside
    ]


def rows_per_image(flows: Sequence[Flow], image: Value) -> dict[Value, Fraction]:
    """Return how many places along its first axis each value has for one image: several if it is cut into windows.

    A map of 14 x 14 places that is reshaped to windows of 7 x 7 has 4; put together again, 1. It is a fraction where a
    reshaping puts several images into one place. Values that the image does not reach are left out.
    """
    rows = {image: Fraction(1)}
    for flow in flows:
        source = next((value for value in flow.sources if value in rows), image)
        for output in flow.step.outputs if source in flow.sources else ():
            before, after = row_size(source), row_size(output)
            is_reshaped = flow.step.type == "Reshape" and not flow.is_tensordot
            rows[output] = rows[source] * (Fraction(before, after) if is_reshaped and before and after else 1)
    return rows


def carry(flow: Flow, index: int, axis: int) -> list[Carried]:
    """Return where an axis of the source number `index` goes; an empty list if its places are mixed.

    There is an item for each result that has the axis, such as the parts of a split. The axis must be of known size.
    """
    if flow.step.type in PLAIN_MOVES:
        return list(_moved(flow, index, axis))
    size = flow.sources[index].shape[axis]
    kept = [(output, _kept(flow, index, axis, output)) for output in flow.step.outputs if output.shape.rank]
    return [
        Carried(output, new, tuple(range(size)))
        for output, new in kept
        if new is not None and output.shape[new] == size
    ]


def _flattening(step: Step) -> list[Step]:
    """Return the steps that a reshaping undoes: a product with a matrix, and what flattened its factor."""
    product = step.inputs[0].step if step.type == "Reshape" else None
    flat = product.inputs[0].step if product is not None and product.type == "MatMul" else None
    return [product, flat] if product is not None and flat is not None and flat.type == "Reshape" else []


def _before_tensordot(step: Step) -> Value | None:
    """Return the features that a tensordot multiplies, if a step is its last; None for any other step.

    Features (N, T, D) are flattened to (N · T, D), multiplied and reshaped to (N, T, E): all axes but the last stay.
    """
    flattening = _flattening(step)
    source, shape = flattening[-1].inputs[0] if flattening else None, step.outputs[0].shape
    fits = source is not None and shape.rank is not None and source.shape.rank == shape.rank
    return source if fits and source is not None and source.shape[1:-1] == shape[1:-1] else None


def row_size(value: Value) -> int | None:
    """Return how many numbers a value has for each place of its first axis, None if that is open."""
    sizes = value.shape[1:] if value.shape.rank else None
    return prod(sizes) if sizes is not None and sizes.is_fully_defined() else None


def _kept(flow: Flow, index: int, axis: int, output: Value) -> int | None:
    """Return the axis of `output` that an axis stays or becomes, with its places in their order; None if it is gone.

    For any operation without a rule the axis is taken to stay, counted from the last, as in what is done element by
    element; `carry` believes it only if the size is the same.
    """
    step, source = flow.step, flow.sources[index]
    if flow.is_tensordot:
        return axis if axis < source.shape.rank - 1 else None
    if step.type in MATRIX_PRODUCTS:
        return _kept_by_product(step, index, axis, output)
    if step.type == "Einsum":
        return _kept_by_einsum(step, index, axis)
    if step.type in REDUCTIONS:
        return _kept_by_reduction(step, axis)
    if step.type == "Reshape":
        return _kept_by_reshape(source, output, axis)
    # What is left works element by element, or broadcasts.
    above = output.shape.rank - source.shape.rank
    return axis + above if above >= 0 else None


def _kept_by_product(step: Step, index: int, axis: int, output: Value) -> int | None:
    """Rows come from the first factor and columns from the second; the axes before are those of both."""
    from_end = axis - step.inputs[index].shape.rank
    is_transposed = step.operation.get_attr(MATRIX_PRODUCTS[step.type][index])
    if from_end < -2:
        return int(output.shape.rank + from_end)
    is_row = (from_end == -2) != is_transposed
    return output.shape.rank - 2 + index if is_row == (index == 0) else None


def _kept_by_einsum(step: Step, index: int, axis: int) -> int | None:
    """An axis is where its letter stands in the result, and gone if the letter is summed over."""
    sources, _, result = step.operation.get_attr("equation").decode().partition("->")
    labels = sources.split(",")[index]
    # An ellipsis would hide which axis a letter names.
    found = -1 if "." in labels + result else result.find(labels[axis])
    return found if found >= 0 else None


def _kept_by_reduction(step: Step, axis: int) -> int | None:
    """An axis that is not reduced stays one, in the order of those that are left."""
    reduced = step.inputs[1].constant()
    if reduced is None:
        return None
    away = {int(each) % step.inputs[0].shape.rank for each in np.ravel(reduced)}
    kept = axis if step.operation.get_attr("keep_dims") else axis - sum(each < axis for each in away)
    return None if axis in away else kept


def _kept_by_reshape(source: Value, output: Value, axis: int) -> int | None:
    """An axis stays one if as many numbers stand before it as did, and its size is the same."""
    if row_size(source) is None or row_size(source) != row_size(output):
        return None
    same = (
        new
        for new in range(1, output.shape.rank)
        if output.shape[new] == source.shape[axis] and prod(output.shape[1:new]) == prod(source.shape[1:axis])
    )
    return next(same, None)


def _moved(flow: Flow, index: int, axis: int) -> Iterator[Carried]:
    """Number the places along the axis, move the numbers as the operation moves values, and see where they went.

    Places are numbered from 1, and all other values of the type are zeros. The axis along which the result has the most
    different numbers is the one; if all are the same, a single place was picked. Nothing is yielded if an argument,
    such as the begin of a slice, is not a constant.
    """
    moving = flow.sources[index]
    arguments: list[Any] = []
    for number, value in enumerate(flow.sources):
        if value.dtype != moving.dtype or value.shape.rank is None:
            arguments.append(value.constant())
            continue
        shape = [1 if size is None else size for size in value.shape]
        numbers = np.expand_dims(np.arange(1, moving.shape[axis] + 1, dtype=np.int32), _others(axis, len(shape)))
        arguments.append(np.broadcast_to(numbers, shape) if number == index else np.zeros(shape, np.int32))
    if any(argument is None for argument in arguments):
        return
    # A network may be traced inside of a function that is being traced.
    with tf.init_scope():
        moved = [tensor.numpy() for tensor in run_operation(flow.step, [*map(tf.constant, arguments)])]
    for output, numbers in zip(flow.step.outputs, moved, strict=True):
        along = [numbers.max(axis=_others(each, numbers.ndim)) for each in range(numbers.ndim)]
        variety = [len(set(places[places > 0])) for places in along]
        if variety and max(variety) > 1:
            new = int(np.argmax(variety))
            if output.shape[new] == len(along[new]):
                yield Carried(output, new, tuple(int(place) - 1 for place in along[new]))
        elif numbers.max() > 0:
            yield Carried(output, None, (int(numbers.max()) - 1,))


def _others(axis: int, rank: int) -> tuple[int, ...]:
    return tuple(each for each in range(rank) if each != axis)
