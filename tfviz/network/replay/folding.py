"""The scales of a batch normalisation folded into the convolution before it, in the backward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import tensorflow as tf

from tfviz.network.program import Program, Step, Value
from tfviz.network.replay.input_gradients import is_exact

DEPTHWISE = frozenset({"DepthwiseConv2dNative"})
CONVOLUTIONS = DEPTHWISE | {"Conv2D"}
NORMALISATIONS = frozenset({"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"})
SUMS = frozenset({"Add", "AddV2", "BiasAdd"})
LIGHT = 1.0
"""A kernel is scaled instead of the gradient where it has at most so many weights for each number of one image's
feature map."""


@dataclass(frozen=True, eq=False)
class Fold:
    """A convolution and what follows it up to the last scale by channel, the same for every image."""

    convolution: Step
    chain: tuple[Step, ...]

    @property
    def value(self) -> Value:
        """What the last operation gives."""
        return self.chain[-1].outputs[0]

    @property
    def hidden(self) -> set[Value]:
        """The values that are gone past."""
        return {step.outputs[0] for step in (self.convolution, *self.chain[:-1])}

    def scale(self, tensors: Mapping[Value, tf.Tensor]) -> tf.Tensor:
        """Return by what the chain multiplies each channel (c,)."""
        value = self.convolution.outputs[0]
        scale = tf.ones(value.shape[-1:], value.dtype)
        for step in self.chain:
            operands = [tensors[each] for each in step.inputs if each is not value]
            if step.type in NORMALISATIONS:
                gamma, _, _, variance = operands
                scale *= gamma * tf.math.rsqrt(variance + step.operation.get_attr("epsilon"))
            elif step.type == "Mul":
                scale *= tf.reshape(operands[0], [-1])
            value = step.outputs[0]
        return scale


def find_folds(program: Program, depending: Collection[Value], uses: Counter[Value]) -> tuple[Fold, ...]:
    """Return the convolutions of a program that a scale by channel follows, with all up to the last.

    depending: the values that follow from the image. uses: how often each value is read.
    """
    readers = {value: step for step in program.steps for value in step.inputs}
    folds = []
    for step in program.steps:
        if step.type not in CONVOLUTIONS or not _may_scale(step, depending):
            continue
        chain, value = [], step.outputs[0]
        while uses[value] == 1 and value in readers and _is_affine(readers[value], value, depending):
            chain.append(readers[value])
            value = chain[-1].outputs[0]
        while chain and not _scales(chain[-1]):
            chain.pop()
        if chain:
            folds.append(Fold(step, tuple(chain)))
    return tuple(folds)


def _scales(step: Step) -> bool:
    return step.type == "Mul" or step.type in NORMALISATIONS


def _may_scale(step: Step, depending: Collection[Value]) -> bool:
    """Return whether the kernel is the same for all images, and small beside what the convolution makes of one."""
    kernel, result = step.inputs[1], step.outputs[0]
    if kernel in depending or not is_exact(step) or step.operation.get_attr("data_format") != b"NHWC":
        return False
    weights, numbers = kernel.shape.num_elements(), result.shape[1:].num_elements()
    return weights is not None and numbers is not None and weights <= LIGHT * numbers


def _is_affine(step: Step, value: Value, depending: Collection[Value]) -> bool:
    """Return whether a step scales or shifts the channels of `value`, each image's alike."""
    operands = [each for each in step.inputs if each is not value]
    if any(each in depending for each in operands):
        return False
    if step.type in NORMALISATIONS:
        is_read = step.inputs[0] is value and not step.operation.get_attr("is_training")
        return bool(is_read and step.operation.get_attr("data_format") == b"NHWC")
    if step.type == "BiasAdd" and step.operation.get_attr("data_format") != b"NHWC":
        return False
    if step.type == "Sub" and step.inputs[0] is not value:
        return False
    known = step.type in SUMS or step.type in ("Mul", "Sub")
    return known and len(operands) == 1 and is_of_channels(operands[0], value)


def is_of_channels(operand: Value, value: Value) -> bool:
    """Return whether `operand` is a number, or one for each channel of `value`."""
    shape, channels = operand.shape, value.shape[-1]
    if not shape.is_fully_defined() or shape.rank > value.shape.rank:
        return False
    count = shape.num_elements()
    return count == 1 or bool(shape[-1] == channels and count == channels)
