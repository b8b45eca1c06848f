"""The biases of a network: what its operations add to what the image gives them.

They are found by dependence on the image, not in a list of layers: a bias is the result of an operation that is run
again with zeros in place of the operands that the image reaches. That covers batch normalisation in either form,
preprocessing, paddings and concatenations. The bound of a saturated ReLU6 is a bias, too: without it, the terms of a
MobileNetV2 miss the score by 14 to 24 %.

They are what full gradients decompose a score into (Srinivas and Fleuret 2019, arXiv 1905.00780): s = x · ∂s/∂x +
Σ b · ∂s/∂b. Of a piecewise linear network that is exact; what SiLU, GELU, softmaxes and products of features add is in
none of the terms, and whoever adds these up must say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from tfviz.network.layers import short_names
from tfviz.network.program import Step, TensorsByValue, Value, run_operation
from tfviz.network.traced import TracedNetwork

Zeros = Callable[[Step, tf.Tensor, TensorsByValue], tf.Tensor]


def _one_number(step: Step, operand: tf.Tensor, tensors: TensorsByValue) -> tf.Tensor:
    """Return a zero without axes, which broadcasts against the other operands."""
    return tf.zeros([], operand.dtype)


def _one_place(step: Step, operand: tf.Tensor, tensors: TensorsByValue) -> tf.Tensor:
    """Return zeros (1, 1, 1, c) without reading the operand, or its convolution would not be fused with the bias."""
    channels = tf.shape(tensors[step.inputs[1]])
    ones = tf.ones(len(operand.shape) - 2, tf.int32)
    is_last = not step.operation.get_attr("data_format").startswith(b"NC")
    return tf.zeros(tf.concat([[1], ones, channels] if is_last else [[1], channels, ones], axis=0), operand.dtype)


def _as_large(step: Step, operand: tf.Tensor, tensors: TensorsByValue) -> tf.Tensor:
    """Return zeros of the operand's own shape, for operations that do not broadcast, or put it beside others."""
    return tf.zeros_like(operand)


# Operations that are affine in the operands that the image reaches, and the smallest zeros that may stand in for these
# if the result is broadcast: a bias as large as what it is added to would take as much memory as the features.
AFFINE: dict[str, Zeros] = {
    **dict.fromkeys(("Add", "AddV2", "Sub", "SelectV2"), _one_number),
    **dict.fromkeys(("BiasAdd", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _one_place),
    **dict.fromkeys(("AddN", "ConcatV2", "Pack", "PadV2", "Select"), _as_large),
}
# Operations that hold one operand within bounds: the identity inside of these, a constant outside.
CLIPS = frozenset({"Relu6", "Minimum", "Maximum", "ClipByValue"})
# Operations that take the image in and hand no gradient back: to a derivative their results are constants, as are all
# results that are not floating-point numbers, such as shapes and comparisons.
CONSTANTS = frozenset({"OnesLike", "StopGradient"})


@dataclass(frozen=True, eq=False, repr=False)
class Bias:
    """What one operation adds: its result is J·u + b, with u what the image gives it.

    name: the layer's, with the operation's if a layer has several biases: `conv1`, `norm/add_1`. step: the operation.
    operands: its inputs that the image reaches. is_map: whether the result is a feature map (N, h, w, c).
    """

    name: str
    step: Step
    operands: frozenset[Value]
    is_map: bool

    @property
    def value(self) -> Value:
        """The result of the operation."""
        return self.step.outputs[0]

    @property
    def is_clip(self) -> bool:
        """Whether b is the bound that a clip such as ReLU6 holds its operand at, and zero inside of the bounds."""
        return self.step.type in CLIPS

    def __repr__(self) -> str:
        """Return the name, and the type of the operation."""
        return f"Bias({self.name!r}, {self.step.type})"

    def tensor(self, tensors: TensorsByValue) -> tf.Tensor:
        """Return b, which broadcasts to the result, from the tensors of a replay.

        It is the result for zeros, in the type that the step runs in; that of a clip is what its slope leaves over. It
        depends on the image for a clip, and for a selection if its condition does.
        """
        if self.is_clip:
            return self._beyond_bounds(tensors)
        zeros = AFFINE[self.step.type]
        inputs = [
            zeros(self.step, tensors[value], tensors) if value in self.operands else tensors[value]
            for value in self.step.inputs
        ]
        return run_operation(self.step, self.step.taking(inputs))[0]

    def _beyond_bounds(self, tensors: TensorsByValue) -> tf.Tensor:
        """Return y − J·u, where the slope J is TensorFlow's own, so that ties are cut as in the backward pass."""
        (operand,) = self.operands
        # As large as the result, else the gradient would be summed over what is broadcast.
        clipped = tf.broadcast_to(tensors[operand], tf.shape(tensors[self.value]))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(clipped)
            inputs = [clipped if value is operand else tensors[value] for value in self.step.inputs]
            result = run_operation(self.step, self.step.taking(inputs))[0]
        return result - tape.gradient(result, clipped) * clipped


class BiasTerm(NamedTuple):
    """A bias in one batch: b, which broadcasts to its result z, and ∂scores/∂z, both float32."""

    bias: Bias
    tensor: tf.Tensor
    gradient: tf.Tensor


def find_biases(network: TracedNetwork) -> tuple[Bias, ...]:
    """Return the biases between the image and the score, in the order in which they are added.

    An operation that is affine in the operands that the image reaches has a bias if another operand is not zero:
    additions, batch normalisation, paddings and concatenations with constants, selections. So has a clip. Smooth
    nonlinearities are left out, and conditions, loops and calls compiled by XLA are not searched.
    """
    reached = _reached(network)
    steps = [step for step in network.program.steps if step.outputs and step.outputs[0] in reached]
    biased = [step for step in steps if _has_bias(step, reached)]
    maps = network.layer_index.maps
    return tuple(
        Bias(name, step, reached.intersection(step.inputs), step.outputs[0] in maps)
        for name, step in zip(_names(network, biased), biased, strict=True)
    )


def _reached(network: TracedNetwork) -> frozenset[Value]:
    """Return the values that a gradient of the score goes through on its way to the image.

    They are followed from the image on, and of these from the score back. Quantised integers pass their gradient on and
    count as well.
    """
    forward, quantised = {network.image}, network.running.straight_through.integers
    for step in network.program.steps:
        if step.type not in CONSTANTS and any(value in forward for value in step.inputs):
            # Variants are the lists that a loop collects its results in.
            forward.update(
                value
                for value in step.outputs
                if value.dtype.is_floating or value.dtype == tf.variant or value in quantised
            )
    backward = forward.intersection(network.head.sources)
    for step in reversed(network.program.steps):
        if any(value in backward for value in step.outputs):
            backward.update(value for value in step.inputs if value in forward)
    return frozenset(backward)


def _has_bias(step: Step, reached: frozenset[Value]) -> bool:
    """Return whether an operation adds anything of its own: a clip at a constant, or an operand not known to be zero.

    A maximum of two features is the one or the other, and adds nothing.
    """
    if step.type == "Relu6":
        return True
    if step.type in CLIPS and len(reached.intersection(step.inputs)) > 1:
        return False
    constants = [value for value in step.inputs if value not in reached and value.dtype.is_floating]
    return (step.type in AFFINE or step.type in CLIPS) and not all(_is_zero(value) for value in constants)


def _is_zero(value: Value) -> bool:
    """Return whether a value is zero by construction, as the offset of a `Rescaling` layer that has none."""
    if value.step is None or value.step.type != "Const":
        return False
    return not tf.get_static_value(value.step.operation.outputs[0]).any()


def _names(network: TracedNetwork, steps: list[Step]) -> list[str]:
    """Return a name for each bias: its layer's, and the operation's if the layer has several or there is none.

    Names are unique: what is still the same twice gets a number, `norm/add:0` and `norm/add:1`.
    """
    paths = [network.layer_index.path_around(step) for step in steps]
    shared, layers = Counter(paths), short_names(paths)
    names = [
        layers[path]
        if path and shared[path] == 1
        else "/".join(filter(None, (layers[path], step.name.rpartition("/")[2])))
        for path, step in zip(paths, steps, strict=True)
    ]
    # The operations of a function that one layer calls twice have the same names.
    shared, seen = Counter(names), Counter[str]()
    for index, name in enumerate(names):
        if shared[name] > 1:
            names[index] = f"{name}:{seen[name]}"
            seen[name] += 1
    return names
