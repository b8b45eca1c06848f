"""Images of whole numbers (uint8), explained as floats through the cast that the model makes of them."""

from __future__ import annotations

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.program import concrete, is_image
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
        found = concrete(tf.function(gradient, input_signature=[spec], autograph=False)).outputs
        reason = "no gradient of its score reaches them"
    except UnsupportedModelError:  # An operation without a gradient: what needs one says so, and the rest runs.
        return
    except (TypeError, ValueError) as error:
        found, reason = [], str(error).splitlines()[0]
    if found:
        return
    taken, hint = f"takes {network.image.dtype.name} images", ""
    if network.cut:
        follows = network.program.depending_on([network.image])
        later = [
            step.name
            for step in network.program.steps
            if step.outputs
            and step.outputs[0] in follows
            and is_image(step.outputs[0])
            and step.outputs[0].dtype.is_floating
        ]
        taken = f"decodes {network.image.dtype.name} images at {network.cut!r}"
        hint = f"; choose a later cut, such as {later[0]!r}" if later else ""
    raise UnsupportedModelError(f"the model {taken} and works on whole numbers beyond a cast: {reason}{hint}")
