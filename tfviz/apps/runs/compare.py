"""Runs `tfviz compare`: image files through a network, a table in the terminal, and the same as CSV and JSON.

All images are kept until the end, since a comparison is about all of them. A file that cannot be read is told and left
out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from tfviz.apps.comparison import COMPARED, MEASURED_BY, compare, sentences_of, table_of_comparison
from tfviz.apps.files import replacing
from tfviz.apps.model import Setup
from tfviz.apps.runs.explain import suiting_methods
from tfviz.errors import InvalidImagesError, TfvizError, emit_warnings
from tfviz.methods import choose_methods
from tfviz.terminal import say, tell

NAME = "comparison"
ENDINGS = (".csv", ".json")


@dataclass(frozen=True)
class CompareOptions:
    """The options of `tfviz compare` that are not about the model.

    methods, metrics: names, or none for the usual ones. shared: the options of the methods, given to each that has
    them. target: the class as it was typed, None for the predicted one of each image.
    """

    methods: Sequence[str]
    shared: Mapping[str, Any]
    metrics: Sequence[str]
    target: str | None
    batch_size: int


def compare_files(setup: Setup, paths: Sequence[Path], options: CompareOptions, output: Path) -> bool:
    """Compare methods on image files, print the table and write it; return whether all files could be read.

    Raises as `tfviz.compare`, and `InvalidImagesError` if no file can be read.
    """
    emit_warnings(setup.all_warnings)
    targets = None if options.target is None else setup.targets([options.target])[0]
    chosen = _methods(setup, options)
    images = _read(setup, paths)
    found = compare(
        setup.network, images, targets, chosen, options.metrics or MEASURED_BY, batch_size=options.batch_size
    )
    Console().print(table_of_comparison(found))
    tell(*sentences_of(found))
    written = [output / f"{NAME}{ending}" for ending in ENDINGS]
    replaced = replacing(written)
    tell(*map(found.save, written), *([replaced] if replaced else []))
    return len(images) == len(paths)


def _methods(setup: Setup, options: CompareOptions) -> dict[str, dict[str, Any]]:
    """Return the methods with their options; of the usual ones, those that suit the network."""
    if options.methods:
        return choose_methods(options.methods, options.shared)
    suiting, left_out = suiting_methods(setup.network, COMPARED, options.shared)
    emit_warnings(left_out)
    return suiting


def _read(setup: Setup, paths: Sequence[Path]) -> np.ndarray:
    """Return the images (N, H, W, C), or channels first, of the files that can be read, and say which cannot."""
    images = []
    for path in paths:
        try:
            sample = setup.read(path)
        except TfvizError as error:
            say(str(error))
            continue
        emit_warnings(sample.warnings)
        images.append(sample.input)
    if not images:
        raise InvalidImagesError(f"none of the {len(paths)} images can be read")
    if len({image.shape for image in images}) > 1:
        raise InvalidImagesError("the images are of several sizes: a comparison needs one, give --size")
    return np.stack(images)
