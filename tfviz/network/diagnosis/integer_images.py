"""Checks that a network of integer images (uint8) can be explained as if it took floats.

Operations have no types of their own: these follow from the inputs, so a network that only casts its images is replayed
with floats, and gradients reach them through the cast. An operation that insists on integers, or that hands no gradient
back, is found when the model is opened, as the gradient is traced once. A network that decodes its images may be cut
later, at the first floats that it makes of them: the error names that cut.
"""

from __future__ import annotations

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.program import compile_function, is_image
from tfviz.network.traced import TracedNetwork


def check_differentiable(network: TracedNetwork) -> None:
    """Raise `UnsupportedModelError` if a network of integer images cannot be given float ones instead.

    The gradient of its logits is traced, and not run: either TensorFlow refuses an operation on floats, or it finds no
    path from the logits to the images, as through a lookup by pixel values. Networks of float images pass unasked.
    """
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
    except UnsupportedModelError:  # An operation without a gradient: methods that need one say so, and the others run.
        return
    except (TypeError, ValueError) as error:
        found, reason = [], str(error).splitlines()[0]
    if found:
        return
    images = f"{network.image.dtype.name} images"
    taken = f"decodes {images} at {network.cut!r}" if network.cut else f"takes {images}"
    raise UnsupportedModelError(f"the model {taken} and works on integers beyond a cast: {reason}{_hint(network)}")


def _hint(network: TracedNetwork) -> str:
    """Return where a network that decodes its images could be cut instead: at the first floats made of them."""
    follows = network.program.depending_on([network.image])
    made = (step.outputs[0] for step in network.program.steps if step.outputs)
    later = [value for value in made if value in follows and is_image(value) and value.dtype.is_floating]
    named = [value.step.name for value in later if value.step]
    return f"; choose a later cut, such as {named[0]!r}" if network.cut and named else ""
