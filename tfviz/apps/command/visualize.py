"""`tfviz visualize`: pictures of classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfviz.apps.command.setup import Setup
from tfviz.apps.explanation import class_name
from tfviz.apps.output import PICTURE_SUFFIX, write_picture
from tfviz.methods import class_visualization
from tfviz.methods.class_visualization import PRESETS
from tfviz.results import gradient_picture, montage


@dataclass(frozen=True)
class VisualizeOptions:
    """The options of `tfviz visualize` that are not about the model."""

    preset: str
    iterations: int | None
    seed: int
    snapshots: Sequence[int]


def visualize(setup: Setup, classes: Sequence[str], options: VisualizeOptions, output: Path) -> None:
    """Write a picture of each class and print its score."""
    targets = setup.targets(list(classes))
    changes = {} if options.iterations is None else {"iterations": options.iterations}
    found = class_visualization(
        setup.network,
        targets,
        pixel_range=setup.preprocessing.pixel_range,
        preset=options.preset,
        seed=options.seed,
        snapshots=options.snapshots,
        image_shape=setup.image_shape,
        **changes,
    )
    stages = {**found.snapshots, len(found.history): found.images}
    pictures = {step: _pictures(setup, options.preset, images) for step, images in sorted(stages.items())}
    for row, target in enumerate(targets):
        name = class_name(target, setup.class_names)
        captions = [*(f"step {step}" for step in pictures if step < len(found.history)), name]
        path = output / f"{_slug(name)}{PICTURE_SUFFIX}"
        write_picture(path, montage([each[row] for each in pictures.values()], captions=captions))
        print(f"{name}: score {found.history[:1, row].sum():.2f} -> {found.scores[row]:.2f}, {path}")


def _pictures(setup: Setup, preset: str, images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return images as a person sees them, uint8 (N, H, W, 3)."""
    if PRESETS[preset].clamp:
        return setup.preprocessing.pictures(images)
    # Nothing keeps these values among those of pixels: they are shown around their mean.
    return gradient_picture(images[..., :: -1 if setup.preprocessing.order == "bgr" else 1])


def _slug(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_")[:80]
