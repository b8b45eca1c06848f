"""The passes of the same images towards several targets, as those of one batch."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import tensorflow as tf

from tfviz.network.passes.passes import BIASES, Gradient, Passes


def joined(columns: Sequence[Passes]) -> Passes:
    """Return the passes of the same images towards several targets as those of one batch, an image's in turn.

    They have no forward pass of their own that could look towards other targets.
    """
    first, whole = columns[0], copy(columns[0])
    if len(columns) == 1:
        return first
    for name in ("images", "logits", "targets", "scores", "finite"):
        setattr(whole, name, interleaved([getattr(each, name) for each in columns]))
    whole.extra_inputs = first._extra_inputs_of(whole.images)
    whole._forwards = {}
    whole._values = {path: tf.repeat(value, len(columns), axis=0) for path, value in first._values.items()}
    whole._gradients = {
        wanted: [interleaved(each) for each in zip(*(passes._gradients[wanted] for passes in columns), strict=True)]
        for wanted in first._gradients
    }
    found = first._gradients.get(Gradient(BIASES), [])
    # A bias may be the same for all images.
    whole._bias_tensors = [
        tf.repeat(tf.broadcast_to(tensor, tf.shape(gradient)), len(columns), axis=0)
        for tensor, gradient in zip(first._bias_tensors, found, strict=False)
    ]
    return whole


def interleaved(columns: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return tensors (N, ...) as one, (N · k, ...), their rows in turn."""
    if len(columns) == 1:
        return columns[0]
    stacked = tf.stack(columns, axis=1)
    return tf.reshape(stacked, tf.concat([[-1], tf.shape(stacked)[2:]], axis=0))
