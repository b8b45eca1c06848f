"""The forward and backward passes of one batch of images, each made once however many methods ask for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import tensorflow as tf

from tfviz.network.rules import Rule
from tfviz.network.traced import TracedNetwork

IMAGES = "images"


@dataclass(frozen=True)
class Gradient:
    """∂scores/∂(what is `at`: the images, or a layer by its path), under a rule or none."""

    at: str = IMAGES
    rule: Rule | None = None


class Passes:
    """What a method works with, inside the compiled function.

    images: float32 (N, H, W, C). logits: (N, K). targets: int32 (N,). scores: (N,), the logit of each target.
    """

    def __init__(
        self, network: TracedNetwork, images: tf.Tensor, targets: tf.Tensor, gradients: Iterable[Gradient]
    ) -> None:
        """Run a forward and a backward pass for each rule in `gradients`; a target below 0 is the predicted class."""
        self.images = images
        self._network = network
        self._features: dict[str, tf.Tensor] = {}
        self._gradients: dict[Gradient, tf.Tensor] = {}
        wanted = sorted(set(gradients), key=lambda each: each.rule.name if each.rule else "")
        for rule, group in groupby(wanted, key=lambda each: each.rule):
            self._run(targets, rule, list(group))
        if not wanted:
            self._run(targets, None, [])

    def gradient(self, at: str | None = IMAGES, rule: Rule | None = None) -> tf.Tensor:
        """Return ∂scores/∂(the images, or a layer; None is the default layer) in float32, if it was announced."""
        return self._gradients[Gradient(at if at == IMAGES else self._network.find_layer(at).path, rule)]

    def features(self, layer: str | None) -> tf.Tensor:
        """Return the feature map (N, h, w, c) in float32 of a layer whose gradient was announced."""
        return self._features[self._network.find_layer(layer).path]

    def _run(self, targets: tf.Tensor, rule: Rule | None, wanted: list[Gradient]) -> None:
        network = self._network
        layers = {each.at: network.find_layer(each.at).value for each in wanted if each.at != IMAGES}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            if any(each.at == IMAGES for each in wanted):
                tape.watch(self.images)
            tensors = network.replay(self.images, rule=rule, tape=tape, watched=set(layers.values()))
            self.logits = network.read_logits(tensors)
            self.targets = tf.where(targets < 0, network.head.predicted(self.logits), targets)
            self.scores = network.head.scores(self.logits, self.targets)
        places = {IMAGES: self.images, **{path: tensors[value] for path, value in layers.items()}}
        sources = [places[each.at] for each in wanted]
        found = tape.gradient(self.scores, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        self._gradients.update(zip(wanted, (tf.cast(gradient, tf.float32) for gradient in found), strict=True))
        self._features.update({path: tf.cast(places[path], tf.float32) for path in layers})
