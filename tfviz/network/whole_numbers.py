"""Images of whole numbers (uint8), explained as floats through the cast that the model makes of them."""

from __future__ import annotations

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.compiling import concrete
from tfviz.network.traced import TracedNetwork


def check_differentiable(network: TracedNetwork) -> None:
    """Raise `UnsupportedModelError` where a network of whole-numbered images cannot be given float ones instead."""
    if network.image.dtype.is_floating:
        return

    def gradient(images: tf.Tensor) -> tf.Tensor | None:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            logits = network.read_logits(network.replay(images, network.trial_others()))
        return tape.gradient(logits, images)

    spec = tf.TensorSpec([None, *network.image_shape], tf.float32)
    try:
        found = concrete(tf.function(gradient, input_signature=[spec], autograph=False)).outputs
        reason = "no gradient of its score reaches them"
    except (TypeError, ValueError) as error:
        found, reason = [], str(error).splitlines()[0]
    if not found:
        raise UnsupportedModelError(
            f"the model takes {network.image.dtype.name} images and works on whole numbers beyond a cast: {reason}"
        )
