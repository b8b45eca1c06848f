"""Images of whole numbers (uint8), explained as floats through the cast that the model makes of them."""

from __future__ import annotations

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.program import compile_function, is_image
from tfviz.network.traced import TracedNetwork


def check_differentiable(network: TracedNetwork) -> None:
    """Raise `UnsupportedModelError` where a network of whole-numbered images cannot be given float ones instead."""
    if network.image.dtype.is_floating:
        return

    def gradient(images: tf.Tensor) -> tf.Tensor | None:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            logits = network.read_logits(network.replay(images, network.trial_extra_inputs()))
        return tape.gradient(logits, images)

    spec = tf.TensorSpec([None, *network.image_shape], tf.float32)
    try:
        found = compile_function(gradient, spec).outputs
        reason = "no gradient of its score reaches them"
    except UnsupportedModelError:  # An operation without a gradient: what needs one says so, and the rest runs.
        return
    except (TypeError, ValueError) as error:
        found, reason = [], str(error).splitlines()[0]
    if found:
        return
    images = f"{network.image.dtype.name} images"
    taken = f"decodes {images} at {network.cut!r}" if network.cut else f"takes {images}"
    raise UnsupportedModelError(f"the model {taken} and works on whole numbers beyond a cast: {reason}{_hint(network)}")


def _hint(network: TracedNetwork) -> str:
    """Return where a network that decodes its images could be cut instead: where it first makes floats of them."""
    follows = network.program.depending_on([network.image])
    made = (step.outputs[0] for step in network.program.steps if step.outputs)
    later = [value for value in made if value in follows and is_image(value) and value.dtype.is_floating]
    named = [value.step.name for value in later if value.step]
    return f"; choose a later cut, such as {named[0]!r}" if network.cut and named else ""
