"""The demo's picture generator: coloured, textured shapes, with a mask of the one that decides the class.

A picture holds one deciding shape and a few distractors. The mask is the ground truth for explanations: evidence for
the class can lie nowhere else. Pictures follow from a seed one after the other, so that a longer run begins with the
pictures of a shorter one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy
from numpy.typing import NDArray

from .drawing import background, draw
from .scene import IMAGE_SIZE, Scene, compose


class Pictures(NamedTuple):
    """Pictures with their ground truth."""

    images: NDArray[numpy.uint8]
    """RGB, 0..255, (N, 128, 128, 3)."""
    labels: NDArray[numpy.int64]
    """Indices into `CLASS_NAMES`, (N,)."""
    masks: NDArray[numpy.bool_]
    """True on the deciding shape, (N, 128, 128)."""


def generate(count: int, seed: int) -> Pictures:
    """Make `count` pictures; the first pictures of a seed do not depend on how many are made.

    Parameters
    ----------
    count
        The number of pictures, 0 or more.
    seed
        Of NumPy's `default_rng`, which decides everything in the pictures. All classes are equally likely.

    Returns
    -------
    Pictures
        uint8 images (N, 128, 128, 3), the index of each one's class (N,), and bool masks (N, 128, 128) of the shape
        that decides it.
    """
    random = numpy.random.default_rng(seed)
    pictures = Pictures(
        numpy.empty((count, IMAGE_SIZE, IMAGE_SIZE, 3), numpy.uint8),
        numpy.empty(count, numpy.int64),
        numpy.empty((count, IMAGE_SIZE, IMAGE_SIZE), bool),
    )
    for index in range(count):
        scene = compose(random)
        pictures.labels[index] = scene.label
        pictures.images[index], pictures.masks[index] = render(scene, random)
    return pictures


def render(scene: Scene, random: numpy.random.Generator) -> tuple[NDArray[numpy.uint8], NDArray[numpy.bool_]]:
    """Draw a scene; return the picture (128, 128, 3) and the mask of its deciding shape (128, 128)."""
    canvas = background(random)
    for item in scene.distractors:
        draw(canvas, item, random)
    mask = draw(canvas, scene.deciding, random)
    return numpy.clip(canvas, 0, 255).round().astype(numpy.uint8), mask
