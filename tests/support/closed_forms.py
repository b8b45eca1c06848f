"""Networks and methods of which a metric's value is known in closed form."""

import keras
import numpy as np

import tfviz


def mean_of_pixels(side):
    """Return a network of grey images whose custom score is the mean of all pixels."""
    return tfviz.trace(keras.Sequential([keras.Input((side, side, 1)), keras.layers.GlobalAveragePooling2D()]))


def sum_of_pixels(weights, bias=0.0):
    """Return a model of two logits that are sums over the image with weights (H, W, C), up to the sign."""
    model = keras.Sequential([keras.Input(weights.shape), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.set_weights([np.stack([weights.ravel(), -weights.ravel()], axis=1), np.full(2, bias, np.float32)])
    return model


def edges(network, images, targets):
    """Explain images by a method that knows nothing of the network."""
    return np.abs(np.diff(images, axis=1, append=0)).sum(axis=-1)
