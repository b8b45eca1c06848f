"""Networks with pictures: photographs, whose causes nobody knows, and three networks of which they are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

import tfviz
from known_causes.disconnected import disconnected_network, disconnected_pictures
from known_causes.photographs import labelled_photographs
from known_causes.planted import MARKED, planted_network, planted_pictures
from tfviz import demo

SEED = 5


@dataclass(frozen=True, eq=False)
class Case:
    """A network with pictures (N, H, W, C), a class for each, and the masks (N, H, W) of their causes, if known.

    objects: masks of what a person would point at instead, where that is something else.
    """

    name: str
    network: Any
    images: np.ndarray
    targets: np.ndarray
    masks: np.ndarray | None = None
    objects: np.ndarray | None = None


def photographs(network: Path, folder: Path, count: int) -> Case:
    """Return photographs with the classes that `labels.json` names."""
    _, images, classes = labelled_photographs(folder, count)
    return Case("photographs", tfviz.trace(keras.models.load_model(network, compile=False)), images, np.array(classes))


def embedded(count: int) -> Case:
    """Return the embedded network: the coloured and textured shape decides, among others."""
    found = demo.generate(count, seed=SEED)
    network = tfviz.trace(demo.load_network())
    return Case("embedded", network, found.images.astype(np.float32), found.labels, found.masks)


def planted(count: int) -> Case:
    """Return the network in which a mark decides, not the disc that a person would point at."""
    found = planted_pictures(4 * count, 1)
    of = found.kinds == MARKED
    images, targets = found.images[of], found.labels[of]
    return Case("planted", tfviz.trace(planted_network()), images, targets, found.causes[of], found.objects[of])


def disconnected(count: int) -> Case:
    """Return grids of which one cell alone can decide; the objects are the shapes of another cell."""
    return Case("disconnected", tfviz.trace(disconnected_network()), *disconnected_pictures(count, SEED))


KNOWN: dict[str, Callable[[int], Case]] = {"embedded": embedded, "planted": planted, "disconnected": disconnected}
"""The networks whose causes are known, by name."""
