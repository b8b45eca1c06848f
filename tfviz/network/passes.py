"""The forward and backward passes of one batch of images, each made once however many methods ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

import tensorflow as tf

from tfviz.network.applicability import check_rule
from tfviz.network.biases import BiasTerm, find_biases
from tfviz.network.inputs import is_batch
from tfviz.network.program import Value
from tfviz.network.replay import NOTHING, Change
from tfviz.network.rules import Rule
from tfviz.network.traced import TracedNetwork

NO_OTHERS: Mapping[str, tf.Tensor] = {}
IMAGES = "images"
BIASES = "biases"


@dataclass(frozen=True)
class Gradient:
    """∂scores/∂(what is `at`: the images, a layer by its path, or every bias), under a rule or none."""

    at: str = IMAGES
    rule: Rule | None = None


class Passes:
    """What a method works with, inside the compiled function.

    images: float32 (N, H, W, C). others: the inputs beside them, by name. logits: (N, K). targets: int32 (N,). scores:
    (N,), the logit of each target. at_once: the number of images that a method may run the network on at once. biases:
    every bias with its gradient, if `Gradient(BIASES)` was announced. warnings: what must be said of the result.
    """

    def __init__(
        self,
        network: TracedNetwork,
        images: tf.Tensor,
        targets: tf.Tensor,
        gradients: Iterable[Gradient] = (),
        *,
        others: Mapping[str, tf.Tensor] = NO_OTHERS,
        at_once: tf.Tensor | int = 1,
        known_targets: bool = False,
        changed: Mapping[Value, Change] = NOTHING,
    ) -> None:
        """Run a forward and a backward pass for each rule in `gradients`.

        A target below 0 is the predicted class; where all are `known`, what only tells that class is not run.
        """
        self.images = images
        self.others = others
        self.at_once = at_once
        self.biases: list[BiasTerm] = []
        self.warnings: list[str] = []
        self._network = network
        self._changed = changed
        self._features: dict[str, tf.Tensor] = {}
        self._values: dict[str, tf.Tensor] = {}
        self._gradients: dict[Gradient, tf.Tensor] = {}
        wanted = sorted(set(gradients), key=lambda each: each.rule.name if each.rule else "")
        self.warnings += check_rules(network, wanted)
        for rule, group in groupby(wanted, key=lambda each: each.rule):
            self._run(targets, rule, list(group), known_targets)
        if not wanted:
            self._run(targets, None, [], known_targets)

    def again(self, images: tf.Tensor, targets: tf.Tensor, gradients: Iterable[Gradient] = ()) -> Passes:
        """Return the passes of other images (M, H, W, C) and their targets (M,), as many of each image in turn."""
        others = self._others_of(images)
        passes = Passes(
            self._network, images, targets, gradients, others=others, at_once=self.at_once, known_targets=True
        )
        self.warnings += [message for message in passes.warnings if message not in self.warnings]
        return passes

    def with_channels(self, layer: str | None, factors: tf.Tensor) -> Passes:
        """Return the passes of every image with the channels of a layer multiplied by each of `factors` (N, k, c).

        The k passes of an image follow each other. The layer's gradient was announced, and what lies before the layer
        is not run again.
        """
        found, count = self._network.find_layer(layer), tf.shape(factors)[1]
        before = self._values[found.path]
        ones = tf.ones(len(before.shape) - 2, tf.int32)
        shape = tf.concat([tf.shape(before)[:1] * count, ones, tf.shape(factors)[2:]], axis=0)
        scaled = tf.repeat(before, count, axis=0) * tf.cast(tf.reshape(factors, shape), before.dtype)
        images, targets = tf.repeat(self.images, count, axis=0), tf.repeat(self.targets, count)
        return Passes(
            self._network,
            images,
            targets,
            others=self._others_of(images),
            known_targets=True,
            changed={found.value: lambda _: scaled},
        )

    def _others_of(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the inputs beside other images, those made of one of these images following each other."""
        if not self.others:
            return {}
        count = tf.shape(images)[0] // tf.shape(self.images)[0]
        specs = self._network.others
        return {
            name: tf.repeat(each, count, axis=0) if is_batch(specs[name]) else each
            for name, each in self.others.items()
        }

    @property
    def probabilities(self) -> tf.Tensor:
        """The probability (N,) of each target; a custom score, or one raw output, has none and stands for itself."""
        head = self._network.head
        if not head.has_classes:
            return self.scores
        return tf.gather(head.probabilities(self.logits), self.targets, axis=1, batch_dims=1)

    def gradient(self, at: str | None = IMAGES, rule: Rule | None = None) -> tf.Tensor:
        """Return ∂scores/∂(the images, or a layer; None is the default layer) in float32, if it was announced."""
        return self._gradients[Gradient(at if at == IMAGES else self._network.find_layer(at).path, rule)]

    def features(self, layer: str | None) -> tf.Tensor:
        """Return the feature map (N, h, w, c) in float32 of a layer whose gradient was announced."""
        return self._features[self._network.find_layer(layer).path]

    def _run(self, targets: tf.Tensor, rule: Rule | None, wanted: list[Gradient], known_targets: bool) -> None:
        network = self._network
        biases = find_biases(network) if any(each.at == BIASES for each in wanted) else ()
        wanted = [each for each in wanted if each.at != BIASES]
        layers = {each.at: network.find_layer(each.at) for each in wanted if each.at != IMAGES}
        watched = {layer.value for layer in layers.values()}.union(bias.value for bias in biases)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            if any(each.at == IMAGES for each in wanted):
                tape.watch(self.images)
            tensors = network.replay(
                self.images, self.others, rule=rule, tape=tape, watched=watched, changed=self._changed
            )
            self.logits = network.read_logits(tensors)
            if not known_targets:
                targets = tf.where(targets < 0, network.head.predicted(self.logits), targets)
            self.targets = targets
            self.scores = network.head.scores(self.logits, self.targets)
            explained, last = self.scores, network.running.last_layer
            if last is not None and last.is_free_of({*watched, *self._changed}):
                explained = last.scores(tensors, self.targets, rule)
        places = [self.images if each.at == IMAGES else tensors[layers[each.at].value] for each in wanted]
        places += [tensors[bias.value] for bias in biases]
        found = tape.gradient(explained, places, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        found = [tf.cast(gradient, tf.float32) for gradient in found]
        for each, gradient in zip(wanted, found, strict=False):
            self._gradients[each] = gradient if each.at == IMAGES else layers[each.at].to_map(gradient)
        for bias, gradient in zip(biases, found[len(wanted) :], strict=True):
            self.biases.append(BiasTerm(bias, tf.cast(bias.tensor(tensors), tf.float32), gradient))
        for path, layer in layers.items():
            self._values[path] = tensors[layer.value]
            self._features[path] = layer.to_map(tf.cast(tensors[layer.value], tf.float32))


def check_rules(network: TracedNetwork, gradients: Iterable[Gradient]) -> list[str]:
    """Return warnings about the rules of the gradients; raise `RuleError` where one would be wrong."""
    rules = {each.rule.name: each.rule for each in gradients if each.rule is not None}
    return [message for rule in rules.values() for message in check_rule(network, rule)]
