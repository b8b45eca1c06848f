"""Other backward passes for operations, as data: a rule is a function of the upstream and the local gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

Backward = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Rule:
    """Another backward pass for the operations of some types.

    `backward(upstream, local)` returns the gradient with respect to the operation's input, where `local` maps an
    upstream gradient through the operation's own gradient.
    """

    name: str
    operations: frozenset[str]
    backward: Callable[[tf.Tensor, Backward], tf.Tensor]

    def apply(self, operation: Callable[[tf.Tensor], tf.Tensor], features: tf.Tensor) -> tf.Tensor:
        """Return `operation(features)` whose gradient is this rule's."""

        @tf.custom_gradient
        def changed(features: tf.Tensor) -> tuple[tf.Tensor, Backward]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(features)
                result = operation(features)
            return result, lambda upstream: self.backward(
                upstream, lambda gradient: tape.gradient(result, features, gradient)
            )

        return changed(features)


RELUS = frozenset({"Relu", "Relu6"})

GUIDED_BACKPROP = Rule("guided_backprop", RELUS, lambda upstream, local: local(tf.nn.relu(upstream)))
DECONVNET = Rule("deconvnet", RELUS, lambda upstream, local: tf.nn.relu(upstream))
