"""Other backward passes for operations, as data: a rule is a function of the upstream and the local gradient.

A rule is given the operation's own gradient and does not assume one, so it is right for ReLU6 and other clipped ReLUs,
too. Rules are `tf.custom_gradient` while a program is replayed: `tf.GradientTape` inside a `tf.function` ignores
gradient overrides of a graph, and those do not enter the call of a SavedModel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

# Maps the gradient of the result of an operation, which comes from upstream, to that of its input.
Backward = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Rule:
    """Another backward pass for the operations of some types.

    `backward(upstream, local)` returns the gradient with respect to the operation's input, where `local` maps an
    upstream gradient through the operation's own gradient. actions: functions that replace single steps, as those of
    `Shortcuts`.
    """

    name: str
    operations: frozenset[str]
    backward: Callable[[tf.Tensor, Backward], tf.Tensor]
    actions: Mapping[Any, Callable[[Any], Any]] = field(default_factory=dict, compare=False, repr=False)

    def apply(self, operation: Callable[[tf.Tensor], tf.Tensor], features: tf.Tensor) -> tf.Tensor:
        """Return `operation(features)` with this rule's gradient.

        The local gradient is that of a tape around the operation, persistent because a backward pass is made for each
        rule and target. Variables are not watched, since weights need no gradient.
        """

        @tf.custom_gradient
        def changed(features: tf.Tensor) -> tuple[tf.Tensor, Backward]:
            with tf.GradientTape(watch_accessed_variables=False, persistent=True) as tape:
                tape.watch(features)
                result = operation(features)
            return result, lambda upstream: self.backward(
                upstream, lambda gradient: tape.gradient(result, features, gradient)
            )

        return changed(features)


RELUS = frozenset({"Relu", "Relu6"})

GUIDED_BACKPROP = Rule("guided_backprop", RELUS, lambda upstream, local: local(tf.nn.relu(upstream)))
DECONVNET = Rule("deconvnet", RELUS, lambda upstream, local: tf.nn.relu(upstream))


def _redirect(upstream: tf.Tensor, local: Backward) -> tf.Tensor:
    """Let the ascending part of the upstream gradient through for images all of whose units block it.

    If nothing comes through, the active units have no upstream gradient, so all that is let through goes to units that
    are not active.
    """
    gradient, axes = local(upstream), range(1, upstream.shape.rank)
    comes_through = (tf.reduce_max(gradient, axis=axes) > 0) | (tf.reduce_min(gradient, axis=axes) < 0)
    # This chooses whole images; `tf.where` would choose value by value.
    return tf.raw_ops.Select(condition=comes_through, x=gradient, y=tf.nn.relu(upstream))


# Olah, Mordvintsev, Schubert, "Feature Visualization", Distill 2017: an image that wakes no unit is not a dead end.
REDIRECTED = Rule("redirected", RELUS, _redirect)
