"""Why a map is zero: a layer of zeros, an operation without a gradient, one that is saturated, or numbers too small.

Asked only once a map is zero. A layer that is looked at and holds nothing but zeros is a reason by itself. Of a
gradient, the steps from the image, or the layer, to the score are followed: if every path ends at an operation without
a gradient, that is the reason. Otherwise the images are run forward (if the network takes nothing else), to look at the
operations that all evidence flows through: one that is flat at every place of an image stops all of its gradient.
Numbers too small for float16 are a guess, if the network has that type and nothing else was found.

A map can be zero without a zero gradient, when nothing speaks for the target and a ReLU cuts the rest. No reason for
that is found here; what a zero then means is known to the method. Saturations that lie side by side, and together stop
everything, are not found either: none of them has all of the evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.network.layers import FeatureMap
from tfviz.network.program import Step, Value, compile_function
from tfviz.network.traced import TracedNetwork

# Floating-point operations whose gradient is none, or zero everywhere. What gives integers has none either.
FLAT = frozenset({"Ceil", "Floor", "OnesLike", "Rint", "Round", "Sign", "StopGradient", "ZerosLike"})
Flat = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def _is_zero_or_one(given: tf.Tensor, made: tf.Tensor) -> tf.Tensor:
    """Return where a sigmoid or softmax was rounded to one of its ends, at which its gradient is rounded to 0."""
    return (made == 0) | (made == 1)


# Operations that are flat beyond a bound, and at which places, by what they are given and make.
SATURATING: dict[str, Flat] = {
    "ClipByValue": lambda given, made: given != made,
    "Maximum": lambda given, made: given != made,
    "Minimum": lambda given, made: given != made,
    "Relu": lambda given, made: made == 0,
    "Relu6": lambda given, made: (made == 0) | (made == 6),
    "Sigmoid": _is_zero_or_one,
    "Softmax": _is_zero_or_one,
    "Tanh": lambda given, made: tf.abs(made) == 1,
}
MOST = 32
"""The most images that are looked at: others are like them, or the user asks again once the first are mended."""


def zeros_at(network: TracedNetwork, images: np.ndarray, layer: FeatureMap) -> list[str]:
    """Return for each of some images (N, H, W, C) that a layer is zero everywhere; empty if it is not, or not known."""
    found = [""] * len(images)
    if _takes_images_alone(network):
        are_zeros = network.remember(("zeros", layer.value), partial(_compile_zeros, value=layer.value))
        for number in np.flatnonzero(are_zeros(tf.constant(images[:MOST]))):
            found[number] = f"the layer {network.layer_index.name(layer)!r} is zero everywhere"
    return found


def zeros_of_gradient(network: TracedNetwork, images: np.ndarray, layer: FeatureMap | None = None) -> list[str]:
    """Return for each of some images (N, H, W, C) why the gradient of its score is zero; empty if no reason is known.

    The gradient is with respect to the image, or to a layer.
    """
    source = network.image if layer is None else layer.value
    if cut := _cut(network, source):
        reached = "image" if layer is None else f"layer {network.layer_index.name(layer)!r}"
        return [f"no gradient reaches the {reached}, since {_named(network, cut)} has none"] * len(images)
    found = [""] * len(images)
    if _takes_images_alone(network):
        flat = network.remember("saturated", _compile_saturated)(tf.constant(images[:MOST]))
        behind = network.program.depending_on([source])
        for step, is_flat in zip(_saturating(network), flat, strict=True):
            for number in np.flatnonzero(is_flat.numpy() & behind.issuperset(step.outputs)):
                found[number] = f"{_named(network, step)} is saturated at every place, where it has no gradient"
    small = {value.dtype for step in network.program.steps for value in step.outputs} & {tf.float16}
    return [each or ("its numbers may be too small for the model's float16" if small else "") for each in found]


def _takes_images_alone(network: TracedNetwork) -> bool:
    """Return whether the images are all that must be known to run the network."""
    return not network.extra_inputs and network.inputs.decoding is None


def _cut(network: TracedNetwork, source: Value) -> Step | None:
    """Return the operation without a gradient between a value and all of the score; None if a gradient gets past."""
    reached: set[Value] = {source}
    cut: Step | None = None
    evidence = network.layer_index.evidence
    for step in network.program.steps:
        if reached.isdisjoint(step.inputs):
            continue
        passing = [value for value in step.outputs if value.dtype.is_floating or value.dtype == tf.variant]
        if step.type not in FLAT and passing:
            reached.update(passing)
        elif any(evidence.has(value) for value in step.outputs):
            cut = step
    return cut if reached.isdisjoint(network.head.sources) else None


def _saturating(network: TracedNetwork) -> list[Step]:
    """Return the operations that all evidence flows through and that may be flat."""
    evidence = network.layer_index.evidence
    return [step for step in network.program.steps if step.type in SATURATING and evidence.has_all(step.outputs[0])]


def _compile_saturated(network: TracedNetwork) -> Any:
    """Return a function from images (N, H, W, C) to a boolean (N,) for each of `_saturating`: flat at every place."""
    steps, evidence = _saturating(network), network.layer_index.evidence

    def saturated(images: tf.Tensor) -> list[tf.Tensor]:
        """Compare what each operation is given on the way from the image with what it makes."""
        tensors = network.replay(images)
        count = tf.shape(images)[0]
        found = []
        for step in steps:
            given = next(value for value in step.inputs if evidence.has(value))
            flat = SATURATING[step.type](tensors[given], tensors[step.outputs[0]])
            found.append(tf.reduce_all(tf.reshape(flat, [count, -1]), axis=1))
        return found

    spec = tf.TensorSpec([None, *network.image_shape], tf.float32)
    return compile_function(saturated, spec)


def _compile_zeros(network: TracedNetwork, value: Value) -> Any:
    """Return a function from images (N, H, W, C) to a boolean (N,): whether a value is zero at every place."""

    def zeros(images: tf.Tensor) -> tf.Tensor:
        tensor = network.replay(images)[value]
        return tf.reduce_all(tf.reshape(tensor, [tf.shape(images)[0], -1]) == 0, axis=1)

    return compile_function(zeros, tf.TensorSpec([None, *network.image_shape], tf.float32))


def _named(network: TracedNetwork, step: Step) -> str:
    return f"{network.layer_index.path_around(step) or step.name!r} ({step.type})"
