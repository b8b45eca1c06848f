"""Follows the rows and columns of the image through a program.

For each place of a value it is known which pixel it stands for, along whichever axes that varies (a row; a window and a
row in it; tokens), so that cutting axes in two, joining, rolling and transposing them lose nothing. There is a rule for
each kind of operation. A result of several values must agree with all of them; if it does not, or there is no rule, the
geometry is lost, and the step is kept in `Places.lost` so that a message can name it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from tfviz.network.geometry.axes import MATRIX_PRODUCTS, REDUCTIONS
from tfviz.network.geometry.constants import Constants
from tfviz.network.geometry.coordinates import Reading, merged
from tfviz.network.geometry.moves import MOVES, move
from tfviz.network.geometry.moving import whole
from tfviz.network.geometry.places import HEIGHT, WIDTH, Places
from tfviz.network.geometry.pointwise import POINTWISE
from tfviz.network.geometry.windows import BLOCKS_OF_BATCH, WINDOWS, readings
from tfviz.network.program import CASES, CONDITIONS, LOOPS, SHAPES, EachImage, Program, Step, Value


def follow(program: Program, given: Mapping[Value, Places], constants: Mapping[Value, Any] | None = None) -> Any:
    """Return the places of every value that depends on those `given`; constants: arguments that are known."""
    return _Following(program, given, constants or {}).places


class _Following:
    """The places of the values of one program, found in the order of its steps."""

    def __init__(self, program: Program, given: Mapping[Value, Places], constants: Mapping[Value, Any]) -> None:
        self.places: dict[Value, Places] = dict(given)
        self._constants = Constants(program, given, constants)
        for step in program.steps:
            if step.type not in SHAPES and any(value in self.places for value in step.inputs):
                for output, found in zip(step.outputs, self._after(step), strict=True):
                    if found is not None:
                        self.places[output] = found

    def _after(self, step: Step) -> Sequence[Places | None]:
        """Return the places of the results of a step."""
        if step.programs:
            return self._inside(step)
        rule = next((rule for types, rule in self._rules() if step.type in types), None)
        lost = [Places(((), ()), lost=step)] * len(step.outputs)
        before = next((self._lost(value, step) for value in step.inputs if self._lost(value, step)), None)
        if before is not None:
            return [before] * len(step.outputs)
        found = rule(step) if rule is not None else None
        return lost if found is None else found

    def _rules(self) -> list[tuple[frozenset[str], Callable[[Step], Sequence[Places | None] | None]]]:
        """Return the rule for each kind of operation."""
        return [
            (POINTWISE, self._pointwise),
            (WINDOWS, self._windows),
            (MOVES, self._moved),
            (REDUCTIONS | {"ArgMax", "ArgMin", "All", "Any", "EuclideanNorm"}, self._reduced),
            (frozenset(MATRIX_PRODUCTS), self._product),
            (frozenset({"Einsum"}), self._einsum),
            (frozenset({"Reshape"}), self._reshaped),
            (frozenset({"TopKV2"}), self._sorted),
        ]

    def _sorted(self, step: Step) -> list[Places] | None:
        """Return the places of what is sorted, unless the places of the image are themselves sorted."""
        places, last = self.places[step.inputs[0]], (step.inputs[0].shape.rank or 0) - 1
        is_moved = any(last in each.axes for along in places.along for each in along)
        return None if is_moved else [places] * 2

    def _lost(self, value: Value, step: Step) -> Places | None:
        """Return the places of an input if they are lost, unless it is one number a channel beside other inputs."""
        found = self.places.get(value)
        if found is None or found.lost is None:
            return None
        shape = value.shape
        is_one_place = shape.rank is not None and all(size == 1 for size in shape[1:-1])
        return None if is_one_place and step.type in POINTWISE and len(step.inputs) > 1 else found

    def _joined(self, step: Step, found: list[tuple[Value, dict[int, Reading]]], rows: int | None = None) -> Any:
        """Return the places of a result that reads the axes of several values; None if they contradict."""
        height, width = (
            merged(
                coordinates
                for value, readings in found
                for each in self.places[value].along[direction]
                if (coordinates := each.read(readings)) is not None
            )
            for direction in (HEIGHT, WIDTH)
        )
        counts = {self.places[value].rows if rows is None else rows for value, _ in found} or {1}
        batches = {reading.axis for value, readings in found if (reading := readings.get(self.places[value].batch))}
        if height is None or width is None or len(counts) > 1 or len(batches) > 1 or None in batches:
            return None
        return Places((height, width), counts.pop(), batch=next(iter(batches), 0) or 0)

    def _pointwise(self, step: Step) -> Sequence[Places | None] | None:
        """Return the places of what is computed element by element: those of all operands, as they are broadcast."""
        if len(step.outputs) > 1 and step.type == "IdentityN":
            return [self.places.get(value) for value in step.inputs]
        result = step.outputs[0].shape
        held = [value for value in step.inputs if value in self.places and self.places[value].lost is None]
        if result.rank is None or any(value.shape.rank is None for value in held):
            return None
        found = [(value, self._broadcast(value, result)) for value in held]
        places = self._joined(step, found)
        # The other results of a normalisation are statistics.
        return None if places is None else [places, *[None] * (len(step.outputs) - 1)]

    def _windows(self, step: Step) -> Sequence[Places | None] | None:
        """Return the places of what looks through windows, or moves blocks to the batch and back."""
        found = readings(step, self._constants)
        source = None if found is None else step.inputs[found[0]]
        if found is None or source not in self.places or self.places[source].batch:
            return None
        rows = self.places[source].rows
        if step.type in BLOCKS_OF_BATCH:
            blocks = self._constants.find(step.inputs[1])
            rows = rows * prod(blocks) if step.type == "SpaceToBatchND" else rows // prod(blocks)
        # Rows of the batch that are windows stay as they are; places along the channels are mixed.
        axes = {0: Reading(np.arange(self.places[source].rows), 0), **found[1]}
        places = self._joined(step, [(source, axes)], rows)
        return None if places is None else [places] * len(step.outputs)

    def _moved(self, step: Step) -> Sequence[Places | None] | None:
        """Return the places of numbers that are moved about: each result reads one or several values."""
        rows, batch = max((places.rows, places.batch) for each in step.inputs if (places := self.places.get(each)))
        moved = move(step, self._constants, rows, batch)
        if moved is None:
            return None
        found = []
        for each in moved:
            places = self._joined(step, [(value, readings) for value, readings in each if value in self.places])
            if places is None:
                return None
            found.append(places)
        return found

    def _reduced(self, step: Step) -> Sequence[Places | None] | None:
        """Return the places along the axes that are not reduced."""
        source = step.inputs[0]
        reduced = self._constants.find(step.inputs[1])
        if reduced is None or source.shape.rank is None or source not in self.places:
            return None
        away = {int(axis) % source.shape.rank for axis in np.ravel(reduced)}
        if self.places[source].batch in away:
            return None
        attributes = step.operation.node_def.attr
        keeps = "keep_dims" in attributes and step.operation.get_attr("keep_dims")
        left = [axis for axis in range(source.shape.rank) if axis not in away]
        axes = {axis: axis if keeps else number for number, axis in enumerate(left)}
        places = self._joined(step, [(source, self._renamed(source, axes))])
        return None if places is None else [places]

    def _renamed(self, value: Value, axes: Mapping[int, int]) -> dict[int, Reading]:
        """Return the readings of axes that get other numbers; those left out are summed over."""
        found = whole(value.shape, self.places[value].rows, self.places[value].batch)
        return {axis: Reading(reading.positions, axes.get(axis)) for axis, reading in found.items()}

    def _broadcast(self, value: Value, result: Any) -> dict[int, Reading]:
        """Return how a result reads the axes of what is broadcast to it; one of one place that is spread is gone."""
        above, batch = result.rank - value.shape.rank, self.places[value].batch
        kept = {
            axis: axis + above
            for axis, size in enumerate(value.shape)
            if axis == batch or size != 1 or result[axis + above] in (1, None)
        }
        return self._renamed(value, kept)

    def _product(self, step: Step) -> Sequence[Places | None] | None:
        """Rows come from the first factor and columns from the second; the axes before are those of both."""
        result, found = step.outputs[0].shape, []
        for index, value in enumerate(step.inputs):
            if value in self.places:
                rank = value.shape.rank
                if rank is None or result.rank is None:
                    return None
                is_transposed = step.operation.get_attr(MATRIX_PRODUCTS[step.type][index])
                own = rank - 2 if (index == 0) != is_transposed else rank - 1
                axes = {axis: axis + result.rank - rank for axis in range(rank - 2)}
                found.append((value, self._renamed(value, axes | {own: result.rank - 2 + index})))
        places = self._joined(step, found)
        return None if places is None else [places]

    def _einsum(self, step: Step) -> Sequence[Places | None] | None:
        """Return the places of an Einsum: each axis is that of its letter in the result."""
        sources, _, result = step.operation.get_attr("equation").decode().partition("->")
        if "." in sources:
            return None
        found = []
        for labels, value in zip(sources.split(","), step.inputs, strict=True):
            if value in self.places:
                axes = {axis: result.find(label) for axis, label in enumerate(labels) if label in result}
                found.append((value, self._renamed(value, axes)))
        places = self._joined(step, found)
        return None if places is None else [places]

    def _reshaped(self, step: Step) -> Sequence[Places | None] | None:
        """Return the places after a reshaping; None if the rows of an image do not divide evenly."""
        source, result = step.inputs[0], step.outputs[0]
        if source not in self.places:
            return None
        places = self.places[source]
        if source.shape.rank in (None, 0) or not result.shape.rank:
            return None
        # Some put one axis more in front of the batch, as tf_keras does to normalise layers.
        batch = next((axis for axis, size in enumerate(result.shape) if size is None), 0)
        before, after = _rest(source.shape, places.batch), _rest(result.shape, batch)
        if before is None or after is None or not prod(after) or places.rows * prod(before) % prod(after):
            return None
        rows = places.rows * prod(before) // prod(after)
        sizes = [*[1] * places.batch, places.rows, *before], [*[1] * batch, rows, *after]
        height, width = ([each.reshaped(*sizes) for each in direction] for direction in places.along)
        if None in height or None in width:
            return None
        return [Places((tuple(filter(None, height)), tuple(filter(None, width))), rows, batch=batch)]

    def _inside(self, step: Step) -> Sequence[Places | None]:
        """Return the places of the results of a call, of branches that agree, or of a loop that leaves them be."""
        lost, branches = Places(((), ()), lost=step), step.type in CONDITIONS or step.type in CASES
        # The first input chooses a branch or, for a step on each image by itself, is the images, which are counted.
        inputs = step.inputs[1:] if branches or isinstance(step, EachImage) else step.inputs
        # Of what a loop changes nothing is known from one time to the next.
        known = {} if step.type in LOOPS else {each: self._constants.find(each) for each in inputs}
        found = [[self.places.get(each) for each in inputs]] if step.type in LOOPS else []
        for program in step.programs if branches else step.programs[-1:]:
            pairs = list(zip(program.inputs, inputs, strict=True))
            constants = {inner: known[outer] for inner, outer in pairs if known.get(outer) is not None}
            given = {inner: self.places[outer] for inner, outer in pairs if outer in self.places}
            inside = follow(program, given, constants)
            found.append([inside.get(value) for value in program.outputs])
        return [_agreed(each, lost) for each in zip(*found, strict=True)]


def _agreed(found: Sequence[Places | None], lost: Places) -> Places | None:
    """Return the places if all are close to the first, else `lost`; None if there are none at all."""
    first, *others = found
    agree = not any(others) if first is None else all(first.are_close(each) for each in others)
    return first if agree else lost


def _rest(shape: Any, batch: int) -> list[int] | None:
    """Return the sizes behind the batch's axis, None if one is open, or axes before it have several places."""
    is_known = all(size == 1 for size in shape[:batch]) and shape[batch + 1 :].is_fully_defined()
    return list(shape[batch + 1 :]) if is_known else None
