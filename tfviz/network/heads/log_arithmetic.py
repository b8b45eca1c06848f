"""Operations on probabilities, done on their logarithms.

`ARITHMETIC` has a function for each type of operation that may lie between softmaxes and an output, on pairs of log p
and log(1 − p); `MOVES` are run as they are, on both logarithms. A clip that keeps a logarithm finite is left out, since
what lies beyond it is what is explained. Whatever would not give probabilities raises, and the output stays a raw one;
what raises nothing is still tried on numbers, see `probability_trial`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.heads.log_probabilities import (
    NEVER,
    TINY,
    LogPair,
    complement,
    difference,
    log_of,
    of_number,
    of_softmax,
    power,
    product,
    product_along,
    running_product,
    scaled,
    sum_of,
)
from tfviz.network.program import Step, Tensors, Value, run_operation

# Operations that leave numbers as they are and only put them elsewhere.
MOVES = frozenset(
    {
        "BroadcastTo",
        "Cast",
        "ConcatV2",
        "EnsureShape",
        "ExpandDims",
        "GatherNd",
        "GatherV2",
        "Identity",
        "Pack",
        "PadV2",
        "Reshape",
        "ReverseV2",
        "Slice",
        "Split",
        "SplitV",
        "Squeeze",
        "StopGradient",
        "StridedSlice",
        "Tile",
        "Transpose",
        "Unpack",
    }
)
# The largest distance from 0 or 1 of a clip that is left out.
MARGIN = 1e-6

Operand: TypeAlias = "LogPair | tf.Tensor"


def rearranged(step: Step, operands: Sequence[tf.Tensor]) -> Tensors:
    """Return the results of one of `MOVES` on other tensors than its own."""
    return [operands[0]] if step.type == "Cast" else run_operation(step, operands)


def moved(step: Step, operands: Sequence[Operand]) -> list[LogPair]:
    """Return the results of one of `MOVES` on probabilities."""
    # Floats beside them are probabilities, too: the 1 or 0 that a concatenation adds. Integers are sizes and axes.
    known = [
        each if isinstance(each, LogPair) or not each.dtype.is_floating else of_number(as_float(each))
        for each in operands
    ]
    both = [
        rearranged(step, [each[part] if isinstance(each, LogPair) else each for each in known]) for part in range(2)
    ]
    return [LogPair(*each) for each in zip(*both, strict=True)]


def as_float(tensor: tf.Tensor) -> tf.Tensor:
    """Return a tensor as float32."""
    return tf.cast(tensor, tf.float32)


def _add(step: Step, operands: Sequence[Operand]) -> LogPair:
    """Add shares, as those of a mean that is written out; only if all add up to 1 is the sum a probability."""
    return sum_of([_share(each) for each in operands])


def _share(operand: Operand) -> LogPair:
    """Return a term of a sum; nothing is left beside a number."""
    if isinstance(operand, LogPair):
        return operand
    found = log_of(as_float(operand))
    return LogPair(found, tf.fill(tf.shape(found), NEVER))


def _probability(operand: Operand) -> LogPair:
    return operand if isinstance(operand, LogPair) else of_number(as_float(operand))


def _multiply(step: Step, operands: Sequence[Operand]) -> LogPair:
    """Multiply two probabilities, as of events that both happen, or take a share of one: a number times it."""
    one, other = operands
    if isinstance(one, LogPair) and isinstance(other, LogPair):
        return product(one, other)
    return scaled(one, as_float(other)) if isinstance(one, LogPair) else scaled(_probability(other), as_float(one))


def _divide(step: Step, operands: Sequence[Operand]) -> LogPair:
    """Divide by a number, by the sum of all (a softmax written out), or by a sum with the dividend (a sigmoid)."""
    one, other = operands
    divisor = step.inputs[1].step
    if divisor is not None and divisor.type == "Sum" and divisor.inputs[0] is step.inputs[0]:
        return of_softmax(_probability(one).log_p)
    if isinstance(one, LogPair) and not isinstance(other, LogPair):
        return scaled(one, 1 / as_float(other))
    if isinstance(other, LogPair) and _is_part_of(step.inputs[0], divisor):
        # A sigmoid that is written out: of a sum, the part that one of two is.
        log_p = _share(one).log_p - other.log_p
        return LogPair(log_p, complement(tf.minimum(log_p, -TINY)))
    raise UnsupportedModelError(f"{step.name} divides by a probability")


def _is_part_of(value: Value, addition: Step | None) -> bool:
    """Return whether a value, or an equal constant, is a term of an addition."""
    if addition is None or addition.type not in ("Add", "AddV2"):
        return False
    number = value.constant()
    numbers = [each for each in map(Value.constant, addition.inputs) if each is not None]
    return value in addition.inputs or (number is not None and any(np.array_equal(number, each) for each in numbers))


def _subtract(step: Step, operands: Sequence[Operand]) -> LogPair:
    """Take the rest of a probability (1 − p), or what one has more than another, as the classes of an ordinal head."""
    one, other = operands
    if isinstance(one, LogPair) or not isinstance(other, LogPair):
        return difference(_probability(one), _probability(other))
    return LogPair(other.log_rest, other.log_p)


def _extreme(on_p: Callable[..., tf.Tensor], on_rest: Callable[..., tf.Tensor], end: float) -> Callable[..., LogPair]:
    """Return the function for a maximum or minimum of two; `end`: the bound, 0 or 1, of a clip that is left out."""

    def between(step: Step, operands: Sequence[Operand]) -> LogPair:
        # A clip that keeps a logarithm finite is left out: what lies beyond it is what is explained.
        kept = [each for each in operands if isinstance(each, LogPair) or not _is_nearly(each, end)]
        if len(kept) == 1:
            return _probability(kept[0])
        one, other = map(_probability, operands)
        return LogPair(on_p(one.log_p, other.log_p), on_rest(one.log_rest, other.log_rest))

    return between


def _is_nearly(number: tf.Tensor, end: float) -> bool:
    value = tf.get_static_value(number)
    return value is not None and bool((abs(value - end) <= MARGIN).all())


def _reduction(
    how: Callable[..., tf.Tensor], on_rest: Callable[..., tf.Tensor] | None = None
) -> Callable[..., LogPair]:
    """Return the function for a reduction: `how` on log p, and `on_rest`, or the same, on log(1 − p)."""

    def along(step: Step, operands: Sequence[Operand]) -> LogPair:
        pair, axes = operands
        keepdims = step.operation.get_attr("keep_dims")
        other = on_rest or how
        return LogPair(how(pair.log_p, axes, keepdims=keepdims), other(pair.log_rest, axes, keepdims=keepdims))

    return along


def _log_mean(values: tf.Tensor, axes: tf.Tensor, *, keepdims: bool) -> tf.Tensor:
    """Return the logarithm of the mean of numbers, given their logarithms: logsumexp − log n."""
    count = tf.reduce_prod(tf.gather(tf.shape(values), axes % len(values.shape)))
    return tf.reduce_logsumexp(values, axes, keepdims=keepdims) - tf.math.log(as_float(count))


def _multiply_along(step: Step, operands: Sequence[Operand]) -> LogPair:
    """Multiply all along some axes, one after the other, as of experts that must all agree."""
    pair, keepdims = _probability(operands[0]), step.operation.get_attr("keep_dims")
    # From the last axis on, so that those that are left keep their numbers.
    for axis in sorted(tf.get_static_value(operands[1]).ravel() % len(pair.log_p.shape), reverse=True):
        pair = product_along(pair, int(axis), keepdims=keepdims)
    return pair


def _multiply_up_to(step: Step, operands: Sequence[Operand]) -> LogPair:
    """Multiply up to each along an axis, as an ordinal head does whose classes follow each other."""
    how = {name: step.operation.get_attr(name) for name in ("exclusive", "reverse")}
    return running_product(_probability(operands[0]), _one_axis(operands[1]), **how)


def _one_axis(axes: Operand) -> int:
    return int(tf.get_static_value(axes).reshape([]))


def _pad(step: Step, operands: Sequence[Operand]) -> LogPair:
    """Pad with probabilities of 0, of which the rest is 1."""
    pair = _probability(operands[0])
    return LogPair(tf.pad(pair.log_p, operands[1], constant_values=NEVER), tf.pad(pair.log_rest, operands[1]))


def _power(step: Step, operands: Sequence[Operand]) -> LogPair:
    return power(_probability(operands[0]), as_float(operands[1]))


ARITHMETIC: dict[str, Callable[[Step, Sequence[Operand]], LogPair]] = {
    **dict.fromkeys(("Add", "AddN", "AddV2"), _add),
    **dict.fromkeys(("DivNoNan", "RealDiv"), _divide),
    "Cumprod": _multiply_up_to,
    "Max": _reduction(tf.reduce_max, tf.reduce_min),
    "Maximum": _extreme(tf.maximum, tf.minimum, 0),
    "Mean": _reduction(_log_mean),
    "Min": _reduction(tf.reduce_min, tf.reduce_max),
    "Minimum": _extreme(tf.minimum, tf.maximum, 1),
    "Mul": _multiply,
    "Pad": _pad,
    "Pow": _power,
    "Prod": _multiply_along,
    "Sqrt": lambda step, operands: power(_probability(operands[0]), tf.constant(0.5)),
    "Square": lambda step, operands: product(_probability(operands[0]), _probability(operands[0])),
    "Sub": _subtract,
    "Sum": _reduction(tf.reduce_logsumexp),
}
