"""Finds custom gradients of a model that a replay does not follow, and warns if they differ from what it does.

A replay takes the gradients of the operations, not those that a model defines for a group of them. So the gradient of a
random sum of the outputs is taken for one random image by a replay and by the model's own function; if the two differ,
the operations are named. A gradient that was not saved with the model cannot be compared. TensorFlow's own SiLU is
known by its operations, because comparing costs a whole second backward pass (8 s for EfficientNetB0).

Following them would need the function behind each tag, which a SavedModel may lack, and would hide the operations in it
from rules, shortcuts and biases. Most exist for numerical reasons and agree with their operations. Only one image is
compared, so a gradient that differs for others alone goes unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfviz.errors import one_line
from tfviz.network.program import (
    Step,
    Value,
    gradient_tag,
    has_gradient,
    is_tensorflows_own,
    operation_without_gradient,
    reason_of,
)
from tfviz.network.traced import TracedNetwork

# The operations of TensorFlow's SiLU, whose custom gradient saves memory and is the gradient of just these.
SILU = {"Mul", "Sigmoid"}
TRIAL_SIZE = 64  # pixels a side, if the network leaves its size open
TOLERANCE = 1e-2  # relative L2: far above float32's own noise (up to 3e-3), far below another function's gradient


def custom_gradients(network: TracedNetwork) -> dict[str, str]:
    """Return the tag of every custom gradient of a network by the name of its operation, SiLU's left out."""
    return {
        step.name: tag
        for step in network.program.all_steps()
        if (tag := gradient_tag(step.operation)) and not _is_silu(step, tag)
    }


def _is_silu(step: Step, tag: str) -> bool:
    """Return whether a custom gradient stands around x · sigmoid(x), and is TensorFlow's own or was not saved."""
    known = not has_gradient(tag) or is_tensorflows_own(tag)
    return known and _types_between(step.inputs[1:], step.inputs[0]) == SILU


def _types_between(arguments: list[Value], result: Value) -> set[str]:
    """Return the types of the operations that make `result` from `arguments`."""
    pending, types = [result], set()
    while pending:
        step = pending.pop().step
        if step is not None and step.type != "Const":
            types.add(step.type)
            pending.extend(value for value in step.inputs if value not in arguments)
    return types


def check_custom_gradients(network: TracedNetwork) -> list[str]:
    """Return a warning that names the operations if a custom gradient differs from the gradient of its primitives.

    TensorFlow's own tags (SiLU) agree with their primitives; a straight-through estimator does not.
    """
    tagged = custom_gradients(network)
    lost = sorted({_layer_of(name) for name, tag in tagged.items() if not has_gradient(tag)})
    if lost:
        rounded = ", and what is rounded passes them straight through" if network.running.straight_through else ""
        return [_message(lost, "was not saved with it", rounded)]
    difference = _compared(network) if tagged else ""
    names = sorted(set(map(_layer_of, tagged)))
    return [_message(names, "tfviz does not follow", difference)] if difference else []


def _message(names: list[str], why: str, how: str) -> str:
    return (
        f"the model defines a gradient of its own in {', '.join(names)}, which {why}: its gradients are those of the "
        f"operations themselves{how}"
    )


def _compared(network: TracedNetwork) -> str:
    """Return how far the operations' gradients are from the model's own, or why nobody knows; empty if they agree."""
    if network.cut or not network.image.dtype.is_floating:
        return ", and cannot be compared, since the model takes no float images"
    shape = [1, *(size or TRIAL_SIZE for size in network.image_shape)]
    image = tf.cast(tf.random.stateless_normal(shape, seed=(0, 0)), network.image.dtype)
    try:
        difference = float(tf.function(_difference, autograph=False)(network, image))
    except LookupError as error:
        return f", and TensorFlow has none of {operation_without_gradient(error)}"
    except Exception as error:  # of the model's own code, which may not expect the trial image
        reason = reason_of(error) if isinstance(error, tf.errors.OpError) else one_line(error)
        return f", and cannot be compared: {reason}"
    return f" and differ from the model's own by {difference:.0%}" if difference > TOLERANCE else ""


def _layer_of(name: str) -> str:
    return name.rpartition("/")[0] or name


def _difference(network: TracedNetwork, image: tf.Tensor) -> tf.Tensor:
    """Return the relative L2 distance between the gradients of a replay and of the model's own function.

    Both are compiled together, for an image (1, H, W, C) and zeros, or empty texts, as the other inputs.
    """

    def replayed(image: tf.Tensor) -> Any:
        tensors = network.replay(image, network.trial_extra_inputs())
        return [tensors[value] for value in network.program.outputs]

    ours, theirs = _gradient(replayed, image), _gradient(network.call_original, image)
    return tf.norm(ours - theirs) / tf.maximum(tf.norm(theirs), 1e-30)


def _gradient(function: Callable[[tf.Tensor], Any], image: tf.Tensor) -> tf.Tensor:
    """Return the gradient of a random, repeatable sum of a function's outputs with respect to an image, float32.

    Random weights keep outputs from cancelling out, as the probabilities of a softmax do, whose sum is always 1.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(image)
        outputs = [tf.cast(output, tf.float32) for output in tf.nest.flatten(function(image))]
        total = tf.add_n([tf.reduce_sum(out * tf.random.stateless_normal(tf.shape(out), (0, 0))) for out in outputs])
    return tf.cast(tape.gradient(total, image, unconnected_gradients=tf.UnconnectedGradients.ZERO), tf.float32)
