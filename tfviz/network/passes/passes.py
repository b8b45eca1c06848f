"""The forward and backward passes of one batch of images, each made once however many methods ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import tensorflow as tf

from tfviz.network.heads import SOFTMAX_OF_RAW
from tfviz.network.passes.biases import BiasTerm, find_biases
from tfviz.network.passes.forward import Forward, shared_by
from tfviz.network.passes.rule_checks import check_rules
from tfviz.network.program import Value, is_batch
from tfviz.network.replay import NOTHING, Change, Rule
from tfviz.network.traced import TracedNetwork

NO_EXTRA_INPUTS: Mapping[str, tf.Tensor] = {}
IMAGES = "images"
BIASES = "biases"


@dataclass(frozen=True)
class Gradient:
    """∂scores/∂(what is `at`: the images, a layer by its path, or every bias), under a rule or none."""

    at: str = IMAGES
    rule: Rule | None = None


@dataclass(frozen=True)
class Features(Gradient):
    """The map of a layer (what it is `at`) alone: its gradient, which the network may not have, is not made."""


class Passes:
    """What a method works with, inside the compiled function.

    images: float32 (N, H, W, C). extra_inputs: the inputs beside them, by name. logits: (N, K). targets: int32 (N,).
    scores: (N,), the logit of each target, NaN without a classifier. at_once: the number of images that a method may
    run the network on at once. biases: every bias with its gradient, if `Gradient(BIASES)` was announced. layers: those
    of the network. finite: whether each image's score and the maps of the layers hold no NaN and nothing infinite, bool
    (N,). warnings: what must be said of the result.
    """

    logits: tf.Tensor
    targets: tf.Tensor
    scores: tf.Tensor
    finite: tf.Tensor
    _gradients: dict[Gradient, list[tf.Tensor]]

    def __init__(
        self,
        network: TracedNetwork,
        images: tf.Tensor,
        targets: tf.Tensor,
        gradients: Iterable[Gradient] = (),
        *,
        extra_inputs: Mapping[str, tf.Tensor] = NO_EXTRA_INPUTS,
        at_once: tf.Tensor | int = 1,
        ranks: int = 1,
        changed: Mapping[Value, Change] = NOTHING,
    ) -> None:
        """Run a forward pass, and a backward pass for each rule in `gradients`.

        Targets down to -`ranks` stand for the best classes: -1 for the predicted one, -2 for the second best.
        """
        self.images = images
        self.extra_inputs = extra_inputs
        self.at_once = at_once
        self._network = network
        self.layers = network.layer_index
        self._ranks = ranks
        announced = set(gradients)
        wanted = [each for each in announced if not isinstance(each, Features)]
        wanted.sort(key=lambda each: each.rule.name if each.rule else "")
        self.warnings = check_rules(network, [each.rule for each in wanted])
        self._wanted = {rule: list(group) for rule, group in groupby(wanted, key=lambda each: each.rule)}
        self._biases = find_biases(network) if any(each.at == BIASES for each in wanted) else ()
        layers = {each.at: network.find_layer(each.at) for each in announced if each.at not in (IMAGES, BIASES)}
        self._places = {path: [layer.value] for path, layer in layers.items()}
        self._places |= {IMAGES: [network.image], BIASES: [bias.value for bias in self._biases]}
        self._layers = {path: layer.value for path, layer in layers.items()}
        self._changed = changed
        self._run(targets)

    def _run(self, targets: tf.Tensor) -> None:
        """Make all passes, in one function where XLA is to compile it."""
        make = self._make
        if self._network.running.jit_compile:
            make = tf.function(make, jit_compile=True, autograph=False)
        made = make(self.images, self.extra_inputs, targets)
        self.logits, self.targets, self.scores, self.finite, self._values, self._bias_tensors, found = made
        self._gradients = dict(zip(self._gradients, found, strict=True))

    def _make(self, images: tf.Tensor, extra_inputs: Mapping[str, tf.Tensor], targets: tf.Tensor) -> tuple[Any, ...]:
        """Run the network forward and backward; return all tensors that are read of it."""
        watched = {value for group in self._wanted.values() for each in group for value in self._places[each.at]}
        self._forwards = {
            rules: Forward(self._network, images, extra_inputs, watched, rules=rules, changed=self._changed)
            for rules in shared_by(self._network, tuple(self._wanted) or (None,))
        }
        tensors = next(iter(self._forwards.values())).tensors
        values = {path: tensors[value] for path, value in self._layers.items()}
        terms = [tf.cast(bias.tensor(tensors), tf.float32) for bias in self._biases]
        self._look_at(targets)
        for path, value in values.items():
            found = self._network.find_layer(path).to_map(tf.cast(value, tf.float32))
            self.finite &= tf.reduce_all(tf.math.is_finite(found), axis=(1, 2, 3))
        gradients = list(self._gradients.values())
        return self.logits, self.targets, self.scores, self.finite, values, terms, gradients

    def _look_at(self, targets: tf.Tensor) -> None:
        """Make the backward passes from the scores of targets."""
        head, forward = self._network.head, next(iter(self._forwards.values()))
        self.logits = forward.logits
        self.targets = head.resolve(self.logits, targets, self._ranks)
        self.scores = head.scores(self.logits, self.targets)
        self.finite = tf.math.is_finite(forward.scores(self.targets))
        if head.lacking:
            self.scores = tf.fill(tf.shape(self.scores), float("nan"))
        self._gradients = {}
        for rules, forward in self._forwards.items():
            for rule in rules:
                self._gradients |= self._backward(forward, rule)

    def _backward(self, forward: Forward, rule: Rule | None) -> dict[Gradient, list[tf.Tensor]]:
        wanted = self._wanted.get(rule, [])
        found = iter(
            forward.gradients(self.targets, rule, [value for each in wanted for value in self._places[each.at]])
        )
        return {each: [next(found) for _ in self._places[each.at]] for each in wanted}

    def towards(self, targets: tf.Tensor) -> Passes:
        """Return the passes of the same images towards other targets (N,): backward passes alone."""
        passes = copy(self)
        # What XLA has compiled shows no more of itself than its results.
        (passes._run if self._network.running.jit_compile else passes._look_at)(targets)
        return passes

    @contextmanager
    def running(self, at_once: tf.Tensor) -> Iterator[None]:
        """Let what runs the network meanwhile do so on another number of images at once."""
        before, self.at_once = self.at_once, at_once
        try:
            yield
        finally:
            self.at_once = before

    def again(self, images: tf.Tensor, targets: tf.Tensor, gradients: Iterable[Gradient] = ()) -> Passes:
        """Return the passes of other images (M, H, W, C) and their targets (M,), as many of each image in turn."""
        extra_inputs = self._extra_inputs_of(images)
        passes = Passes(
            self._network, images, targets, gradients, extra_inputs=extra_inputs, at_once=self.at_once, ranks=0
        )
        for message in passes.warnings:
            self.say(message)
        passes.warnings = self.warnings
        return passes

    def say(self, message: str) -> None:
        """Note, once, what must be said of the result."""
        self.warnings += [] if message in self.warnings else [message]

    def with_channels(self, layer: str | None, factors: tf.Tensor) -> Passes:
        """Return the passes of every image with the channels of a layer multiplied by each of `factors` (N, k, c).

        The k passes of an image follow each other. The layer was announced, and what lies before it is not run again.
        """
        found, count = self._network.find_layer(layer), tf.shape(factors)[1]
        before = self._values[found.path]
        shape = [1] * len(before.shape)
        shape[0], shape[found.channel_axis] = tf.shape(before)[0] * count, tf.shape(factors)[2]
        scaled = tf.repeat(before, count, axis=0) * tf.cast(tf.reshape(factors, shape), before.dtype)
        images, targets = tf.repeat(self.images, count, axis=0), tf.repeat(self.targets, count)
        changed, extra_inputs = {found.value: lambda _: scaled}, self._extra_inputs_of(images)
        return Passes(self._network, images, targets, extra_inputs=extra_inputs, ranks=0, changed=changed)

    def _extra_inputs_of(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the inputs beside other images, those made of one of these images following each other."""
        if not self.extra_inputs:
            return {}
        count = tf.shape(images)[0] // tf.shape(self.images)[0]
        specs = self._network.extra_inputs
        return {
            name: tf.repeat(each, count, axis=0) if is_batch(specs[name]) else each
            for name, each in self.extra_inputs.items()
        }

    @property
    def probabilities(self) -> tf.Tensor:
        """The probability (N,) of each target; a custom score, or one raw output, has none and stands for itself."""
        head = self._network.head
        if not head.has_classes:
            return self.scores
        self.warnings += [SOFTMAX_OF_RAW] if head.kind == "none" and SOFTMAX_OF_RAW not in self.warnings else []
        return tf.gather(head.probabilities(self.logits), self.targets, axis=1, batch_dims=1)

    @property
    def biases(self) -> list[BiasTerm]:
        """Every bias with its gradient, if `Gradient(BIASES)` was announced."""
        found = self._gradients.get(Gradient(BIASES), [])
        return [BiasTerm(*each) for each in zip(self._biases, self._bias_tensors, found, strict=True)]

    def gradient(self, at: str | None = IMAGES, rule: Rule | None = None) -> tf.Tensor:
        """Return ∂scores/∂(the images, or a layer; None is the default layer) in float32, if it was announced."""
        if at == IMAGES:
            return self._gradients[Gradient(IMAGES, rule)][0]
        layer = self._network.find_layer(at)
        return layer.to_map(self._gradients[Gradient(layer.path, rule)][0])

    def features(self, layer: str | None) -> tf.Tensor:
        """Return the feature map (N, h, w, c) in float32 of a layer that was announced, by its gradient or alone."""
        found = self._network.find_layer(layer)
        return found.to_map(tf.cast(self._values[found.path], tf.float32))
