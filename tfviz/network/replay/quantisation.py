"""Finds the roundings of a network that are quantisation, which is trained and explained as if it were not there.

A rounding passes its gradient if arithmetic goes on with its result. From each one all paths are followed, past steps
that hand on, clip or scale, to the first operation of another kind, and every one of these must be arithmetic. Indices,
gates, remainders and rounded outputs are decisions and have no gradient. While no rounding passed its gradient, maps of
a model that Keras quantised were off by 80 %; now `quantize("int8")`, live and saved, equals its own tape.

The model's own custom gradients would say which roundings are meant, but a SavedModel may have lost their functions and
keep only the tags of where they stood. So a tag is taken as evidence (`has_own_gradient`), the operations decide, and
a rounding without a tag must lead to arithmetic at least once. Roundings inside of conditions, loops and calls are not
searched and keep TensorFlow's own gradient, which is none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

import tensorflow as tf

from tfviz.network.program import Program, Step, Value, gradient_tag
from tfviz.network.replay.straight_through import EXACT, PRODUCTS, StraightThrough, numbers_of

ROUNDINGS = frozenset({"Round", "Rint"})
# Only if the model has a gradient of its own around them: else they are as likely a part of something else.
STEPS_DOWN = frozenset({"Floor", "Ceil"})
# Operations that give a scale.
EXTREMES = frozenset({"Max", "Min"})
HANDED_ON = frozenset({"Identity", "IdentityN", "Cast", "Reshape", "Squeeze", "ExpandDims", "Transpose"})
CLIPS = frozenset({"Minimum", "Maximum", "ClipByValue"})
SCALINGS = frozenset({"Mul", "RealDiv", "AddV2", "Add", "Sub", "BiasAdd"})
# Operations that compute with integers, and do not count, choose or look up by them.
ARITHMETIC = (HANDED_ON | CLIPS | SCALINGS | PRODUCTS | {"Sum", "Neg", "Relu", "Pad", "PadV2", "ConcatV2"}) - {
    "IdentityN",
    "RealDiv",
}


def find_straight_through(program: Program, image: Value) -> StraightThrough:
    """Return the values that pass their gradient straight through, between the image and the outputs of a program.

    These are roundings, and integers made of floats, that arithmetic with weights, other numbers or a scale goes on
    with. An index, a decision (a gate that features are multiplied by, a rounded output) and a rounding's remainder are
    not. Around a rounding for which the model has a gradient of its own, which neither a replay nor a SavedModel knows,
    the scale is a constant, too, as in Keras' own quantisation.
    """
    steps = [step for step in program.steps if _may_round(step)]
    return _Search(program, image).among(steps) if steps else EXACT


def _may_round(step: Step) -> bool:
    """Return whether a step makes of floats what has no gradient: rounded floats, or integers by a cast."""
    if not step.inputs or not step.inputs[0].dtype.is_floating:
        return False
    return step.type in ROUNDINGS | STEPS_DOWN or (step.type == "Cast" and step.outputs[0].dtype.is_integer)


class _Search:
    """Finds the steps, among those that may round, with whose results arithmetic goes on.

    Only what depends on the image counts: a quantised kernel is a constant to the gradient, however it was rounded.
    """

    def __init__(self, program: Program, image: Value) -> None:
        self._program = program
        self._reached = program.depending_on([image])
        self._users: defaultdict[Value, list[Step]] = defaultdict(list)
        for step in program.steps:
            for value in step.inputs:
                self._users[value].append(step)

    def among(self, steps: list[Step]) -> StraightThrough:
        """Return the values that pass their gradient on, of steps that may round.

        A region is what lies between the operands and the result of a function with a custom gradient. If a rounding
        of it passes its gradient, the extremes in it, such as the largest absolute value, are the scale.
        """
        regions = [_between(step) for step in self._program.steps if gradient_tag(step.operation)]
        own = {step for region in regions for step in region}
        rounded, integers, floats = set[Value](), set[Value](), set[Value]()
        for step in steps:
            path = _Path(self._users, self._reached)
            if step.inputs[0] in self._reached and path.leads_on(step, has_own_gradient=step in own):
                rounded.update([step.outputs[0]] if step.outputs[0].dtype.is_floating else [])
                integers |= path.integers
                floats |= path.floats
        quantising = [region for region in regions if any(step.outputs[0] in rounded | integers for step in region)]
        scales = {step.outputs[0] for region in quantising for step in region if step.type in EXTREMES}
        return StraightThrough(*map(frozenset, (rounded, integers, floats, scales)))


def _between(step: Step) -> set[Step]:
    """Return the steps that make the first input of a step from its other inputs.

    The `IdentityN` of a custom gradient takes the result of the function first, and behind it what it was called with.
    """
    found, pending = set[Step](), [step.inputs[0]]
    while pending:
        value = pending.pop()
        if value in step.inputs[1:] or value.step is None or value.step in found:
            continue
        found.add(value.step)
        pending.extend(value.step.inputs)
    return found


class _Path:
    """The paths that lead on from a rounding. integers, floats: as those of `StraightThrough`."""

    def __init__(self, users: dict[Value, list[Step]], reached: Collection[Value]) -> None:
        self._users = users
        self._reached = reached
        self.integers: set[Value] = set()
        self.floats: set[Value] = set()

    def leads_on(self, step: Step, *, has_own_gradient: bool) -> bool:
        """Return whether arithmetic goes on with the result of a step that rounds, on every path that leads on.

        A floor or ceiling must have a gradient of its own beside, or be written to round to the nearest. A rounding
        with which nothing goes on is an output, and passes its gradient only if the model gave it one.
        """
        self._before = set(self._scaled_from(step.inputs[0]))
        self._has_own_gradient = has_own_gradient
        if step.type in STEPS_DOWN and not (has_own_gradient or _rounds_to_nearest(step)):
            return False
        met = list(self._meets(step.outputs[0]))
        return all(met) and (bool(met) or has_own_gradient)

    def _meets(self, value: Value) -> Iterator[bool]:
        """Yield whether the operation at the end of a path is arithmetic, for every path of handing on and scaling."""
        if value.dtype.is_integer:
            self.integers.add(value)
        for step in self._users.get(value, ()):
            others = [each for each in step.inputs if each is not value and each in self._reached]
            if value.dtype.is_integer and not self._is_arithmetic(step, value):
                yield False
            elif value.dtype.is_integer:
                if step.outputs[0].dtype.is_floating:
                    self.floats.add(step.outputs[0])
                yield from self._meets(step.outputs[0])
            elif self._is_remainder(step, others) or self._is_gate(step, others):
                yield False
            elif step.type in HANDED_ON | CLIPS | SCALINGS and not others:
                yield from self._meets(step.outputs[0])
            elif step.type != "StopGradient":
                yield True

    def _is_arithmetic(self, step: Step, value: Value) -> bool:
        """Return whether a step computes with an integer as a number, and does not use it as a size, index or axis."""
        places = {place for place, each in enumerate(step.inputs) if each is value}
        if step.type == "Cast":
            dtype = step.outputs[0].dtype
            return bool(dtype.is_floating or dtype.is_integer)
        return step.type in ARITHMETIC and places <= numbers_of(step)

    def _is_remainder(self, step: Step, others: list[Value]) -> bool:
        """Return whether a step combines what is rounded with its rounding, as a remainder does."""
        return step.type in {"AddV2", "Add", "Sub"} and bool(self._before.intersection(others))

    def _is_gate(self, step: Step, others: list[Value]) -> bool:
        """Return whether a step multiplies features by a rounding for which the model has no gradient of its own."""
        return step.type == "Mul" and not self._has_own_gradient and not all(map(_is_scale, others))

    def _scaled_from(self, value: Value) -> Iterator[Value]:
        """Yield the value that is rounded, and the values that it is scaled, shifted and clipped from."""
        yield value
        if value.step is not None and value.step.type in HANDED_ON | CLIPS | SCALINGS | ROUNDINGS | STEPS_DOWN:
            for each in value.step.inputs:
                if each in self._reached:
                    yield from self._scaled_from(each)


def _is_scale(value: Value) -> bool:
    """Return whether a value has one number for what is scaled together, as an extreme of an axis has."""
    return value.shape.rank is not None and (value.shape.rank == 0 or 1 in value.shape[1:])


def _rounds_to_nearest(step: Step) -> bool:
    """Return whether a step is floor(x + 1/2)."""
    before = step.inputs[0].step
    if step.type != "Floor" or before is None or before.type not in {"AddV2", "Add"}:
        return False
    made = [each.step for each in before.inputs if each.step is not None and each.step.type == "Const"]
    return any((tf.get_static_value(each.operation.outputs[0]) == 0.5).all() for each in made)
