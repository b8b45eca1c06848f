"""Runs `tfviz compare`: image files through a network, a table in the terminal, and the same as files.

All images are kept until the end, since a comparison is about all of them. A file that cannot be read, or whose true
place cannot, is told and left out. True places are resized as the images are, but to the nearest pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tfviz.apps.comparison import COMPARED, MEASURED_BY, compare, sentences_of, table_of_comparison
from tfviz.apps.files import TruePlaces, replacing
from tfviz.apps.model import Sample, Setup
from tfviz.apps.runs.explain import suiting_methods
from tfviz.apps.runs.true_masks import sample_masks, true_mask
from tfviz.errors import InvalidImagesError, TfvizError, emit_warnings
from tfviz.methods import choose_methods
from tfviz.results import Masks
from tfviz.results.comparison import Findings
from tfviz.results.metrics import METRICS
from tfviz.terminal import say, tell

NAME = "comparison"
ENDINGS = (".csv", ".json", ".md")
WIDEST = 10_000
OF_PLACES = "energy_in_mask"
"""The metric that is added to the usual ones if true places are given."""


@dataclass(frozen=True)
class CompareOptions:
    """The options of `tfviz compare` that are not about the model.

    methods: names, or none for the usual ones. shared: the options of the methods, given to each that has them.
    metrics: their options by name, or none for the usual ones. target: the class as it was typed, None for the
    predicted one of each image. places: the true places in the images.
    """

    methods: Sequence[str]
    shared: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]]
    target: str | None
    batch_size: int
    places: TruePlaces | None = None


def compare_files(setup: Setup, paths: Sequence[Path], options: CompareOptions, output: Path) -> bool:
    """Compare methods on image files, print the table and write it; return whether all files could be read.

    Raises as `tfviz.compare`, and `InvalidImagesError` if no file can be read.
    """
    emit_warnings([*setup.all_warnings, *(options.places.warnings if options.places else ())])
    targets = None if options.target is None else setup.targets([options.target])[0]
    chosen, metrics = _methods(setup, options), _metrics(options)
    samples, masks = _read(setup, paths, options.places)
    if options.places is None and any(METRICS[name].takes == "masks" for name in metrics if name in METRICS):
        masks = sample_masks([sample.picture for sample in samples])
    images = np.stack([sample.input for sample in samples])
    found = compare(setup.network, images, targets, chosen, metrics, masks=masks, batch_size=options.batch_size)
    console = Console()
    for table in _tables(found, console):
        console.print(table)
    tell(*sentences_of(found))
    written = [output / f"{NAME}{ending}" for ending in ENDINGS]
    replaced = replacing(written)
    tell(*map(found.save, written), *([replaced] if replaced else []))
    return len(samples) == len(paths)


def _methods(setup: Setup, options: CompareOptions) -> dict[str, dict[str, Any]]:
    """Return the methods with their options; of the usual ones, those that suit the network."""
    if options.methods:
        return choose_methods(options.methods, options.shared)
    suiting, left_out = suiting_methods(setup.network, COMPARED, options.shared)
    emit_warnings(left_out)
    return suiting


def _metrics(options: CompareOptions) -> Mapping[str, Mapping[str, Any]]:
    """Return the metrics with their options; the usual ones, and one of places if there are some, if none is named."""
    usual = (*MEASURED_BY, *([OF_PLACES] if options.places else []))
    return options.metrics or {name: {} for name in usual}


def _read(setup: Setup, paths: Sequence[Path], places: TruePlaces | None) -> tuple[list[Sample], Masks | None]:
    """Return what is in the files that can be read, and their masks (N, H, W) if there are places; say which cannot.

    Raises `InvalidImagesError` if none is left, or they are of several sizes.
    """
    samples, masks, grown = [], [], []
    for path in paths:
        try:
            sample = setup.read(path)
            if places is not None:
                mask, is_grown = true_mask(setup, path, sample, places)
                masks.append(mask)
                grown += [path.name] * is_grown
        except TfvizError as error:
            say(str(error))
            continue
        emit_warnings(sample.warnings)
        samples.append(sample)
    if not samples:
        raise InvalidImagesError(f"none of the {len(paths)} images can be read")
    if len({sample.input.shape for sample in samples}) > 1:
        raise InvalidImagesError("the images are of several sizes: a comparison needs one, give --size")
    if grown:
        emit_warnings(
            [
                f"masks in JPEG, such as that of {grown[0]}, have grey beside their edges, which counts as inside; "
                "save them as PNG"
            ]
        )
    return samples, np.stack(masks) if masks else None


def _tables(found: Findings, console: Console) -> Iterator[Table]:
    """Yield the table in as many parts as the terminal needs, each of some metrics, so that no number is broken."""
    widths = {metric: _width(found, [metric], console) for metric in found.metrics}
    names, part = _width(found, [], console), list[str]()
    for metric in widths:
        if part and names + sum(widths[each] - names for each in (*part, metric)) > console.width:
            yield table_of_comparison(_of_metrics(found, part))
            part = []
        part.append(metric)
    yield table_of_comparison(_of_metrics(found, part))


def _width(found: Findings, metrics: Sequence[str], console: Console) -> int:
    """Return how many columns of the terminal a table of these metrics wants."""
    wide = console.options.update(width=WIDEST)
    return console.measure(table_of_comparison(_of_metrics(found, metrics)), options=wide).maximum


def _of_metrics(found: Findings, metrics: Sequence[str]) -> Findings:
    """Return the same about some of the metrics."""
    values = {metric: found.table.values[metric] for metric in metrics}
    return replace(found, table=replace(found.table, values=values))
