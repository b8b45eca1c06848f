#!/usr/bin/env python
"""Retrain the demo network from its seed; write its weights and sample pictures if it is good enough.

The network first learns on crops around single shapes, a quarter of a picture's area each, then on whole pictures. In
both it also learns where its evidence for a class belongs: on the deciding shape and nowhere else. Without that the
classification is as good, but the evidence gathers beside the shapes, and no explanation could be checked against them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy
from numpy.typing import NDArray

from tfviz.demo import CLASS_NAMES, generate
from tfviz.demo.network import SAMPLES_FOLDER, WEIGHTS_PATH, build_network
from tfviz.demo.pictures import Pictures, render
from tfviz.demo.scene import IMAGE_SIZE, compose

Arrays = dict[str, NDArray[Any]]

TRAINING_SEED, HELD_OUT_SEED, SAMPLE_SEED = 1, 2, 3
TRAINING_COUNT, HELD_OUT_COUNT, SAMPLE_CANDIDATES = 6000, 2000, 100
LEAST_ACCURACY, LEAST_HIT_RATE = 0.97, 0.95
SAMPLES = ("red striped circle", "green dotted square", "blue checked star")  # no attribute occurs twice
CROP_SIZE = 64
CELL_SIZE = 16  # pixels between neighbours in block5_conv3's feature map
EVIDENCE = 40.0  # evidence of a cell wholly inside the deciding shape; smaller values leave the classes unsure
LOSS_WEIGHTS = {"cells": 100.0, "classes": 1.0}
SPARSITY = 0.05  # holds features silent off the deciding shape, which keeps gradients off the distractors


class Batches(keras.utils.PyDataset):
    """Shuffled batches of images and their targets, in a random one of the square's eight symmetries."""

    def __init__(self, images: NDArray[numpy.uint8], targets: Arrays, size: int) -> None:
        super().__init__()
        self.images, self.targets, self.size = images, targets, size
        self.random = numpy.random.default_rng(TRAINING_SEED)
        self.on_epoch_end()

    def __len__(self) -> int:
        return len(self.images) // self.size

    def on_epoch_end(self) -> None:
        """Shuffle."""
        self.order = self.random.permutation(len(self.images))

    def __getitem__(self, index: int) -> tuple[NDArray[numpy.float32], Arrays]:
        chosen = self.order[index * self.size : (index + 1) * self.size]
        down, right = self.random.choice((-1, 1), size=2)
        axes = self.random.choice(((0, 1, 2, 3), (0, 2, 1, 3)))
        targets = {name: values[chosen] for name, values in self.targets.items()}
        targets["cells"] = targets["cells"][:, ::down, ::right].transpose(axes)
        return self.images[chosen, ::down, ::right].transpose(axes).astype(numpy.float32), targets


def cells(masks: NDArray[numpy.bool_], labels: NDArray[numpy.int64]) -> NDArray[numpy.float32]:
    """How much of each cell the deciding shape covers, 0..1, in its class' channel: (N, h, w, classes)."""
    count, size = len(masks), masks.shape[1] // CELL_SIZE
    cover = masks.reshape(count, size, CELL_SIZE, size, CELL_SIZE).mean((2, 4), dtype=numpy.float32)
    channels = numpy.eye(len(CLASS_NAMES), dtype=numpy.float32)[labels]
    return numpy.asarray(cover[..., None] * channels[:, None, None])


def stack(rows: list[tuple[Any, Any, Any]]) -> Pictures:
    """Turn rows of image, label and mask into arrays."""
    return Pictures(*map(numpy.array, zip(*rows, strict=True)))


def lessons() -> tuple[Pictures, Pictures]:
    """Make the training pictures, and the crops around each of their shapes."""
    random = numpy.random.default_rng(TRAINING_SEED)
    pictures, crops = [], []
    for _ in range(TRAINING_COUNT):
        scene = compose(random)
        image, mask = render(scene, random)
        pictures.append((image, scene.label, mask))
        for item in (scene.deciding, *scene.distractors):
            corner = numpy.clip((item.y - CROP_SIZE / 2, item.x - CROP_SIZE / 2), 0, IMAGE_SIZE - CROP_SIZE)
            window = tuple(slice(start, start + CROP_SIZE) for start in corner.astype(int))
            crops.append((image[window], scene.label, mask[window]))
    return stack(pictures), stack(crops)


def training_model(network: keras.Model, evidence: keras.layers.Layer, size: int) -> keras.Model:
    """Join the network's layers and one layer of evidence, read in each cell and over the picture, at this size."""
    image = features = keras.Input((size, size, 3))
    *layers, pool, average, _ = network.layers[1:]
    for layer in layers:
        features = layer(features)
    features = keras.layers.ActivityRegularization(l1=SPARSITY / numpy.prod(features.shape[1:]))(features)
    outputs = {"cells": keras.layers.Identity(name="cells")(evidence(features))}
    if size == IMAGE_SIZE:
        outputs["classes"] = keras.layers.Rescaling(EVIDENCE, name="classes")(evidence(average(pool(features))))
    return keras.Model(image, outputs)


def fit(model: keras.Model, batches: Batches, epochs: int, rate: float) -> None:
    """Train with a rate that rises in a tenth of the steps and falls as a cosine."""
    steps = epochs * len(batches)
    schedule = keras.optimizers.schedules.CosineDecay(rate / 10, steps, warmup_target=rate, warmup_steps=steps // 10)
    losses = {
        "cells": keras.losses.MeanSquaredError(),
        "classes": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    }
    model.compile(
        keras.optimizers.AdamW(schedule),
        loss={name: losses[name] for name in batches.targets},
        loss_weights={name: LOSS_WEIGHTS[name] for name in batches.targets},
    )
    model.fit(batches, epochs=epochs, verbose=2)


def train() -> tuple[keras.Model, keras.Model]:
    """Train the network; return it and the model that also tells the evidence in each cell."""
    pictures, crops = lessons()
    network, evidence = build_network(), keras.layers.Dense(len(CLASS_NAMES))
    first: Arrays = {"cells": cells(crops.masks, crops.labels)}
    fit(training_model(network, evidence, CROP_SIZE), Batches(crops.images, first, 64), epochs=6, rate=2e-3)
    model = training_model(network, evidence, IMAGE_SIZE)
    second: Arrays = {"cells": cells(pictures.masks, pictures.labels), "classes": pictures.labels}
    fit(model, Batches(pictures.images, second, 32), epochs=4, rate=1e-3)
    network.get_layer("predictions").set_weights([EVIDENCE * values for values in evidence.get_weights()])
    return network, model


def hit_rate(model: keras.Model, pictures: Pictures) -> float:
    """How often the cell with the most evidence for the true class has its centre in the deciding shape.

    The evidence is linear in the averaged features, so that, up to its bias, this is Grad-CAM's own map.
    """
    evidence = model.predict(pictures.images.astype(numpy.float32), verbose=0)["cells"]
    every = numpy.arange(len(evidence))
    best = evidence[every, :, :, pictures.labels].reshape(len(evidence), -1).argmax(1)
    rows, columns = (index * CELL_SIZE + CELL_SIZE // 2 for index in divmod(best, evidence.shape[2]))
    return float(pictures.masks[every, rows, columns].mean())


def save(network: keras.Model, folder: Path) -> None:
    """Write the weights, and of each sample's class the candidate that the network is surest of."""
    (folder / SAMPLES_FOLDER.name).mkdir(parents=True, exist_ok=True)
    network.save_weights(folder / WEIGHTS_PATH.name)
    candidates = generate(SAMPLE_CANDIDATES, SAMPLE_SEED)
    probabilities = network.predict(candidates.images.astype(numpy.float32), verbose=0)
    for name in SAMPLES:
        label = CLASS_NAMES.index(name)
        best = numpy.where(candidates.labels == label, probabilities[:, label], 0).argmax()
        path = folder / SAMPLES_FOLDER.name / f"{name.replace(' ', '-')}.png"
        cv2.imwrite(str(path), cv2.cvtColor(candidates.images[best], cv2.COLOR_RGB2BGR))


def main() -> None:
    """Train, measure on held-out pictures, and write what passes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=WEIGHTS_PATH.parent, help="folder to write to")
    folder = parser.parse_args().output
    keras.utils.set_random_seed(TRAINING_SEED)
    network, model = train()
    held_out = generate(HELD_OUT_COUNT, HELD_OUT_SEED)
    probabilities = network.predict(held_out.images.astype(numpy.float32), verbose=0)
    accuracy = float((probabilities.argmax(1) == held_out.labels).mean())
    hits = hit_rate(model, held_out)
    print(f"{HELD_OUT_COUNT} held-out pictures: accuracy {accuracy:.2%}, evidence on the deciding shape {hits:.2%}")
    if accuracy < LEAST_ACCURACY or hits < LEAST_HIT_RATE:
        raise SystemExit(f"nothing written: {LEAST_ACCURACY:.0%} and {LEAST_HIT_RATE:.0%} are needed")
    save(network, folder)


if __name__ == "__main__":
    main()
