"""Numbers of other software on the same images, maps and networks, written by scripts/references.py; and the networks.

`inputs` in scripts/reference_numbers/workers/inputs.py says what each array is.
"""

from functools import cache

import keras
import numpy as np

from support.places import ROOT

FOLDER = ROOT / "tests" / "references"


@cache
def load(name):
    """Return the arrays of `tests/references/NAME.npz` by name."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


def _with_weights(model, *weights):
    model.set_weights(weights)
    return model


def linear(arrays, weights="weights", bias="bias", *, softmax=True):
    """Return the network whose logits are a linear function of the pixels; `grey_weights` take one channel."""
    channels = arrays[weights].shape[0] // arrays["images"][0, ..., 0].size
    layers = [keras.Input((*arrays["images"].shape[1:3], channels)), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(4, activation="softmax" if softmax else None)])
    return _with_weights(model, arrays[weights], arrays[bias])


def convolutional(arrays, *, softmax=True):
    """Return the network with a convolution: ReLU, average pooling of 2x2, flattened, dense."""
    model = keras.Sequential(
        [
            keras.Input(arrays["images"].shape[1:]),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.AveragePooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(4, activation="softmax" if softmax else None),
        ]
    )
    return _with_weights(model, *(arrays[name] for name in ("kernel", "kernel_bias", "dense", "dense_bias")))
