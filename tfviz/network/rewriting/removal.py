"""Removes the random numbers of a program, so far as it shows what remains when nobody trains.

Layers that are known to change nothing then are found by their scopes, and give what they are given. Elsewhere the
first operation in which random numbers meet features tells what it is without them: a product with what is one on
average, a sum with what is zero, a choice, a projective transformation. One operation is replaced at a time, and the
program without what led to it alone is searched again. What is not understood stays.

Fixing the seeds would repeat one draw, which is not what the network does at inference, and removes no dropout. What is
replaced must have the type and a compatible shape of what takes its place, so that all that follows runs as before. For
what stays, `diagnosis.randomness` refuses the model, since `random="off"` promises that there is nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

import tensorflow as tf

from tfviz.network.heads import Outputs
from tfviz.network.program import NORMALISATIONS, SHAPES, Inputs, Program, Step, Value
from tfviz.network.rewriting.draws import AT_REST, FLIPS, find_batch_statistics, find_draws
from tfviz.network.rewriting.expectation import constant_of, expected

SELECTIONS = frozenset({"Select", "SelectV2"})
TRANSFORMATIONS = frozenset({"ImageProjectiveTransformV2", "ImageProjectiveTransformV3"})
SAME = frozenset({"Cast", "Identity"})
TOLERANCE = 5e-3
"""How far the mean of a factor may be from one: constants may be rounded to bfloat16."""


def at_rest(inputs: Inputs, outputs: Outputs) -> tuple[Inputs, Outputs]:
    """Return a network's inputs and outputs with the program between them, without the random numbers that can go.

    A layer that changes nothing when nobody trains, known by its scope, gives what it is given. Factors and masks of
    features that are one on average (dropout, Gaussian dropout) go, and so do terms that are zero on average (noise),
    choices between features and what is made of them (a flip), and projective transformations. A batch normalisation
    takes its moving statistics. The steps of the program are changed, and so are outputs that are themselves replaced.
    """
    program, image = inputs.program, inputs.image
    for find in (_of_layers, _of_operations):
        while found := find(program, image):
            for step in program.steps:
                step.inputs = [found.get(value, value) for value in step.inputs]
            outputs = replace(outputs, values=[found.get(value, value) for value in outputs.values])
            program = program.giving(outputs.values)
    for each in find_batch_statistics(program, image, program.outputs):
        _take_moving_statistics(each.operation)
    return replace(inputs, program=program), outputs


def _take_moving_statistics(step: Step) -> None:
    """Let a batch normalisation that trains take the moving statistics, if it is given some.

    In training the operation does not normalise by them, and may be given empty tensors in their place: then it stays.
    Its own operation is replaced by one for inference with the same attributes.
    """
    if step.type not in NORMALISATIONS or not all(value.shape.num_elements() for value in step.inputs[3:5]):
        return
    settings = {name: step.operation.get_attr(name) for name in ("epsilon", "data_format")}
    x, *others = step.inputs
    with tf.Graph().as_default():
        given = [tf.raw_ops.Placeholder(dtype=value.dtype, shape=value.shape) for value in others]
        names = ("scale", "offset", "mean", "variance")
        features = tf.raw_ops.Placeholder(dtype=x.dtype, shape=x.shape)
        made = getattr(tf.raw_ops, step.type)(
            x=features, **dict(zip(names, given, strict=True)), **settings, is_training=False
        )
    step.operation = made[0].op


def _of_layers(program: Program, image: Value) -> dict[Value, Value]:
    """Return the results of the layers that change nothing, each with the value that the layer is given."""
    scopes = {scope for draw in find_draws(program, program.outputs) if (scope := _scope_of(draw.outer))}
    if not scopes:
        return {}
    features = program.reached_by([image])
    return {value: given for scope in scopes for value, given in _Scope(program, scope, features).found()}


def _scope_of(step: Step) -> str:
    """Return the outermost scope of a layer, around a step, that changes nothing when nobody trains; empty for none."""
    parts = step.name.split("/")[:-1]
    known = (depth for depth, part in enumerate(parts, 1) if AT_REST.fullmatch(part) or FLIPS.fullmatch(part))
    return "/".join(parts[: next(known, 0)])


class _Scope:
    """The steps in the scope of a layer that changes nothing, and the features that leave it.

    A value that leaves the layer is replaced only if it is made of one value from outside, whose type and shape fit.
    """

    def __init__(self, program: Program, scope: str, features: Collection[Value]) -> None:
        self._features = features
        self._steps = [step for step in program.steps if step.name.startswith(scope + "/")]
        self._made = {value for step in self._steps for value in step.outputs}
        inside = set(self._steps)
        self._used = {value for step in program.steps if step not in inside for value in step.inputs}
        self._used.update(program.outputs)

    def found(self) -> Iterator[tuple[Value, Value]]:
        """Yield each value that leaves the scope with the one that it is made of."""
        for value in self._made & self._used & set(self._features):
            given = self._given(value)
            if len(given) == 1:
                same = [each for each in self._handed_on(given) if _are_alike(each, value)]
                yield from [(value, same[0])] if same and same[0] is not value else []

    def _given(self, value: Value) -> list[Value]:
        """Return the features from outside that a value is made of."""
        found, seen, pending = dict[Value, None](), set[Value](), [value]
        while pending:
            each = pending.pop()
            if each in seen or each not in self._features:
                continue
            seen.add(each)
            if each not in self._made or each.step is None:
                found[each] = None
            elif each.step.type not in SHAPES:
                pending.extend(each.step.inputs)
        return list(found)

    def _handed_on(self, values: list[Value]) -> list[Value]:
        """Return values with what the scope casts them to."""
        found = list(values)
        for step in self._steps:
            if step.type in SAME and step.inputs[0] in found:
                found.append(step.outputs[0])
        return found


def _are_alike(value: Value, other: Value) -> bool:
    return bool(value.dtype == other.dtype and value.shape.is_compatible_with(other.shape))


def _of_operations(program: Program, image: Value) -> dict[Value, Value]:
    """Return the result of the first operation in which random numbers meet features, with what it is without them."""
    draws = [draw.operation.outputs for draw in find_draws(program, program.outputs)]
    features = frozenset(program.reached_by([image]))
    random_values = frozenset(program.reached_by([value for outputs in draws for value in outputs])) - features
    meeting = _Meeting(features, random_values, program)
    for step in program.steps:
        if random_values.intersection(step.inputs) and features.intersection(step.outputs):
            for value, given in meeting.found(step):
                if _are_alike(value, given):
                    return {value: given}
    return {}


@dataclass(frozen=True)
class _Meeting:
    """How features and random values meet.

    features: what the numbers of the image reach. random_values: what random numbers reach and the image does not.
    """

    features: frozenset[Value]
    random_values: frozenset[Value]
    program: Program

    def found(self, step: Step) -> Iterator[tuple[Value, Value]]:
        """Yield the result of a step, or of the one after it, with the value that it is without random numbers.

        Nothing is yielded for a step of another kind, or for a product or sum with random values of unknown mean.
        """
        result = step.outputs[0]
        if step.type in SELECTIONS and step.inputs[0] in self.random_values:
            yield from self._selected(step)
        elif step.type in TRANSFORMATIONS and step.inputs[0] in self.features:
            yield result, step.inputs[0]
        elif step.type in ("AddV2", "Add", "Sub", "Mul") and len(self.features.intersection(step.inputs)) == 1:
            (place,) = (place for place, value in enumerate(step.inputs) if value in self.features)
            number, given = expected(step.inputs[1 - place]), step.inputs[place]
            if number is None:
                return
            if step.type == "Mul":
                yield from self._scaled(result, given, number.mean)
            elif number.mean == 0 and not (step.type == "Sub" and place == 1):
                yield result, given

    def _selected(self, step: Step) -> Iterator[tuple[Value, Value]]:
        """Yield the result of a random choice: dropout keeps features or zero, a flip turns them or leaves them."""
        decision, kept, other = step.inputs
        for given, changed in ((other, kept), (kept, other)):
            if given in self.features and changed in self.program.reached_by([given]) and changed is not given:
                yield step.outputs[0], given
        share = expected(decision)
        if share is not None and kept in self.features and constant_of(other) == 0:
            yield from self._scaled(step.outputs[0], kept, share.mean)

    def _scaled(self, result: Value, given: Value, mean: float) -> Iterator[tuple[Value, Value]]:
        """Yield features for their product with random values of that mean, scaled to one before or after.

        A dropout scales by 1 / keep in the step before the mask, in the mask itself, or in the step behind it.
        """
        if _is_one(mean):
            yield result, given
        if given.step is not None and (scale := _scale(given.step, self.features)) and _is_one(mean * scale[1]):
            yield result, scale[0]
        users = [step for step in self.program.steps if result in step.inputs]
        if len(users) == 1 and (scale := _scale(users[0], self.features)) and _is_one(mean * scale[1]):
            yield users[0].outputs[0], given


def _is_one(number: float) -> bool:
    return abs(number - 1) < TOLERANCE


def _scale(step: Step, features: Collection[Value]) -> tuple[Value, float] | None:
    """Return the features that a step multiplies by a constant, and that; None for another step."""
    places: Iterable[int] = {"Mul": (0, 1), "RealDiv": (0,)}.get(step.type, ())
    for place in places:
        constant = constant_of(step.inputs[1 - place])
        if step.inputs[place] in features and constant:
            return step.inputs[place], constant if step.type == "Mul" else 1 / constant
    return None
