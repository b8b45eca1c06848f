"""The mean of the random numbers of a program, as far as the program shows it.

One number stands for all of a value. Uniform numbers keep their bounds as well, so that the share of them above a bound
is known: this is the mean of a dropout's mask, `uniform >= rate` or, in older programs, `floor(uniform + keep)`. The
sum of two random numbers has a mean alone, and whatever is made otherwise has none.

The mean follows from the operations and not from samples, so it is exact: 1 for a dropout that is scaled by 1 / keep,
however few units it keeps. Normal numbers have no bounds; truncated ones are symmetric, so their mean is 0 as well.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tfviz.network.program import Step, Value

UNIFORM = frozenset({"RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2", "StatefulUniform"})
NORMAL = frozenset(
    {"RandomStandardNormal", "TruncatedNormal", "StatelessRandomNormal", "StatelessRandomNormalV2"}
    | {"StatelessTruncatedNormal", "StatelessTruncatedNormalV2", "StatefulStandardNormal", "StatefulStandardNormalV2"}
    | {"StatefulTruncatedNormal"}
)
HANDED_ON = frozenset({"Identity", "Reshape", "ExpandDims", "Squeeze", "BroadcastTo", "Tile", "Cast", "StopGradient"})
SUM_SIGNS = {"AddV2": 1, "Add": 1, "Sub": -1}
ABOVE, BELOW = frozenset({"Greater", "GreaterEqual"}), frozenset({"Less", "LessEqual"})


class RandomNumber(NamedTuple):
    """A random number by its mean. low, high: its bounds, if all between are equally likely; equal for a constant.

    What is known of it is kept as far as the operations allow: a multiple has bounds, and so has the sum with a
    constant.
    """

    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def is_constant(self) -> bool:
        """Whether it is not random."""
        return self.low is not None and self.low == self.high

    def times(self, factor: float) -> RandomNumber:
        """Return the number multiplied by a constant."""
        if self.low is None or self.high is None:
            return RandomNumber(self.mean * factor)
        return RandomNumber(self.mean * factor, *sorted((self.low * factor, self.high * factor)))

    def plus(self, other: RandomNumber) -> RandomNumber:
        """Return the sum with another number; that of two random ones has no bounds."""
        bounds = (self.low, self.high, other.low, other.high)
        if None in bounds or not (self.is_constant or other.is_constant):
            return RandomNumber(self.mean + other.mean)
        return RandomNumber(self.mean + other.mean, bounds[0] + bounds[2], bounds[1] + bounds[3])  # type: ignore[operator]  # no None

    def share_above(self, bound: float) -> float | None:
        """Return how often it is above a bound, as 0.8 of uniform numbers are above 0.2; None if that is not known."""
        if self.low is None or self.high is None or self.is_constant:
            return None
        return min(max((self.high - bound) / (self.high - self.low), 0.0), 1.0)


def constant_of(value: Value) -> float | None:
    """Return the number that a constant is everywhere; None if it is not a constant or has several numbers."""
    if value.step is None or value.step.type != "Const" or value.dtype == tf.string:
        return None
    found = tf.get_static_value(value.step.operation.outputs[0])
    return float(found.flat[0]) if found is not None and found.size and (found == found.flat[0]).all() else None


def expected(value: Value) -> RandomNumber | None:
    """Return the average of a value, one number for all of it; None if the program does not show it.

    A comparison has the share in which it holds as its average. A constant that is not the same everywhere has none.
    """
    step, known = value.step, constant_of(value)
    if known is not None:
        return RandomNumber(known, known, known)
    if step is None or len(step.outputs) != 1:
        return None
    if step.type in UNIFORM:
        return RandomNumber(0.5, 0.0, 1.0)
    if step.type in NORMAL:
        return RandomNumber(0.0)
    operands = [expected(each) for each in step.inputs[:1] if step.type in HANDED_ON or step.type == "Floor"]
    if operands:
        return _handed_on(step, operands[0])
    return _combined(step) if len(step.inputs) == 2 else None


def _handed_on(step: Step, number: RandomNumber | None) -> RandomNumber | None:
    """Return the number of a value that is reshaped, cast or broadcast; of a floor, the share in which it is 1."""
    if number is None or step.type != "Floor":
        return number
    # floor(x + U), the mask of a dropout in older programs.
    is_mask = number.low is not None and number.high is not None and 0 <= number.low < 1 < number.high <= 2
    share = number.share_above(1.0) if is_mask else None
    return None if share is None else RandomNumber(share)


def _combined(step: Step) -> RandomNumber | None:
    """Return what two operands make together: a sum, a multiple, or the share of a comparison."""
    first, second = map(expected, step.inputs)
    if first is None or second is None:
        return None
    if step.type in SUM_SIGNS:
        return first.plus(second.times(SUM_SIGNS[step.type]))
    if step.type == "Mul" and (first.is_constant or second.is_constant):
        drawn, constant = (second, first) if first.is_constant else (first, second)
        return drawn.times(constant.mean)
    if step.type == "RealDiv" and second.is_constant and second.mean:
        return first.times(1 / second.mean)
    return _share(step, first, second)


def _share(step: Step, first: RandomNumber, second: RandomNumber) -> RandomNumber | None:
    """Return how often a comparison of a random number with a constant holds."""
    if step.type not in ABOVE | BELOW:
        return None
    swapped = first.is_constant
    drawn, bound = (second, first) if swapped else (first, second)
    share = drawn.share_above(bound.mean) if bound.is_constant else None
    if share is None:
        return None
    return RandomNumber(share if (step.type in ABOVE) != swapped else 1 - share)
