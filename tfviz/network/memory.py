"""How many images fit into memory at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from tfviz.network.traced import TracedNetwork

AFFORDED = 1_600_000_000
"""The bytes of all values of the images that a loop runs at once, most of which are freed on the way: 9 images on VGG16
peak at 0.2 GB, 14 on MobileNetV2 at 0.5 GB, and twice as many are 4 % faster."""


def affordable(network: TracedNetwork, shape: tuple[int, ...]) -> int:
    """Return how many images (H, W, C) of a shape can be run at once, forward and backward, in `AFFORDED` bytes."""
    depending = network.program.depending_on([network.image])
    shapes = {value: value.shape for value in depending}
    if None in network.image_shape:
        # What the model leaves open shows when it is traced for this size.
        spec, others = tf.TensorSpec([1, *shape], tf.float32), network.trial_others()

        def measure(images: tf.Tensor) -> None:
            tensors = network.replay(images, others)
            shapes.update({value: tensors[value].shape for value in depending})

        tf.function(measure, autograph=False).get_concrete_function(spec)
    needed: int = sum(value.dtype.size * (shapes[value][1:].num_elements() or 0) for value in depending)
    return max(1, AFFORDED // max(1, needed))
