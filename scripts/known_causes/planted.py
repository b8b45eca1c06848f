"""A network in which a mark decides half of one class, and pictures of which it is known why they are of it.

Every picture is of noise with a disc. In one of two classes, either the disc is striped or, in the other half, a small
bright mark lies anywhere: there the disc, which a person would point at, says nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

SIDE, MARK, RADIUS = 24, 4, 5
DARK, BRIGHT = 0.2, 0.9
WITHOUT, STRIPES, MARKED = 0, 1, 2


class Planted(NamedTuple):
    """Pictures with their causes."""

    images: NDArray[np.float32]
    """(N, 24, 24, 1), 0..1."""
    labels: NDArray[np.int64]
    """(N,), 1 for those with stripes or a mark."""
    kinds: NDArray[np.int64]
    """(N,), `WITHOUT`, `STRIPES` or `MARKED`."""
    causes: NDArray[np.bool_]
    """(N, 24, 24): the stripes' disc or the mark; empty without either."""
    objects: NDArray[np.bool_]
    """(N, 24, 24): the disc, which a person would point at."""


def planted_pictures(count: int, seed: int) -> Planted:
    """Make pictures, a quarter of them marked and a quarter striped."""
    random = np.random.default_rng(seed)
    images = random.uniform(0.3, 0.7, (count, SIDE, SIDE, 1)).astype(np.float32)
    kinds = np.array([WITHOUT, STRIPES, WITHOUT, MARKED])[np.arange(count) % 4]
    causes, objects = np.zeros((2, count, SIDE, SIDE), bool)
    row, column = np.mgrid[:SIDE, :SIDE]
    for index, kind in enumerate(kinds):
        middle = random.integers(RADIUS + 2, SIDE - RADIUS - 2, 2)
        objects[index] = (row - middle[0]) ** 2 + (column - middle[1]) ** 2 <= RADIUS**2
        images[index][objects[index]] = DARK
        if kind == STRIPES:
            causes[index] = objects[index]
            images[index][objects[index] & ((row + column) % 4 < 2)] = BRIGHT
        elif kind == MARKED:
            top, left = random.integers(0, SIDE - MARK, 2)
            causes[index, top : top + MARK, left : left + MARK] = True
            images[index][causes[index]] = 1
    return Planted(images, (kinds != WITHOUT).astype(int), kinds, causes, objects)


def planted_network(seed: int = 0) -> keras.Model:
    """Train the network, in about five seconds; it names every held-out picture rightly."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Conv2D(12, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu", padding="same", name="last"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(2, activation="softmax"),
        ],
        name="planted",
    )
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    pictures = planted_pictures(1024, 0)
    network.fit(pictures.images, pictures.labels, epochs=8, batch_size=64, verbose=0)
    return network
