"""The forward passes of one batch, and backward passes from them towards any targets.

Rules that change the same operations share a forward pass (see `shared_by`); every target has backward passes of its
own. The results for one target of each image are a column of rows; columns put side by side are one batch in which the
rows of an image follow each other. A function that XLA compiles gives its results and nothing to go backwards from, so
with XLA each column runs forward, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfviz.network.passes.biases import find_biases
from tfviz.network.passes.forward import Forward, shared_by
from tfviz.network.passes.rule_checks import check_rules
from tfviz.network.program import TensorsByValue, Value
from tfviz.network.replay import RELUS, Change, Rule
from tfviz.network.traced import TracedNetwork

IMAGES = "images"
BIASES = "biases"
AWAKE = np.iinfo(np.int32).max

Group = tuple[Forward, tuple[Rule | None, ...]]


@dataclass(frozen=True)
class Gradient:
    """∂scores/∂(what is `at`: the images, a layer by its path, or every bias), under a rule or none."""

    at: str = IMAGES
    rule: Rule | None = None


@dataclass(frozen=True)
class Features(Gradient):
    """The map of the layer `at` alone, without its gradient, which the network may not have."""


class Rows(NamedTuple):
    """The results of passes in rows, each of which is an image and its target.

    logits: (N, K). targets: int32 (N,). scores: (N,), NaN without a classifier. finite: bool (N,), whether the score
    and the maps of the layers are. asleep: int32 (N,), the number of the first ReLU that lets nothing of the image
    through, see `_asleep`. layers: the values of the layers by their paths. biases: the values of the biases.
    gradients: for each announced `Gradient` in the order of `SharedForward.gradients`, those of its places.
    """

    logits: tf.Tensor
    targets: tf.Tensor
    scores: tf.Tensor
    finite: tf.Tensor
    asleep: tf.Tensor
    layers: dict[str, tf.Tensor]
    biases: list[tf.Tensor]
    gradients: list[list[tf.Tensor]]


class SharedForward:
    """The forward passes of images (N, H, W, C), each made once for all `gradients` that were announced.

    gradients: those that backward passes make, in order. biases: those of the network, if their gradients are among
    them. messages: warnings about the rules. Raises `RuleError` for a rule that is wrong for the network, and
    `UnknownLayerError` for a layer that it does not have.

    announced: what methods will read; what several of them read is made once. changed: see `replay`.
    """

    def __init__(
        self,
        network: TracedNetwork,
        images: tf.Tensor,
        announced: Iterable[Gradient],
        *,
        extra_inputs: Mapping[str, tf.Tensor],
        changed: Mapping[Value, Change],
    ) -> None:
        self._network, self._images, self._extra_inputs, self._changed = network, images, extra_inputs, changed
        every = set(announced)
        wanted = [each for each in every if not isinstance(each, Features)]
        wanted.sort(key=lambda each: each.rule.name if each.rule else "")
        self.messages = check_rules(network, [each.rule for each in wanted])
        self._wanted = {rule: list(group) for rule, group in groupby(wanted, key=lambda each: each.rule)}
        self._groups = shared_by(network, tuple(self._wanted) or (None,))
        self.gradients = [each for rules in self._groups for rule in rules for each in self._wanted.get(rule, [])]
        self.biases = find_biases(network) if any(each.at == BIASES for each in wanted) else ()
        layers = {each.at: network.find_layer(each.at) for each in every if each.at not in (IMAGES, BIASES)}
        self._layers = {path: layer.value for path, layer in layers.items()}
        self._places = {path: [value] for path, value in self._layers.items()}
        self._places |= {IMAGES: [network.image], BIASES: [bias.value for bias in self.biases]}
        self._forwards = None if network.running.jit_compile else self._run(images, extra_inputs)

    @property
    def tensors(self) -> TensorsByValue | None:
        """The tensors of all values for these images; None if XLA keeps them to itself."""
        return None if self._forwards is None else self._forwards[0][0].tensors

    def towards(self, targets: tf.Tensor, ranks: int) -> Rows:
        """Return the rows of targets (N,), those down to -`ranks` standing for the best classes, -1 for the best.

        Each call adds backward passes of its own to the graph: several targets of an image are unrolled in it.
        """
        if self._forwards is not None:
            return self._rows(self._forwards, targets, ranks)

        def make(images: tf.Tensor, extra_inputs: Mapping[str, tf.Tensor], targets: tf.Tensor) -> Rows:
            return self._rows(self._run(images, extra_inputs), targets, ranks)

        made = tf.function(make, jit_compile=True, autograph=False)
        rows: Rows = made(self._images, self._extra_inputs, targets)
        return rows

    def side_by_side(self, columns: Sequence[Rows]) -> Rows:
        """Return columns, each of one target of every image, as one batch; the rows of an image follow each other."""
        if len(columns) == 1:
            return columns[0]
        first, count = columns[0], len(columns)
        of_biases = next((first.gradients[i] for i, each in enumerate(self.gradients) if each.at == BIASES), [])
        return Rows(
            logits=interleaved([column.logits for column in columns]),
            targets=interleaved([column.targets for column in columns]),
            scores=interleaved([column.scores for column in columns]),
            finite=interleaved([column.finite for column in columns]),
            asleep=interleaved([column.asleep for column in columns]),
            layers={path: tf.repeat(value, count, axis=0) for path, value in first.layers.items()},
            # A bias may be the same for all images.
            biases=[
                tf.repeat(tf.broadcast_to(value, tf.shape(gradient)), count, axis=0)
                for value, gradient in zip(first.biases, of_biases, strict=True)
            ],
            gradients=[
                [interleaved(place) for place in zip(*gradient, strict=True)]
                for gradient in zip(*(column.gradients for column in columns), strict=True)
            ],
        )

    def _run(self, images: tf.Tensor, extra_inputs: Mapping[str, tf.Tensor]) -> list[Group]:
        watched = {value for group in self._wanted.values() for each in group for value in self._places[each.at]}
        return [
            (Forward(self._network, images, extra_inputs, watched, rules=rules, changed=self._changed), rules)
            for rules in self._groups
        ]

    def _rows(self, forwards: Sequence[Group], targets: tf.Tensor, ranks: int) -> Rows:
        """Return the results of backward passes from the scores of targets.

        What is forward alone (logits, layers, biases) is that of the first pass; the others computed the same.
        """
        head, first = self._network.head, forwards[0][0]
        targets = head.resolve(first.logits, targets, ranks)
        layers = {path: first.tensors[value] for path, value in self._layers.items()}
        scores, finite = head.scores(first.logits, targets), tf.math.is_finite(first.scores(targets))
        for path, value in layers.items():
            found = self._network.find_layer(path).to_map(tf.cast(value, tf.float32))
            finite &= tf.reduce_all(tf.math.is_finite(found), axis=(1, 2, 3))
        return Rows(
            first.logits,
            targets,
            tf.fill(tf.shape(scores), float("nan")) if head.lacking else scores,
            finite,
            _asleep(self._network, first.tensors, tf.shape(scores)[0]),
            layers,
            [tf.cast(bias.tensor(first.tensors), tf.float32) for bias in self.biases],
            [each for forward, rules in forwards for rule in rules for each in self._backward(forward, rule, targets)],
        )

    def _backward(self, forward: Forward, rule: Rule | None, targets: tf.Tensor) -> list[list[tf.Tensor]]:
        """Return the gradients at the places of each `Gradient` under a rule, all of one backward pass."""
        places = [self._places[each.at] for each in self._wanted.get(rule, [])]
        found = iter(forward.gradients(targets, rule, [value for values in places for value in values]))
        return [[next(found) for _ in values] for values in places]


def _asleep(network: TracedNetwork, tensors: Mapping[Value, tf.Tensor], count: tf.Tensor) -> tf.Tensor:
    """Return the number of the first ReLU that all evidence flows through and that is flat everywhere, int32 (N,).

    What is behind it does not depend on the image then. Numbers are those of `Evidence.order`, `AWAKE` if there is no
    such ReLU. Where nobody asks for it, TensorFlow leaves it out.
    """
    evidence = network.layer_index.evidence
    first = tf.fill([count], AWAKE)
    for step in reversed(network.program.steps):
        if step.type in RELUS and evidence.has_all(step.outputs[0]):
            values = tf.reshape(tensors[step.outputs[0]], [count, -1])
            flat = tf.reduce_max(values, axis=1) == 0
            if step.type == "Relu6":
                flat |= tf.reduce_min(values, axis=1) == 6
            first = tf.where(flat, evidence.order[step.outputs[0]], first)
    return first


def interleaved(columns: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return tensors (N, ...) as one, (N · k, ...), their rows in turn."""
    if len(columns) == 1:
        return columns[0]
    stacked = tf.stack(columns, axis=1)
    return tf.reshape(stacked, tf.concat([[-1], tf.shape(stacked)[2:]], axis=0))
