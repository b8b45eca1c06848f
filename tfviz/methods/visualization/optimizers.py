"""Optimizers: how a gradient becomes a step.

They are pure functions of gradient and state, since the compiled loop takes its state as an argument. Steps climb: they
are added to the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from tfviz.methods.visualization.recipe import Recipe

SMALLEST = 1e-8
"""Added to Adam's root mean square, so that gradients of this size, which are noise, do not set the direction."""

Slots = tuple[tf.Tensor, ...]


@dataclass(frozen=True)
class Optimizer:
    """An optimizer as data.

    slots: the number of tensors, each like the parameters and zero at first, that it keeps between steps.
    step(gradient, slots, number, recipe): the step and the new slots; `number` counts steps from 0.
    """

    slots: int
    step: Callable[[tf.Tensor, Slots, tf.Tensor, Recipe], tuple[tf.Tensor, Slots]]


def _momentum(gradient: tf.Tensor, slots: Slots, number: tf.Tensor, recipe: Recipe) -> tuple[tf.Tensor, Slots]:
    """Return a step of the rate times the gradient plus what is left of the last step, which is its only slot."""
    step = recipe.momentum * slots[0] + recipe.rate * gradient
    return step, (step,)


def _adam(gradient: tf.Tensor, slots: Slots, number: tf.Tensor, recipe: Recipe) -> tuple[tf.Tensor, Slots]:
    """Return a step of Kingma, Ba, "Adam", 2014, arXiv 1412.6980."""
    count = tf.cast(number + 1, tf.float32)
    mean = recipe.momentum * slots[0] + (1 - recipe.momentum) * gradient
    square = recipe.decay * slots[1] + (1 - recipe.decay) * tf.square(gradient)
    deviation = tf.sqrt(square / (1 - recipe.decay**count))
    return recipe.rate / (1 - recipe.momentum**count) * mean / (deviation + SMALLEST), (mean, square)


OPTIMIZERS = {"momentum": Optimizer(1, _momentum), "adam": Optimizer(2, _adam)}
