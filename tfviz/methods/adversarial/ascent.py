"""Gradient steps that change what a network predicts, the whole loop compiled.

`fgsm` and `pgd` climb the log odds: their gradient has the direction of the cross-entropy's, and does not vanish where
the softmax is exactly 1. Every image of a batch stops by itself, so that it does not depend on the others. As in other
loops, a step is a function that is not inlined (`on_its_own`), or TensorFlow's choice of kernels is left to chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import tensorflow as tf

from tfviz.errors import TfvizError, suggestion
from tfviz.methods.adversarial.decision import holds
from tfviz.network.heads import Head
from tfviz.network.program import compile_function, on_its_own
from tfviz.network.traced import TracedNetwork

NORMS = ("linf", "l2")
WHITE = 255.0  # distances are in units of a picture, where black is 0 and white is this


def log_odds(head: Head, logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Return log(p / (1 − p)) of the probability p of each image's class or label, (N,).

    Its gradient has the direction of the cross-entropy's, which itself vanishes in float32 when p is nearly 1.
    """
    scores = head.scores(logits, classes)
    if head.are_log_odds:
        return scores
    left_out = tf.one_hot(classes, tf.shape(logits)[1], True, False, dtype=tf.bool)
    if head.groups is not None:  # Classes of another softmax do not exclude those of this one.
        left_out |= tf.not_equal(head.groups, tf.gather(head.groups, classes)[:, tf.newaxis])
    return scores - tf.reduce_logsumexp(tf.where(left_out, float("-inf"), logits), axis=1)


OBJECTIVES: dict[str, Callable[[Head, tf.Tensor, tf.Tensor], tf.Tensor]] = {"logit": Head.scores, "log_odds": log_odds}


@dataclass(frozen=True)
class Attack:
    """The objective of the steps, and how they are measured. Distances are in pixel units, see `Bounds`.

    name: what the user calls it. objective: the `logit` of the class, or its `log_odds`. norm: `linf` or `l2`, of the
    steps and of the bound. towards: whether the class is to be predicted (or the label on), or to be left (off).
    """

    name: str = field(compare=False)  # fgsm and pgd share their compiled loop
    objective: str
    norm: str
    towards: bool

    def __post_init__(self) -> None:
        """Raise `TfvizError` for an unknown objective or norm."""
        for kind, known in (("objective", OBJECTIVES), ("norm", NORMS)):
            value = getattr(self, kind)
            if value not in known:
                hint = suggestion(value, known, f"there are {' and '.join(known)}", always=True)
                raise TfvizError(f"no {kind} {value!r}; {hint}")

    def is_reached(self, head: Head, logits: Any, classes: Any) -> tf.Tensor:
        """Return whether the network predicts what was wanted, (N,); see `holds`."""
        return holds(head, logits, classes) == self.towards

    def increased(self, head: Head, logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        """Return the values that the steps increase, (N,)."""
        value = OBJECTIVES[self.objective](head, logits, classes)
        return value if self.towards else -value

    def direction(self, gradient: tf.Tensor) -> tf.Tensor:
        """Return the step of length 1 in the norm that increases the objective most; zero for a gradient of zero."""
        if self.norm == "linf":
            return tf.sign(gradient)
        return tf.math.divide_no_nan(gradient, _length(gradient))

    def within(self, difference: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
        """Return the nearest differences whose norm is at most epsilon."""
        if self.norm == "linf":
            return tf.clip_by_value(difference, -epsilon, epsilon)
        return difference * tf.minimum(1.0, tf.math.divide_no_nan(epsilon, _length(difference)))

    def noise(self, shape: tf.TensorShape, seed: int) -> tf.Tensor:
        """Return a difference (H, W, C) drawn evenly from those whose norm is at most 1."""
        if self.norm == "linf":
            return tf.random.stateless_uniform(shape, (seed, 0), -1, 1)
        direction = self.direction(tf.random.stateless_normal((1, *shape), (seed, 0)))[0]
        radius = tf.random.stateless_uniform((), (seed, 1)) ** (1 / shape.num_elements())
        return direction * radius


class AttackState(NamedTuple):
    """The images (N, H, W, C) on their way, which of them are still going (N,), and the steps each has done (N,)."""

    images: tf.Tensor
    going: tf.Tensor
    steps: tf.Tensor


class Bounds(NamedTuple):
    """What the steps keep to: the original images and the class (N,) of each, black and white (C,), rate and epsilon.

    A pixel unit is the distance from black to white over 255.
    """

    originals: tf.Tensor
    classes: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor
    rate: tf.Tensor
    epsilon: tf.Tensor

    @property
    def unit(self) -> tf.Tensor:
        """The size of a pixel unit in the network's input space, (C,)."""
        return (self.high - self.low) / WHITE


def start_attack(attack: Attack, bounds: Bounds, going: tf.Tensor, seed: int | None) -> AttackState:
    """Return where the loop begins: at the originals or, with a seed, at the same noise around each within epsilon."""
    images = bounds.originals
    if seed is not None:
        noise = bounds.epsilon * attack.noise(images.shape[1:], seed)
        noisy = tf.clip_by_value(images + bounds.unit * noise, bounds.low, bounds.high)
        images = tf.where(_per_image(going), noisy, images)
    return AttackState(images, going, tf.zeros_like(bounds.classes))


def compile_attack(network: TracedNetwork, attack: Attack) -> Any:
    """Return the compiled loop `(state, bounds, first, last) -> state`; the network remembers it.

    It ends early if no image is going any more. Only images that are going change.
    """
    return network.remember(attack, lambda network: _compile(network, attack))


def _compile(network: TracedNetwork, attack: Attack) -> Any:
    """Return the compiled loop of `compile_attack`, for any number of images of the network's size."""
    images, color = tf.TensorSpec([None, *network.image_shape]), tf.TensorSpec(network.image_shape[2:])
    classes, number, step = tf.TensorSpec([None], tf.int32), tf.TensorSpec([]), tf.TensorSpec([], tf.int32)
    state = AttackState(images, tf.TensorSpec([None], tf.bool), classes)

    def run(state: AttackState, bounds: Bounds, first: tf.Tensor, last: tf.Tensor) -> AttackState:
        def continues(number: tf.Tensor, state: AttackState) -> tf.Tensor:
            return (number < last) & tf.reduce_any(state.going)

        @on_its_own
        def body(number: tf.Tensor, state: AttackState) -> tuple[tf.Tensor, AttackState]:
            return number + 1, _step(network, attack, state, bounds)

        _, state = tf.while_loop(continues, body, (first, state))
        return state

    return compile_function(run, state, Bounds(images, classes, color, color, number, number), step, step)


def _step(network: TracedNetwork, attack: Attack, state: AttackState, bounds: Bounds) -> AttackState:
    """Stop the images that have arrived, and move the others."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(state.images)
        logits = network.read_logits(network.replay(state.images))
        value = attack.increased(network.head, logits, bounds.classes)
    gradient = tape.gradient(value, state.images, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    going = state.going & ~attack.is_reached(network.head, logits, bounds.classes)
    # Per unit of a pixel, so that a step does not depend on the preprocessing.
    moved = state.images + bounds.unit * bounds.rate * attack.direction(gradient * bounds.unit)
    difference = attack.within((moved - bounds.originals) / bounds.unit, bounds.epsilon)
    moved = tf.clip_by_value(bounds.originals + bounds.unit * difference, bounds.low, bounds.high)
    images = tf.ensure_shape(tf.where(_per_image(going), moved, state.images), state.images.shape)
    return AttackState(images, going, state.steps + tf.cast(going, tf.int32))


def _per_image(values: tf.Tensor) -> tf.Tensor:
    """Return one value per image, (N,), in the shape that broadcasts over images, (N, 1, 1, 1)."""
    return values[:, tf.newaxis, tf.newaxis, tf.newaxis]


def _length(values: tf.Tensor) -> tf.Tensor:
    """Return the L2 norm of each image's values, (N, 1, 1, 1)."""
    return tf.sqrt(tf.reduce_sum(tf.square(values), axis=(1, 2, 3), keepdims=True))
