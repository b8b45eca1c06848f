"""Images whose channels come first, which this package takes for very low ones."""

from __future__ import annotations

import warnings

import tensorflow as tf

from tfviz.errors import TfvizWarning
from tfviz.network.program import Step
from tfviz.network.traced import TracedNetwork

CHANNELS = (1, 3, 4)
TO_CHANNELS_LAST = [0, 2, 3, 1]


def warn_about_layout(network: TracedNetwork) -> None:
    """Warn where all that a network does with its images is to put their first axis last."""
    image = network.image
    uses = [step for step in network.program.steps if image in step.inputs and step.type not in ("Shape", "Identity")]
    if image.shape[1] in CHANNELS and image.shape[3] not in CHANNELS and uses and all(map(_puts_channels_last, uses)):
        warnings.warn(
            f"the model takes images of the shape {tuple(image.shape[1:])} with channels first, and they are taken for "
            f"images of height {image.shape[1]}: gradients are right, maps and pictures are not; explain a model that "
            "begins with keras.layers.Permute((3, 1, 2)) and takes (N, height, width, channels)",
            TfvizWarning,
            stacklevel=3,
        )


def _puts_channels_last(step: Step) -> bool:
    if step.type != "Transpose" or step.inputs[1].step is None:
        return False
    order = tf.get_static_value(step.inputs[1].step.operation.outputs[0])
    return order is not None and list(order) == TO_CHANNELS_LAST
