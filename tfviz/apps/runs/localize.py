"""Collects the results of `tfviz localize`: as those of `tfviz explain`, and masks and boxes besides.

Attributions are reduced to one unsigned number per pixel before a place is found in them. If their sign means evidence,
the place is judged by it afterwards: a box that holds as much against the class is dropped, with a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.apps.explanation import Explanation
from tfviz.apps.files import Image, file_part, write_array, write_maps
from tfviz.apps.model import Setup
from tfviz.apps.runs.outcome import File, Outcome, Request
from tfviz.apps.runs.places import Finder
from tfviz.methods.engine import sign_of
from tfviz.results import largest_box, normalise, outline

OTHER_WAY = dict.fromkeys(("max_abs", "sum_abs", "l2"), " (--reduce sum looks for what speaks for it)")
FINE_SIDE = 360
"""Pictures with a shorter side are enlarged to it, or the lines would hide what they surround."""


@dataclass
class Localized(Outcome):
    """An outcome whose entries have the `boxes` and, if they are written, the `masks` of each method.

    A box is [left, top, right, bottom] in pixels of the network's images, or None if nothing is marked.
    """

    finder: Finder = field(kw_only=True)

    @classmethod
    def by(cls, finder: Finder) -> Callable[[Setup, Request], Localized]:
        """Return a function that makes an outcome whose places `finder` finds."""
        return lambda setup, request: cls(setup, request, finder=finder)

    def keep(
        self,
        explanation: Explanation,
        files: Sequence[File],
        pictures: Sequence[Image],
        name: str,
        columns: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Write one picture of the maps of an explanation and of their places, and both as arrays if wanted."""
        found, shown = explanation.shown(), explanation.by_row(pictures)
        maps = {method: self.finder.map_of(values) for method, values in found.items()}
        evidence = _evidence(explanation)
        places = {method: self.finder(shown, values, evidence.get(method)) for method, values in maps.items()}
        masks = {method: each.masks for method, each in places.items()}
        boxes = {method: largest_box(found) for method, found in masks.items()}
        enlarge = math.ceil(FINE_SIDE / min(self.setup.size))
        drawn = {
            f"{method} by {self.finder.how}": outline(shown, boxes=boxes[method], masks=found, enlarge=enlarge)
            for method, found in masks.items()
        }
        super().keep(replace(explanation, maps=maps), files, pictures, name, {**(columns or {}), **drawn})
        added = self.entries[-len(explanation.targets) :]
        for row, (entry, (_, stem)) in enumerate(zip(added, self.stems(explanation, files), strict=True)):
            entry["boxes"] = {
                method: found[row].tolist() if masks[method][row].any() else None for method, found in boxes.items()
            }
            entry["opposed"] = [method for method, each in places.items() if each.opposed[row]]
            if self.request.save_maps:
                entry["masks"] = {method: f"{stem.name}.{file_part(method)}.mask.npy" for method in masks}
                for method, file in entry["masks"].items():
                    write_array(stem.with_name(file), masks[method][row])

    def save_maps(self, explanation: Explanation, row: int, stem: Path) -> dict[str, str]:
        """Write the maps of a row as evaluations read them (see `write_maps`)."""
        scaled = {
            f"{stem.name}.{file_part(name)}": normalise(values[row], "min_max")
            for name, values in explanation.maps.items()
        }
        files = write_maps(stem.parent, list(scaled), list(scaled.values()))
        return dict(zip(explanation.maps, [file.name for file in files], strict=True))

    def judgements(self) -> Iterator[str]:
        """Yield the warnings about results, one line each, also those about places that were dropped."""
        yield from super().judgements()
        other_way = OTHER_WAY.get(self.finder.reduction, "")
        for each in self.entries:
            for method in each["opposed"]:
                yield (
                    f"{Path(each['image']).name}{self.of_class(each['target'])}: what {method} marks speaks against "
                    f"the class as much as for it, or more, so no place is reported{other_way}"
                )

    def content(self, explanation: Explanation) -> dict[str, Any]:
        """Return the manifest of an explanation, and how places were found."""
        how = {"how": self.finder.how, "options": self.finder.options, "reduction": self.finder.reduction}
        return super().content(explanation) | {"localization": how}


def _evidence(explanation: Explanation) -> dict[str, NDArray[np.float32]]:
    """Return the results, (N, H, W) or with channels last, of the methods whose sign means evidence, by method."""
    found = explanation.in_channels_last().items()
    return {method: each for method, each in found if sign_of(method, explanation.options[method]) == "evidence"}
