"""Four pictures in a grid, on a network whose four cells cannot see each other: "DiFull" (Rao 2022, arXiv 2205.10435).

Of a class in one cell the cause is known: it is the shape there, and nothing in the three other cells can be. The
network is built of the embedded one by Keras alone, apart from tfviz's own metric `disconnected_grid`.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from tfviz import demo

CELLS = 2


def disconnected_network() -> keras.Model:
    """Return the network of grids (N, 256, 256, 3); its classes are those of each cell in turn, under one softmax."""
    embedded = demo.load_network()
    *_, features, last = embedded.layers
    logits = keras.layers.Dense(last.units)
    one = keras.Model(embedded.inputs, logits(features.output))
    logits.set_weights(last.get_weights())
    side = embedded.input_shape[1]
    inputs = keras.Input((CELLS * side, CELLS * side, 3))
    left = [(cell * side, (CELLS - 1 - cell) * side) for cell in range(CELLS)]
    cells = [one(keras.layers.Cropping2D((down, across))(inputs)) for down in left for across in left]
    return keras.Model(inputs, keras.layers.Softmax()(keras.layers.Concatenate()(cells)), name="disconnected")


class Grids(NamedTuple):
    """Grids of four pictures, each with a class of one cell."""

    images: NDArray[np.float32]
    """(N, 256, 256, 3), 0..255."""
    targets: NDArray[np.int64]
    """(N,)"""
    causes: NDArray[np.bool_]
    """(N, 256, 256): the shape of that class in its cell."""
    objects: NDArray[np.bool_]
    """(N, 256, 256): the shape that decides the class of the next cell, which has no part in the score."""


def disconnected_pictures(count: int, seed: int) -> Grids:
    """Make grids, of which the class is one of each cell in turn."""
    pictures = demo.generate(count + CELLS**2 - 1, seed)
    images, masks = (
        np.stack([_grid(each[index : index + CELLS**2]) for index in range(count)])
        for each in (pictures.images, pictures.masks)
    )
    cells = np.arange(count) % CELLS**2
    targets = cells * len(demo.CLASS_NAMES) + pictures.labels[np.arange(count) + cells]
    half = np.arange(masks.shape[1]) // pictures.masks.shape[1]
    number = half[:, np.newaxis] * CELLS + half
    own, following = (number == each[:, np.newaxis, np.newaxis] for each in (cells, (cells + 1) % CELLS**2))
    return Grids(images.astype(np.float32), targets, masks & own, masks & following)


def _grid(cells: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return pictures or masks (4, H, W, ...) side by side, (2 H, 2 W, ...)."""
    rows = [np.concatenate([*cells[start : start + CELLS]], axis=1) for start in range(0, CELLS**2, CELLS)]
    return np.concatenate(rows)
