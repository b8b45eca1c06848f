"""Xplique's own metrics, in float32, with their default arguments.

    python with_xplique.py FILE

Faithfulness on the linear network: of softmax, as `activation="softmax"` gives it, and of logits, its default. Of a
metric that gives one number for all images, each image's is what it gives of that image alone. What uses an explainer
is given the gradient of the convolutional network.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from inputs import CLASSES, SIDE, inputs, write
from xplique import metrics

SEED = 16
ACTIVATIONS = {"": "softmax", "_of_logits": None}
OF_ONE = {"average_drop": "AverageDropMetric", "increase": "AverageIncreaseMetric", "average_gain": "AverageGainMetric"}


def main() -> None:
    tf.random.set_seed(SEED)
    arrays = inputs()
    labels = tf.one_hot(arrays["targets"], CLASSES).numpy()
    found: dict[str, Any] = {"seed": SEED}
    for name, activation in ACTIVATIONS.items():
        options = {"activation": activation}
        found |= {key + name: value for key, value in curves(arrays, labels, options).items()}
        found |= {key + name: value for key, value in correlation(arrays, labels, options).items()}
    found |= masked(arrays, labels) | stability(arrays, labels) | spread(arrays)
    write(Path(sys.argv[1]), ("numpy", "scipy", "tensorflow", "keras", "xplique"), found)


def linear(arrays: dict[str, np.ndarray]) -> tf.keras.Model:
    image = tf.keras.Input(arrays["images"].shape[1:])
    logits = tf.keras.layers.Dense(CLASSES)(tf.keras.layers.Flatten()(image))
    model = tf.keras.Model(image, logits)
    model.set_weights([arrays["weights"], arrays["bias"]])
    return model


def convolutional(arrays: dict[str, np.ndarray]) -> tf.keras.Model:
    layers = tf.keras.layers
    image = tf.keras.Input(arrays["images"].shape[1:])
    features = layers.Conv2D(arrays["kernel"].shape[-1], 3, activation="relu", name="convolution")(image)
    pooled = layers.Flatten()(layers.AveragePooling2D(2)(features))
    model = tf.keras.Model(image, layers.Dense(CLASSES, name="dense")(pooled))
    model.set_weights([arrays[name] for name in ("kernel", "kernel_bias", "dense", "dense_bias")])
    return model


def curves(arrays: dict[str, np.ndarray], labels: np.ndarray, options: dict[str, Any]) -> dict[str, Any]:
    """Return deletion and insertion: by image, of all, and each image's curve."""
    found: dict[str, Any] = {}
    for name, kind in (("deletion", metrics.Deletion), ("insertion", metrics.Insertion)):
        alone = []
        for i in range(len(labels)):
            metric = kind(linear(arrays), arrays["images"][i : i + 1], labels[i : i + 1], **options)
            one = arrays["maps"][i : i + 1]
            alone.append((metric(one), list(metric.detailed_evaluate(one).values())))
            found["perturbed_pixels"] = list(metric.detailed_evaluate(one))
        found[name] = [value for value, _ in alone]
        found[f"{name}_curves"] = [curve for _, curve in alone]
        found[f"{name}_mean"] = kind(linear(arrays), arrays["images"], labels, **options)(arrays["maps"])
    return found


def correlation(arrays: dict[str, np.ndarray], labels: np.ndarray, options: dict[str, Any]) -> dict[str, Any]:
    """Return μ-fidelity by image and of all, and the masks that were drawn, 1 for kept, packed."""
    found, drawn = [], []
    for i in range(len(labels)):
        metric = metrics.MuFidelity(linear(arrays), arrays["images"][i : i + 1], labels[i : i + 1], **options)
        perturb = metric._perturb_samples

        def watched(inputs: tf.Tensor, samples: int, perturb: Any = perturb) -> Any:
            perturbed, masks = perturb(inputs, samples)
            drawn.append(masks.numpy()[0, ..., 0] > 0)
            return perturbed, masks

        metric._perturb_samples = watched
        found.append(metric(arrays["maps"][i : i + 1].astype(np.float32)))
    masks = np.concatenate(drawn).reshape(len(labels), -1, SIDE * SIDE)
    return {"mu_fidelity": found, "mu_fidelity_masks": np.packbits(masks, -1)}


def masked(arrays: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, Any]:
    """Return what masking an image by its map does to the probability, by image."""
    found = {}
    for name, kind in OF_ONE.items():
        metric = getattr(metrics, kind)(linear(arrays), arrays["images"], labels, activation="softmax")
        maps = tf.constant(arrays["maps"], tf.float32)
        found[name] = metric.detailed_evaluate(tf.constant(arrays["images"]), tf.constant(labels), maps)
        found[f"{name}_mean"] = metric(arrays["maps"])
    return found


def stability(arrays: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, Any]:
    """Return the average stability of the gradient, summed over channels, by image, and the noise of all."""
    model = convolutional(arrays)

    def explain(images: Any, labels: Any) -> tf.Tensor:
        images = tf.convert_to_tensor(images, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(images)
            scores = tf.reduce_sum(model(images) * labels)
        return tf.reduce_sum(tape.gradient(scores, images), -1)

    metric = metrics.AverageStability(model, arrays["images"], labels)
    noise, alone = tf.cast(metric.noisy_masks, tf.float16), []  # fewer digits for the file
    for i in range(len(labels)):
        metric = metrics.AverageStability(model, arrays["images"][i : i + 1], labels[i : i + 1])
        metric.noisy_masks = tf.cast(noise, tf.float32)
        alone.append(metric(explain))
    return {"average_stability": alone, "average_stability_noise": noise.numpy()}


def spread(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return complexity and sparseness of the maps, by image."""
    maps = tf.constant(arrays["maps"], tf.float32)
    return {
        "complexity": metrics.Complexity().detailed_evaluate(maps),
        "sparseness": metrics.Sparseness().detailed_evaluate(maps),
    }


if __name__ == "__main__":
    main()
