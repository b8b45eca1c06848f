"""Checks `tfviz.results.explain_func` with Quantus itself, in an environment of their own.

    pip install . quantus
    python scripts/quantus_explain_func.py

Quantus names TensorFlow before 2.16 as what it works with, but what it asks of a model here, predictions and clones,
Keras 3 gives, too. It is given images in either order and calls tfviz with both. What it finds must be what follows
from its definition and tfviz's own maps, to 1e-6; `scripts/nightly` runs it.
"""

from __future__ import annotations

import os
import sys
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import quantus

import tfviz
from tfviz.results import collapse, explain_func, metrics

CLASSES, FEATURES, TOLERANCE = 4, 32, 1e-6
IMAGES = np.random.default_rng(0).uniform(size=(3, 16, 16, 3)).astype(np.float32)
TARGETS = np.array([0, 2, 1])
QUIET = {"disable_warnings": True}


def network():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    features = [keras.Input((16, 16, 3)), layers.Conv2D(4, 3, activation="relu"), layers.AveragePooling2D(2)]
    return keras.Sequential([*features, layers.Flatten(), layers.Dense(CLASSES, activation="softmax")])


def asked(metric, model, explain, *, first):
    """Return what Quantus finds for images with channels first, or last."""
    images = np.moveaxis(IMAGES, -1, 1) if first else IMAGES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of Quantus and what it stands on
        return metric(
            model=model, x_batch=images, y_batch=TARGETS, a_batch=None, explain_func=explain, channel_first=first
        )


def summed(model, images, targets):
    """The gradient, summed over the channels."""
    return collapse(tfviz.gradient(model, images, targets), "sum")


def gini(maps):
    """Sparseness by Quantus's definition."""
    values = np.sort(np.abs(maps).reshape(len(maps), -1).astype(np.float64) / np.abs(maps).max() + 1e-7)
    count = values.shape[1]
    return ((2 * np.arange(1, count + 1) - count - 1) * values).sum(axis=1) / (count * values.sum(axis=1))


def flipped(model, maps):
    """Pixel flipping by Quantus's definition: the probability of the target after each step."""
    found = []
    for image, one_map, target in zip(np.moveaxis(IMAGES, -1, 1), maps, TARGETS, strict=True):
        flat, scores = image.reshape(-1).copy(), []
        # One map for all channels, whose equal values NumPy's own order of equals decides.
        order = np.argsort(-np.broadcast_to(one_map, image.shape).reshape(-1))
        for start in range(0, flat.size, FEATURES):
            flat[order[start : start + FEATURES]] = image.min()
            scores.append(model.predict(np.moveaxis(flat.reshape(1, *image.shape), 1, -1), verbose=0)[0, target])
        found.append(scores)
    return np.array(found)


def checks(model):
    """Yield what is compared: its name, what Quantus finds, and what is expected."""
    maps = summed(model, IMAGES, TARGETS)
    for channels, first in ((None, False), (None, True), ("first", False), ("first", True)):
        explain = explain_func("gradient", channels=channels, collapse="sum")
        order = f"channels {'first' if first else 'last'}, option {channels}"
        yield f"sparseness, {order}", asked(quantus.Sparseness(**QUIET), model, explain, first=first), gini(maps)
        other = metrics.random_logit(model, IMAGES, TARGETS, summed, like="quantus")
        measure = quantus.RandomLogit(num_classes=CLASSES, **QUIET)
        yield f"random logit, {order}", asked(measure, model, explain, first=first), np.array(other)
    explain = explain_func("gradient", channels="first", collapse="sum")
    flipping = quantus.PixelFlipping(features_in_step=FEATURES, **QUIET)
    yield "pixel flipping", asked(flipping, model, explain, first=False), flipped(model, maps)
    randomised = asked(quantus.MPRT(**QUIET), model, explain, first=False)
    yield "the same network again", randomised["original"], np.ones(len(IMAGES))


def main():
    model, failed = network(), 0
    for name, found, expected in checks(model):
        difference = float(np.abs(np.asarray(found, np.float64) - expected).max())
        failed += difference > TOLERANCE
        print(f"{name}: {difference:.1e} {'DIFFERS' if difference > TOLERANCE else ''}".rstrip())
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
