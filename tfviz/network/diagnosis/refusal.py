"""Why TensorFlow refuses a batch: the images do not suit the network, or this machine or XLA cannot run it.

Asked only once a compiled method has failed: the network is run forward alone, as it is, on the same images. If that
fails too, or gives numbers that are not finite, it is the images. TensorFlow's own message names an operation of a
graph that the user never made; only its reason is quoted, at the end of ours.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfviz.errors import InvalidImagesError, TfvizError, UnsupportedModelError
from tfviz.network.batches import Batch
from tfviz.network.program import reason_of
from tfviz.network.rewriting import in_own_order
from tfviz.network.traced import TracedNetwork


def refusal(network: TracedNetwork, batch: Batch, error: tf.errors.OpError) -> TfvizError:
    """Return what to raise if a method ended in an error of TensorFlow on a batch.

    That is `InvalidImagesError` if the network itself cannot take the images, and `UnsupportedModelError` if the
    machine cannot run the network, XLA cannot compile it, or only what explains it fails.
    """
    try:
        # Neither compiled by XLA nor followed backwards: what fails here, too, are the images. The mean of a map
        # without places is NaN.
        fails = not np.isfinite(
            network.in_channels_last().logits({network.inputs.name: batch.images, **batch.extra_inputs})
        ).all()
    except tf.errors.UnimplementedError as own:
        # Such as a convolution of channels first on a CPU.
        return UnsupportedModelError(f"TensorFlow cannot run the network on this machine: {reason_of(own)}")
    except tf.errors.OpError:
        fails = True
    if fails:
        shape = in_own_order(batch.images.shape[1:], network.data_format)
        return InvalidImagesError(f"the network cannot take images of the shape {shape}: {reason_of(error)}")
    if network.running.jit_compile:
        return UnsupportedModelError(
            "the network must be traced without jit_compile, as XLA cannot compile it for images of the shape "
            f"{batch.images.shape}: {reason_of(error)}"
        )
    return UnsupportedModelError(
        f"TensorFlow runs the network on images of the shape {batch.images.shape[1:]}, but not what explains them: "
        + reason_of(error)
    )
