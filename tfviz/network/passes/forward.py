"""One forward pass of a network, and the backward passes from it: under every rule, from the score of every target.

The tape is persistent, and operations that rules change ask for the rule when a backward pass reaches them. So the
plain gradient, guided and deconvnet need one forward pass together, for any number of targets. That does not work
inside conditions, loops and compiled calls, whose backward pass TensorFlow makes only once: if a rule changes
operations there, each rule has a forward pass of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import tensorflow as tf

from tfviz.network.program import Value
from tfviz.network.replay import Backward, Change, Rule
from tfviz.network.traced import TracedNetwork


class _Choice:
    """The rule of the current backward pass, which operations ask for when it reaches them.

    It must not refer to the tape, which refers to it: Python's garbage collector does not see this circle.
    """

    def __init__(self, rule: Rule | None) -> None:
        self.rule = rule

    def backward(self, upstream: tf.Tensor, local: Backward) -> tf.Tensor:
        return self.rule.backward(upstream, local) if self.rule is not None else local(upstream)


class Forward:
    """The network run once on images (N, H, W, C), on a tape that gives as many backward passes as are asked for.

    tensors: those of all values of the network. logits: (N, K); zeros (N, 1) if it has no classifier.
    """

    def __init__(
        self,
        network: TracedNetwork,
        images: tf.Tensor,
        extra_inputs: Mapping[str, tf.Tensor],
        watched: Collection[Value],
        *,
        rules: Sequence[Rule | None],
        changed: Mapping[Value, Change],
    ) -> None:
        """Run the network, so that gradients with respect to the `watched` values can be asked for.

        The image may be one of them. rules: those that gradients can be asked for under, one group of `shared_by`.
        """
        self._network = network
        self._images = images
        self._choice = _Choice(rules[0])
        last = network.running.last_layer
        self._last_layer = last if last is not None and last.is_free_of({*watched, *changed}) else None
        operations = [rule.operations for rule in rules if rule is not None]
        self._rule = Rule("chosen", operations[0], self._choice.backward) if operations else None
        with tf.GradientTape(watch_accessed_variables=False, persistent=True) as self._tape:
            if network.image in watched:
                # Before they are cast to the type that the network takes.
                self._tape.watch(images)
            inside = {value for value in watched if value is not network.image}
            self.tensors = network.replay(
                images, extra_inputs, rule=self._rule, tape=self._tape, watched=inside, changed=changed
            )
            if network.head.lacking:
                self.logits = tf.zeros([tf.shape(images)[0], 1])
            else:
                self.logits = network.read_logits(self.tensors)

    def scores(self, targets: tf.Tensor) -> tf.Tensor:
        """Return the score (N,) of each target, without those of other classes if that is less work."""
        if self._last_layer is None:
            return self._network.head.scores(self.logits, targets)
        return self._last_layer.scores(self.tensors, targets, self._rule)

    def gradients(self, targets: tf.Tensor, rule: Rule | None, places: Sequence[Value]) -> list[tf.Tensor]:
        """Return ∂(the score of each target)/∂(each place) in float32, under a rule or none.

        targets: (N,). places: watched values, or the network's image. The gradient is that of the sum of all scores,
        which is each image's own as long as images do not act on each other's scores. It is zero if none reaches a
        place.
        """
        self._choice.rule = rule
        with self._tape:
            scores = self.scores(targets)
        tensors = [self._images if place is self._network.image else self.tensors[place] for place in places]
        found = self._tape.gradient(scores, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        # If the network gathers from its images, a gradient is given as slices.
        return [tf.cast(tf.convert_to_tensor(gradient), tf.float32) for gradient in found]


def shared_by(network: TracedNetwork, rules: tuple[Rule | None, ...]) -> list[tuple[Rule | None, ...]]:
    """Return rules (None is the plain gradient) in groups, those of a group sharing one forward pass.

    They all do, unless they change other operations, or some inside a condition, a loop or a compiled call: TensorFlow
    makes the backward pass of these once, whatever the rule is the next time.
    """
    operations = {rule.operations for rule in rules if rule is not None}
    inside = [program for step in network.program.steps for program in step.programs]
    types = {step.type for program in inside for step in program.all_steps()}
    apart = len(operations) > 1 or any(types & each for each in operations)
    return [(rule,) for rule in rules] if apart else [rules]
