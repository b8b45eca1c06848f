"""What tfviz is measured against: the network's forward pass and a gradient tape, compiled as one writes them.

Both take NumPy and return it, as tfviz does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def forward(model: keras.Model, images: np.ndarray) -> Callable[[], Any]:
    """Return the forward pass, compiled for this batch size: a signature of one size is the faster one."""
    compiled = tf.function(lambda given: model(given, training=False), input_signature=[tf.TensorSpec(images.shape)])
    return lambda: compiled(tf.constant(images)).numpy()


def tape(model: keras.Model, images: np.ndarray, targets: np.ndarray, method: str) -> Callable[[], Any]:
    """Return `gradient`, `saliency` or `input_x_gradient`, of the logits, compiled for this batch size."""
    compiled = compiled_gradient(model, targets)
    finish = {
        "gradient": lambda found, given: found,
        "saliency": lambda found, given: tf.reduce_max(tf.abs(found), axis=-1),
        "input_x_gradient": lambda found, given: given * found,
    }[method]
    whole = tf.function(lambda given: finish(compiled(given), given), input_signature=[tf.TensorSpec(images.shape)])
    return lambda: whole(tf.constant(images)).numpy()


def steps(model: keras.Model, images: np.ndarray, targets: np.ndarray, iterations: int) -> Callable[[], Any]:
    """Return so many calls of the compiled gradient of one image: what an ascent cannot do without."""
    tensor = tf.constant(images)
    compiled = tf.function(compiled_gradient(model, targets), input_signature=[tf.TensorSpec(images.shape)])

    def run() -> np.ndarray:
        for _ in range(iterations):
            found = compiled(tensor)
        return found.numpy()

    return run


def compiled_gradient(model: keras.Model, targets: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the function, to be compiled, of the gradient of the targets' logits."""
    logits, chosen = logits_of(model), tf.constant(targets)

    def gradient(images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as watch:
            watch.watch(images)
            score = tf.gather(logits(images), chosen, axis=1, batch_dims=1)
        return watch.gradient(score, images)

    return gradient


def logits_of(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the network without the softmax (if any) of its last layer."""
    head = model.layers[-1]
    if not isinstance(head, keras.layers.Dense) or head.activation is not keras.activations.softmax:
        return lambda images: model(images, training=False)
    features = keras.Model(model.inputs, head.input)
    return lambda images: tf.matmul(features(images, training=False), head.kernel) + head.bias
