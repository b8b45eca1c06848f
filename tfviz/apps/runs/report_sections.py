"""Measures the methods of a report on its own pictures: a comparison, curves, sanity verdicts, groups of pictures.

Whatever cannot be measured is left out with the reason, and the page is made all the same. Sanity is tried on the first
pictures alone, since a few give the verdict of all, and the method named once: its first layer, if it is given several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.apps.comparison import MEASURED_BY, Comparison, comparison_of
from tfviz.apps.report import (
    Grouping,
    ReportedPicture,
    ReportedVerdict,
    Sections,
    comparison_table,
    curves_of,
    metrics_of,
    subgroup_tables,
    untested,
    verdicts_of,
    with_picture_names,
)
from tfviz.errors import TfvizError
from tfviz.methods.engine import LAYER
from tfviz.network.traced import TracedNetwork
from tfviz.results.metrics import sanity_verdicts

TRIED_FOR_SANITY = 4
MOST_COMPARED = 40
"""The pictures up to which a report compares methods if nothing is said: of more it may take hours."""
ONE_PICTURE = "There is one picture: what is best on it may be worst on the next. Give at least ten"
SEVERAL_SIZES = "The pictures are of several sizes, and a comparison needs one: give --size"
TOO_MANY = (
    f"There are more than {MOST_COMPARED} pictures, and measuring the methods on all of them takes long: give --compare"
)


@dataclass(frozen=True)
class Examined:
    """What is measured on: images (H, W, C) with their targets, their files, and what the page shows of them."""

    images: Sequence[NDArray[np.float32]]
    targets: Sequence[int]
    paths: Sequence[Path]
    shown: Sequence[ReportedPicture]

    @property
    def names(self) -> list[str]:
        """The names of the pictures; those that are called alike are numbered."""
        names = [each.name for each in self.shown]
        count = Counter(names)
        return [
            f"{name} ({names[: row + 1].count(name)})" if count[name] > 1 else name for row, name in enumerate(names)
        ]


@dataclass(frozen=True)
class Extent:
    """Whether a report compares its methods, and if not, why not; empty if that is what the user wants."""

    is_compared: bool
    why_not: str = ""


def extent_of(compared: bool | None, pictures: int, *, is_grouped: bool) -> Extent:
    """Return the extent of a report of so many pictures; compared: what the user says, None for nothing."""
    if compared is not None:
        return Extent(compared)
    return Extent(True) if is_grouped or pictures <= MOST_COMPARED else Extent(False, TOO_MANY)


def measured_sections(
    network: TracedNetwork,
    methods: Mapping[str, Mapping[str, Any]],
    examined: Examined,
    groupings: Sequence[Grouping],
    *,
    extent: Extent,
) -> Sections:
    """Return the measured parts of a report; groupings: of its pictures. Images may be missing if none is compared."""
    found, missing, sanity = None, extent.why_not, []
    if extent.is_compared:
        found, missing = _compared(network, methods, examined)
        sanity = _sanity(network, methods, examined)
    warnings = [] if found is None else _warnings(found, examined.names)
    of_baselines = () if found is None else tuple(f"{name}: " for name in found.baselines)
    return Sections(
        comparison=None if found is None else comparison_table(found, warnings),
        metrics=() if found is None else tuple(metrics_of(found)),
        curves=() if found is None else tuple(curves_of(found, examined.names)),
        sanity=tuple(sanity),
        subgroups=tuple(subgroup_tables(_groups(examined, groupings), examined.shown, found)),
        missing={"comparison": f"{missing}."} if missing else {},
        warnings=tuple(each for each in warnings if not each.startswith(of_baselines)),
    )


def _warnings(found: Comparison, pictures: Sequence[str]) -> list[str]:
    """Return what must be said of a comparison, and was not said when its pictures were explained."""
    new = (each for each in found.warnings if each not in found.results.warnings)
    return [with_picture_names(each, pictures) for each in new]


def _compared(
    network: TracedNetwork, methods: Mapping[str, Mapping[str, Any]], examined: Examined
) -> tuple[Comparison | None, str]:
    """Return the comparison of methods, or None and why there is none."""
    if len(examined.images) < 2:
        return None, ONE_PICTURE
    if len({image.shape for image in examined.images}) > 1:
        return None, SEVERAL_SIZES
    targets = np.asarray(examined.targets) if network.head.has_classes else None
    try:
        # On all pictures, since groups need the stability of each.
        return comparison_of(network, np.stack(examined.images), targets, methods, MEASURED_BY, rerun_images=None), ""
    except TfvizError as error:
        return None, f"It cannot be made of this network: {error}"


def _sanity(
    network: TracedNetwork, methods: Mapping[str, Mapping[str, Any]], examined: Examined
) -> list[ReportedVerdict]:
    """Return the verdict on each method, which says why if it cannot be tested."""
    first = examined.images[0].shape
    tried = [row for row, image in enumerate(examined.images) if image.shape == first][:TRIED_FOR_SANITY]
    images = np.stack([examined.images[row] for row in tried])
    targets = np.asarray([examined.targets[row] for row in tried]) if network.head.has_classes else None
    options = {name: _first_layer(given) for name, given in methods.items()}
    try:
        return [*verdicts_of(sanity_verdicts(network, images, targets, [*methods], options=options).values())]
    except TfvizError as error:
        return [untested(name, str(error)) for name in methods]


def _groups(examined: Examined, groupings: Sequence[Grouping]) -> dict[str, list[str]]:
    """Return the group of each picture by each column."""
    return {each.column: [each.of[path] for path in examined.paths] for each in groupings}


def _first_layer(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with one layer in place of several."""
    several = isinstance(options.get(LAYER), list | tuple)
    return {**options, **({LAYER: options[LAYER][0]} if several else {})}
