"""Passes the gradient of quantised values straight through, as in the training of such networks.

Results stay those of the operations; only gradients differ. A tape does not see integers, so that each has a twin: a
float on the tape with the integer's numbers, whose gradient is that of the operation on floats. When the integers
become floats again, these hand their gradient on to the twin.

Bengio, Léonard, Courville, "Estimating or propagating gradients through stochastic neurons", 2013, arXiv 1308.3432.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from tfviz.network.program import Step, Tensors, Value, by_argument, run_operation

PRODUCTS = frozenset({"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"})


@dataclass(frozen=True)
class StraightThrough:
    """The values of a program that pass their gradient on as if they were not rounded.

    rounded: results of roundings. integers: those made of floats that become floats again. floats: what these become.
    scales: what the numbers are scaled by, which is a constant to the gradient.
    """

    rounded: frozenset[Value] = frozenset()
    integers: frozenset[Value] = frozenset()
    floats: frozenset[Value] = frozenset()
    scales: frozenset[Value] = frozenset()

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.rounded or self.integers)

    def isdisjoint(self, values: Sequence[Value]) -> bool:
        """Return whether none of the values is among them."""
        return all(each.isdisjoint(values) for each in (self.rounded, self.integers, self.floats, self.scales))


EXACT = StraightThrough()


@dataclass(frozen=True)
class Straightened:
    """One replay of the steps whose results pass their gradient on.

    twins: the floats, on the tape, that stand for integers, which no tape sees. They are of this replay alone, so each
    replay makes a `Straightened` of its own.
    """

    values: StraightThrough
    twins: dict[Value, tf.Tensor] = field(default_factory=dict)

    def run(self, step: Step, inputs: Tensors) -> Tensors:
        """Run a step; its results are those of the operation, whatever is done about gradients.

        A scale has no gradient; a rounded value has that of its operand; a float made of integers has that of their
        twin. What makes integers makes a twin as well: of a cast, the numbers that were cast; else see `_computed`.
        """
        (result,), value = run_operation(step, inputs), step.outputs[0]
        if value in self.values.scales:
            return [tf.stop_gradient(result)]
        if value in self.values.rounded:
            return [_passing(result, inputs[0])]
        if value in self.values.floats:
            return [_passing(result, self.twins[step.inputs[0]])]
        if step.type == "Cast":
            self.twins[value] = _passing(tf.cast(result, tf.float32), self.twins.get(step.inputs[0], inputs[0]))
        else:
            self.twins[value] = self._computed(step, inputs, result)
        return [result]

    def _computed(self, step: Step, inputs: Tensors, result: tf.Tensor) -> tf.Tensor:
        """Return the twin of an integer result, whose gradient is that of the operation on floats.

        Its numbers are the integer result's, exactly as far as float32 holds them (up to 2²⁴). The operation is run on
        floats only on the way back: forward it would cost a second product of matrices, and round otherwise.
        """
        numbers = [
            tf.cast(tensor, tf.float32) if place in numbers_of(step) else tensor for place, tensor in enumerate(inputs)
        ]
        places = [place for place, value in enumerate(step.inputs) if value in self.twins]

        @tf.custom_gradient
        def computed(*twins: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], Sequence[tf.Tensor]]]:
            def backward(upstream: tf.Tensor) -> Sequence[tf.Tensor]:
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(twins)
                    given = dict(enumerate(numbers)) | dict(zip(places, twins, strict=True))
                    found = run_operation(step, list(given.values()), {"Tout": tf.float32})
                gradients: Sequence[tf.Tensor] = tape.gradient(found, twins, [upstream])
                return gradients

            return tf.cast(result, tf.float32), backward

        twin: tf.Tensor = computed(*(self.twins[step.inputs[place]] for place in places))
        return twin


def _passing(result: tf.Tensor, operand: tf.Tensor) -> tf.Tensor:
    """Return a result whose gradient is the operand's: what comes from upstream goes to the operand unchanged.

    The two have the same shape and may have different types; the gradient is cast to the operand's.
    """

    @tf.custom_gradient
    def passing(_: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return tf.identity(result), lambda upstream: tf.cast(upstream, operand.dtype)

    passed: tf.Tensor = passing(operand)
    return passed


def numbers_of(step: Step) -> set[int]:
    """Return the places of the inputs that a step computes with; the others are sizes, axes and orders."""
    if step.type in PRODUCTS:
        return set(range(len(step.inputs)))
    arguments = step.operation.op_def.input_arg
    places = by_argument(step.operation, arguments, range(len(step.inputs)))
    found: set[int] = set()
    for argument in arguments:
        if argument.type_attr == "T":
            each = places[argument.name]
            found.update(each if isinstance(each, list) else [each])
    return found
