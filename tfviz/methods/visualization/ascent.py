"""Gradient ascent on images, the whole loop compiled.

A loop is compiled once for a plan (recipe, image shape, places that are read) and kept by the network; everything that
is a number, such as the seed, the weights of objectives and the first and last step, is an argument. A step is a
function that is not inlined (`on_its_own`): in a graph with a loop, TensorFlow's choice of fast kernels depends on the
order of operations, which differs from process to process, and visualisations ran at 0.7 of their speed by chance.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import tensorflow as tf

from tfviz.methods.visualization.colors import Colors
from tfviz.methods.visualization.optimizers import OPTIMIZERS, Slots
from tfviz.methods.visualization.parametrization import PARAMETRIZATIONS
from tfviz.methods.visualization.readout import Place, Share, of_one_place, read_out
from tfviz.methods.visualization.recipe import Recipe
from tfviz.methods.visualization.regularizers import constrain, penalty
from tfviz.methods.visualization.transformations import draw_movement, transform
from tfviz.network.program import compile_function, on_its_own
from tfviz.network.replay import waking
from tfviz.network.traced import TracedNetwork


class Plan(NamedTuple):
    """What an ascent is compiled for: its recipe, the shape (H, W, C) of an image, and the places that are read.

    follows: whether images of which one place is read are moved as well, and the place with them.
    """

    recipe: Recipe
    shape: tuple[int, ...]
    places: tuple[Place, ...]
    follows: bool


class AscentState(NamedTuple):
    """The parameters of the images so far, and what the optimizer keeps between steps."""

    parameters: tf.Tensor
    slots: Slots


class Setting(NamedTuple):
    """What an ascent does not change: each image's share in each place, the colours, and the seed of all draws."""

    shares: tuple[Share, ...]
    colors: Colors
    seed: tf.Tensor


def start_ascent(plan: Plan, setting: Setting, images: tf.Tensor, *, given: bool) -> AscentState:
    """Return where the ascent begins: at the `images` (N, H, W, C) if `given`, otherwise where the recipe begins."""
    recipe, parametrization = plan.recipe, PARAMETRIZATIONS[plan.recipe.parametrization]
    parameters = parametrization.encode(images, setting.colors)
    if not given and recipe.start == "zeros":
        parameters = tf.zeros_like(parameters)
    elif not given:
        parameters += recipe.noise * tf.random.stateless_normal(parameters.shape[1:], (setting.seed, -1))
    return AscentState(parameters, (tf.zeros_like(parameters),) * OPTIMIZERS[recipe.optimizer].slots)


def decode_state(plan: Plan, state: AscentState, colors: Colors) -> tf.Tensor:
    """Return the images (N, H, W, C) of a state, in the network's input space."""
    return PARAMETRIZATIONS[plan.recipe.parametrization].decode(state.parameters, colors, plan.shape)


def compile_ascent(network: TracedNetwork, plan: Plan, state: AscentState, setting: Setting) -> Any:
    """Return the compiled loop `(state, setting, first, last) -> (state, values)`, for any number of images.

    The values (last − first, N) are the objectives of the moved images before each step. The network remembers the
    function.
    """
    # Where the ascent starts and how many steps it takes are not compiled.
    plan = plan._replace(recipe=replace(plan.recipe, start="zeros", noise=0.0, iterations=0))
    return network.remember(plan, lambda network: _compile(network, plan, state, setting))


def compile_values(network: TracedNetwork, plan: Plan, setting: Setting) -> Any:
    """Return the compiled function `(images, shares) -> values` (N,) of the objectives; the network remembers it."""
    signature = [tf.TensorSpec([None, *plan.shape]), _specification(setting.shares)]
    return network.remember(
        ("values", plan.shape, plan.places),
        lambda network: compile_function(
            lambda images, shares: read_out(network, network.replay(images), plan.places, shares), *signature
        ),
    )


def _specification(per_image: Any) -> Any:
    """Return what a compiled function takes in place of tensors (N, ...): the same for any number of images."""
    return tf.nest.map_structure(lambda each: tf.TensorSpec([None, *each.shape[1:]], each.dtype), per_image)


def _compile(network: TracedNetwork, plan: Plan, state: AscentState, setting: Setting) -> Any:
    """Return the compiled loop of `compile_ascent`; of `state` and `setting` it needs the shapes and types alone."""
    colors = tf.nest.map_structure(lambda each: tf.TensorSpec(each.shape, each.dtype), setting.colors)
    number = tf.TensorSpec([], tf.int32)
    fixed = Setting(_specification(setting.shares), colors, number)

    def ascend(
        state: AscentState, setting: Setting, first: tf.Tensor, last: tf.Tensor
    ) -> tuple[AscentState, tf.Tensor]:
        @on_its_own
        def step(number: tf.Tensor, state: AscentState) -> tuple[AscentState, tf.Tensor]:
            return _step(network, plan, state, setting, number)

        def body(number: tf.Tensor, state: AscentState, history: tf.TensorArray) -> Any:
            state, values = step(number, state)
            return number + 1, state, history.write(number - first, values)

        history = tf.TensorArray(tf.float32, last - first, element_shape=[None])
        _, state, history = tf.while_loop(lambda number, *_: number < last, body, (first, state, history))
        return state, history.stack()

    return compile_function(ascend, _specification(state), fixed, number, number)


def _step(
    network: TracedNetwork, plan: Plan, state: AscentState, setting: Setting, number: tf.Tensor
) -> tuple[AscentState, tf.Tensor]:
    """Return the state after the step of that number, and the values of the objectives before it."""
    recipe, colors = plan.recipe, setting.colors
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(state.parameters)
        images = decode_state(plan, state, colors)
        movement = draw_movement(recipe, plan.shape[:2], (setting.seed, number))
        shown = transform(images, movement, colors.middle)
        still = None if plan.follows else of_one_place(plan.places, setting.shares)
        if still is not None:
            shown = tf.where(still[:, tf.newaxis, tf.newaxis, tf.newaxis], images, shown)
        rule = waking(network.running.program, network.image) if recipe.redirect else None
        tensors = network.replay(shown, rule=rule)
        values = read_out(network, tensors, plan.places, setting.shares, movement if plan.follows else None)
        height = values - penalty(images, recipe, colors)
    gradient = tape.gradient(height, state.parameters)
    if recipe.normalised:
        axes = range(1, gradient.shape.rank)
        size = tf.sqrt(tf.reduce_mean(tf.square(gradient), axis=axes, keepdims=True))
        gradient = tf.math.divide_no_nan(gradient, size)
    step, slots = OPTIMIZERS[recipe.optimizer].step(gradient, state.slots, number, recipe)
    changed = AscentState(state.parameters + step, slots)
    if recipe.clamp or recipe.blur_every:
        images = constrain(decode_state(plan, changed, colors), recipe, colors, number)
        parameters = PARAMETRIZATIONS[recipe.parametrization].encode(images, colors)
        changed = changed._replace(parameters=tf.ensure_shape(parameters, state.parameters.shape))
    return changed, values
