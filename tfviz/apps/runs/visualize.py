"""Runs `tfviz visualize`: makes pictures of what a network looks for.

All objectives ascend together, in one batch, from the same preset. Steps on the way become a strip or a GIF. Values
that nothing keeps in the range of pixels are shown around their mean, and small pictures are enlarged smoothly: squares
would hide what is drawn.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tfviz.apps.files import (
    ANIMATION_SUFFIX,
    PICTURE_SUFFIX,
    Image,
    encode_gif,
    file_names,
    replacing,
    write_file,
    write_picture,
)
from tfviz.apps.model import Setup
from tfviz.apps.runs.colors import find_color_statistics
from tfviz.apps.runs.objectives import read_objective
from tfviz.errors import emit_warnings
from tfviz.methods.visualization import FeatureVisualization, Objective, Recipe, feature_visualization, find_recipe
from tfviz.results import gradient_picture, montage
from tfviz.terminal import tell

TILE = 384
"""Pixels: a picture whose shorter side has fewer is enlarged by an integer, to at least that many."""
FRAMES = 32


@dataclass(frozen=True)
class VisualizeOptions:
    """The options of `tfviz visualize` that are not about the model.

    iterations: None for those of the preset. snapshots: numbers of steps that the picture shows beside the last. gif:
    whether an animation is written, too. image: the picture that the ascent starts from. color_paths: pictures whose
    colours are taken, the demo's if none.
    """

    preset: str
    iterations: int | None
    seed: int
    snapshots: Sequence[int]
    gif: bool
    image: Path | None
    color_paths: Sequence[Path]

    @property
    def changes(self) -> dict[str, int]:
        """The settings that differ from those of the preset."""
        return {} if self.iterations is None else {"iterations": self.iterations}

    @property
    def recipe(self) -> Recipe:
        """The preset with its changes."""
        return find_recipe(self.preset, self.changes)

    @property
    def kept(self) -> list[int]:
        """Numbers of steps after which the images are kept: the snapshots, and the frames of a GIF."""
        frames = np.linspace(0, self.recipe.iterations, FRAMES) if self.gif else ()
        return [*self.snapshots, *(round(step) for step in frames)]


def visualize(setup: Setup, objectives: Sequence[str], options: VisualizeOptions, output: Path) -> None:
    """Write a picture of each objective and print its score, before the first step and at the end.

    Objectives that are equal are made once. Raises as `read_objective` and `feature_visualization`.
    """
    emit_warnings(setup.all_warnings)
    read = [read_objective(text, setup) for text in objectives]
    named = list({each.objective: each for each in read}.values())
    recipe = options.recipe
    found = _maximise(setup, [each.objective for each in named], options)
    # By the number of steps done, each uint8 (N, H, W, 3).
    stages = {
        step: _pictures(setup, recipe, images)
        for step, images in sorted({**found.snapshots, recipe.iterations: found.images}.items())
    }
    files = file_names([Path(re.sub(r"\W+", "_", each.name).strip("_")[:80]) for each in named])
    replaced = replacing([path for file in files for path in _paths(output / file, options)])
    for row, (each, file) in enumerate(zip(named, files, strict=True)):
        stages_of_one = {step: _enlarged(pictures[row]) for step, pictures in stages.items()}
        paths = _write(output / file, each.name, stages_of_one, options)
        scores = f"score {found.history[:1, row].sum():.2f} -> {found.scores[row]:.2f}"
        tell(f"{each.name}: {scores}, {', '.join(map(str, paths))}")
    if replaced:
        tell(replaced)


def _maximise(setup: Setup, objectives: Sequence[Objective], options: VisualizeOptions) -> FeatureVisualization:
    """Return the images of objectives, starting from the picture that the options name, if any."""
    sample = None if options.image is None else setup.read(options.image)
    emit_warnings(sample.warnings if sample else ())
    return feature_visualization(
        setup.network,
        objectives,
        pixel_range=setup.preprocessing.pixel_range,
        preset=options.preset,
        seed=options.seed,
        snapshots=options.kept,
        image_shape=setup.image_shape,
        images=sample.input if sample else None,
        color_statistics=find_color_statistics(
            setup.preprocessing, options.color_paths, maximum_bytes=setup.maximum_image_bytes
        ),
        **options.changes,
    )


def _write(stem: Path, name: str, stages: dict[int, Image], options: VisualizeOptions) -> list[Path]:
    """Write the picture of one objective, and its GIF if it is wanted; return the paths.

    stages: the images by the number of steps done. The picture shows those of the snapshots and the last, side by side;
    the GIF shows all of them.
    """
    last = max(stages)
    shown = [step for step in stages if step in options.snapshots and step < last]
    captions = [*(f"step {step}" for step in shown), name]
    strip = montage([stages[step] for step in [*shown, last]], columns=len(captions), captions=captions)
    paths = _paths(stem, options)
    write_picture(paths[0], strip)
    if options.gif:
        write_file(paths[1], encode_gif(list(stages.values())))
    return paths


def _paths(stem: Path, options: VisualizeOptions) -> list[Path]:
    """Return the paths of the files of an objective."""
    suffixes = [PICTURE_SUFFIX, ANIMATION_SUFFIX] if options.gif else [PICTURE_SUFFIX]
    return [stem.with_name(stem.name + suffix) for suffix in suffixes]


def _pictures(setup: Setup, recipe: Recipe, images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return images as a person sees them, uint8 (N, H, W, 3)."""
    if recipe.is_bounded:
        return setup.pictures(images)
    # Nothing keeps these values among those of pixels: they are shown around their mean.
    return gradient_picture(
        setup.network.data_format.to_last(images)[..., :: -1 if setup.preprocessing.order == "bgr" else 1]
    )


def _enlarged(picture: Image) -> Image:
    """Return a small picture enlarged, smoothly: squares would hide what is drawn."""
    factor = math.ceil(TILE / min(picture.shape[:2]))
    if factor == 1:
        return picture
    larger: Image = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    return larger
