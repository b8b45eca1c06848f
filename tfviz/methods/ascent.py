"""Gradient ascent on an image, the whole loop compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import tensorflow as tf

from tfviz.errors import TfvizError
from tfviz.network.passes import Gradient, Passes
from tfviz.network.traced import TracedNetwork


@dataclass(frozen=True)
class Recipe:
    """How the image is changed in each step. Distances are in units of the pixel range.

    start: `zeros` (the zero of the network's input space) or `noise` (normal, around the middle of the range).
    iterations: the number of steps. rate: the length of a step: times the gradient, or with `normalised` times the
    gradient divided by its root mean square over the image. momentum: what is left of the last step. l2: λ.
    jitter: pixels that the image is rolled by at most before a step, and back after it. clamp: whether the image is
    kept within the pixel range. blur_every: steps between two Gaussian blurs of `blur` pixels, 0 for none.
    """

    start: Literal["zeros", "noise"]
    iterations: int
    rate: float
    l2: float
    momentum: float = 0.0
    normalised: bool = False
    jitter: int = 0
    clamp: bool = False
    blur_every: int = 0
    blur: float = 0.5
    noise: float = 0.4

    def __post_init__(self) -> None:
        """Raise `TfvizError` for a value that has no meaning."""
        if self.start not in ("zeros", "noise"):
            raise TfvizError(f"start is {self.start!r}, expected 'zeros' or 'noise'")
        for name in ("iterations", "jitter", "blur_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 0:
                raise TfvizError(f"{name} is {value!r}, expected a whole number of at least 0")
        for name in ("rate", "l2", "momentum", "blur", "noise"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value < np.inf or (name == "blur" and value == 0):
                raise TfvizError(f"{name} is {value!r}, expected a number of at least 0")


class State(NamedTuple):
    """The images (N, H, W, C) on their way, the last step of each, their targets (N,), black and white (C,)."""

    images: tf.Tensor
    steps: tf.Tensor
    targets: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor


def start(
    recipe: Recipe, targets: np.ndarray, shape: tuple[int, ...], pixel_range: tuple[np.ndarray, np.ndarray], seed: int
) -> State:
    """Return where the ascent begins: the same image (H, W, C) for every target."""
    low, high = map(tf.constant, pixel_range)
    images = tf.zeros((len(targets), *shape))
    if recipe.start == "noise":
        images += (low + high) / 2 + recipe.noise * (high - low) * tf.random.stateless_normal(shape, (seed, -1))
    return State(images, tf.zeros_like(images), tf.constant(targets), low, high)


def compile_ascent(network: TracedNetwork, recipe: Recipe, shape: tuple[int, ...]) -> Any:
    """Return the compiled loop `(state, seed, first, last) -> (state, scores)`, for images (H, W, C) of one shape.

    The scores (last − first, N) are those before each step, of the jittered images. The network remembers the function.
    """
    return network.remember((recipe, shape), lambda network: _compile(network, recipe, shape))


def _compile(network: TracedNetwork, recipe: Recipe, shape: tuple[int, ...]) -> Any:
    images, color = tf.TensorSpec([None, *shape]), tf.TensorSpec(shape[2:])
    number = tf.TensorSpec([], tf.int32)

    @tf.function(
        input_signature=[State(images, images, tf.TensorSpec([None], tf.int32), color, color), number, number, number],
        autograph=False,
    )
    def ascend(state: State, seed: tf.Tensor, first: tf.Tensor, last: tf.Tensor) -> tuple[State, tf.Tensor]:
        def body(number: tf.Tensor, state: State, history: tf.TensorArray) -> Any:
            state, scores = _step(network, recipe, state, seed, number)
            return number + 1, state, history.write(number - first, scores)

        history = tf.TensorArray(tf.float32, last - first, element_shape=[None])
        _, state, history = tf.while_loop(lambda number, *_: number < last, body, (first, state, history))
        return state, history.stack()

    return ascend


def _step(
    network: TracedNetwork, recipe: Recipe, state: State, seed: tf.Tensor, number: tf.Tensor
) -> tuple[State, tf.Tensor]:
    """Return the state after one step of the ascent on s_c(I) − λ‖I‖², and the scores before it."""
    span = state.high - state.low
    offset = tf.random.stateless_uniform((2,), (seed, number), -recipe.jitter, recipe.jitter + 1, tf.int32)
    images = tf.roll(state.images, offset, axis=(1, 2))
    passes = Passes(network, images, state.targets, [Gradient()])
    # The gradient with respect to the image in units of the pixel range.
    ascent = passes.gradient() * span - 2 * recipe.l2 * images / span
    if recipe.normalised:
        size = tf.sqrt(tf.reduce_mean(tf.square(ascent), axis=(1, 2, 3), keepdims=True))
        ascent = tf.math.divide_no_nan(ascent, size)
    steps = recipe.momentum * state.steps + tf.roll(recipe.rate * span * ascent, -offset, axis=(1, 2))
    images = state.images + steps
    if recipe.clamp:
        images = tf.clip_by_value(images, state.low, state.high)
    if recipe.blur_every:
        is_due = tf.equal((number + 1) % recipe.blur_every, 0)
        images = tf.cond(is_due, lambda: _blurred(images, recipe.blur), lambda: images)
    return state._replace(images=tf.ensure_shape(images, state.images.shape), steps=steps), passes.scores


def _blurred(images: tf.Tensor, deviation: float) -> tf.Tensor:
    """Return images (N, H, W, C) under a Gaussian of `deviation` pixels, the edges reflected."""
    radius = max(1, round(3 * deviation))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
    weights = tf.constant(np.outer(weights, weights) / weights.sum() ** 2, tf.float32)
    kernel = tf.tile(weights[:, :, tf.newaxis, tf.newaxis], [1, 1, images.shape[3], 1])
    padded = tf.pad(images, [[0, 0], [radius, radius], [radius, radius], [0, 0]], "SYMMETRIC")
    return tf.nn.depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")
