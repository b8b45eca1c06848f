"""What comes of `tfviz localize` besides maps: masks and boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from tfviz.apps.command.outcome import File, Outcome, Request
from tfviz.apps.explanation import Explanation
from tfviz.apps.images import Image
from tfviz.apps.map_files import write_maps
from tfviz.apps.output import file_part, write_array
from tfviz.apps.places import Finder
from tfviz.apps.setup import Setup
from tfviz.results import collapse, largest_box, normalise, outline

FINE_SIDE = 360
"""The lines on pictures of fewer pixels a side would hide what they surround."""


@dataclass
class Localized(Outcome):
    """An outcome whose entries have the `boxes` and, where they are written, the `masks` of each method.

    A box is [left, top, right, bottom] in pixels of the network's images, or None where nothing is marked.
    """

    finder: Finder = field(kw_only=True)

    @classmethod
    def by(cls, finder: Finder) -> Callable[[Setup, Request], Localized]:
        """Return what makes an outcome whose places `finder` finds."""
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
        found = explanation.shown()
        maps = {method: collapse(values) if values.ndim == 4 else values for method, values in found.items()}
        shown = explanation.by_row(pictures)
        masks = {method: self.finder(shown, values) for method, values in maps.items()}
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

    def content(self, explanation: Explanation) -> dict[str, Any]:
        """Return what the manifest says: that of an explanation, and how places were found."""
        return super().content(explanation) | {"localization": {"how": self.finder.how, "options": self.finder.options}}
