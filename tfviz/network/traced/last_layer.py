"""The score of one class, from the last layer's weights of that class alone.

On its way back from one score, a gradient needs the last layer's weights of no other class, but would be multiplied by
all of them. So if that layer has many weights and everything behind it keeps classes apart, the score is computed once
more from the weights of its class, and the backward pass starts there. This is one of the shortcuts on CPUs: the logits
stay those of the forward pass, bit for bit.

The score that is differentiated differs from the logit by rounding alone, and is not what is reported. A softmax behind
the logits does not matter, since scores are taken before it; a single sigmoid, a custom score and log odds that are
made of several probabilities have no row of their own and take the usual way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import tensorflow as tf

from tfviz.network.heads import Head
from tfviz.network.program import Step, Value
from tfviz.network.replay import RELUS, SUMS, Rule, is_of_channels, is_pointwise, run_step

WORTH = 100_000
"""The last layer is run again for one class if it has at least so many weights."""


@dataclass(frozen=True, eq=False)
class LastLayer:
    """The last layer with weights, a product with a matrix, and the steps from there to the logits.

    layer: a `MatMul` of features (N, D), or a 1x1 `Conv2D` of a map whose places are pooled behind it, as SqueezeNet's.
    chain: the steps behind it, in order, each of which keeps the classes apart.
    """

    layer: Step
    chain: tuple[Step, ...]

    def is_free_of(self, values: Collection[Value]) -> bool:
        """Return whether none of the `values` lies between the layer's input and the scores."""
        return not any(step.outputs[0] in values for step in (self.layer, *self.chain))

    def scores(self, tensors: Mapping[Value, tf.Tensor], targets: tf.Tensor, rule: Rule | None) -> tf.Tensor:
        """Return the logit (N,) of each image's target (N,), from the tensors of a replay.

        A row of the matrix is gathered for each image, and the chain is run with one channel in place of all. rule:
        that of the forward pass, for ReLUs in the chain.
        """
        features, matrix = (tensors[value] for value in self.layer.inputs)
        count = tf.shape(features)[0]
        weights = tf.gather(tf.reshape(matrix, matrix.shape[-2:]), targets, axis=1)
        pixels = tf.reshape(features, [count, -1, matrix.shape[-2]])
        found = tf.matmul(pixels, tf.transpose(weights)[..., tf.newaxis])
        found = tf.reshape(found, tf.concat([tf.shape(features)[:-1], [1]], axis=0))
        value = self.layer.outputs[0]
        found.set_shape([*value.shape[:-1], 1])
        for step in self.chain:
            operands = [tensors[each] for each in step.inputs if each is not value]
            found = _follow(step, found, operands, targets, rule)
            value = step.outputs[0]
        return tf.reshape(found, [-1])


def _follow(
    step: Step, found: tf.Tensor, operands: list[tf.Tensor], targets: tf.Tensor, rule: Rule | None
) -> tf.Tensor:
    """Return the result of a step of the chain for one channel (N, ..., 1), that of each image's target."""
    if step.type in SUMS:
        added = tf.gather(tf.reshape(operands[0], [-1]), targets)
        return found + tf.reshape(added, [-1, *[1] * (found.shape.rank - 1)])
    if step.type == "Reshape":
        return tf.reshape(found, [-1, *[1] * (step.outputs[0].shape.rank - 1)])
    return run_step(step, [found, *operands], rule)[0]


def find_last_layer(depending: Collection[Value], head: Head) -> LastLayer | None:
    """Return the last layer of a network if it has many weights and each class follows from its own; None otherwise.

    depending: the values that follow from the image.
    """
    if not head.has_classes or head.is_binary or head.logits is None:
        return None
    chain: list[Step] = []
    value, classes = head.logits, head.logits.shape[-1]
    while (step := value.step) is not None and value.shape.rank and value.shape[-1] == classes:
        if _is_layer(step, depending):
            weights = step.inputs[1].shape.num_elements()
            return LastLayer(step, tuple(reversed(chain))) if weights and weights >= WORTH else None
        reached = [each for each in step.inputs if each in depending]
        if len(reached) != 1 or not _keeps_classes(step, reached[0]):
            return None
        chain.append(step)
        value = reached[0]
    return None


def _is_layer(step: Step, depending: Collection[Value]) -> bool:
    """Return whether a step multiplies features by weights (D, K): as a matrix product, or as a 1x1 convolution.

    A matrix that depends on the image, as in an attention, does not count.
    """
    if len(step.inputs) != 2 or step.inputs[1] in depending:
        return False
    get = step.operation.get_attr
    if step.type == "Conv2D":
        is_whole = step.inputs[0].shape[-1] == step.inputs[1].shape[2]  # not in groups of channels
        is_last = get("data_format") == b"NHWC" and list(get("strides")) == [1, 1, 1, 1]
        return is_pointwise(step) and is_whole and is_last
    return step.type == "MatMul" and not get("transpose_a") and not get("transpose_b")


def _keeps_classes(step: Step, value: Value) -> bool:
    """Return whether each channel of the result of a step follows from the same channel of `value` alone.

    That is known of biases, means and maxima over places, axes of one place that go, ReLUs and the identity; any other
    step is taken to mix them.
    """
    if step.type in SUMS:
        (operand,) = (each for each in step.inputs if each is not value)
        is_last = step.type != "BiasAdd" or step.operation.get_attr("data_format") == b"NHWC"
        return is_last and operand.shape[-1:] == value.shape[-1:] and is_of_channels(operand, value)
    if step.type in ("Mean", "Max"):
        axes = step.inputs[1].step
        found = None if axes is None else tf.get_static_value(axes.operation.outputs[0])
        return found is not None and not {0, -value.shape.rank, -1, value.shape.rank - 1}.intersection(found.ravel())
    if step.type == "Squeeze":
        axes = step.operation.get_attr("squeeze_dims")
        return bool(axes) and not {0, -value.shape.rank, -1, value.shape.rank - 1}.intersection(axes)
    if step.type == "Reshape":
        shapes = value.shape, step.outputs[0].shape
        return all(shape[1:].num_elements() == value.shape[-1] for shape in shapes)
    return step.type in RELUS or step.type == "Identity"
