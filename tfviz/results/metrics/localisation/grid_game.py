"""A pointing game in grids of pictures: one map for each picture that stands in a grid, and how much of it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfviz.arrays import Doubles, Floats
from tfviz.errors import TfvizError, UnsupportedModelError
from tfviz.progress import progress
from tfviz.results.metrics.localisation.grid_pictures import GridLayout, PictureGrid, arrange
from tfviz.results.metrics.measuring import Measurement, Subject, set_undefined

Explained = Callable[[Floats, np.ndarray, np.ndarray], tuple[Doubles, str | None]]
"""Returns the maps (n, h, w) of grids (n, h, w, C), and how attributions became maps.

It takes the grids, the rows (n,) of the pictures whose class is explained, and the cells (n,) that these stand in.
"""


@dataclass(frozen=True, eq=False)
class Game:
    """A pointing game of the pictures of a subject in grids; confidence: see `arrange`."""

    name: str
    subject: Subject
    layout: GridLayout
    confidence: float

    def play(self, explained: Explained, options: Mapping[str, Any]) -> Measurement:
        """Return the share of the positive values in the cell of each picture, of maps that `explained` returns."""
        subject = self.subject
        if not 0 <= self.confidence <= 1:
            raise TfvizError(f"confidence is {self.confidence!r}, expected a probability, 0 to 1")
        probabilities = subject.probabilities(enumerate(subject.images), len(subject), self.name)
        grids = arrange(self.name, subject.targets, probabilities, self.layout.side, self.confidence)
        jobs = [(grid, cell) for grid in grids for cell in grid.measured]
        values, how = np.full(len(subject), np.nan), None
        with progress(self.name, len(jobs)) as advance:
            for first in range(0, len(jobs), subject.batch_size):
                part = jobs[first : first + subject.batch_size]
                rows = np.array([grid.rows[cell] for grid, cell in part])
                values[rows], how = self._shares(explained, part, rows)
                advance(len(part))
        used = np.isin(np.arange(len(subject)), [grid.rows[cell] for grid, cell in jobs])
        unsure = f"it is on no grid, as its target has a probability below {self.confidence:g} (confidence)"
        warnings = set_undefined(self.name, values, ~used, since=unsure)
        empty = used & np.isnan(values)
        warnings += set_undefined(self.name, values, empty, since="the map of its grid has no positive values")
        return Measurement(self.name, values, how, options, warnings=(*warnings, *subject.about_probabilities))

    def _shares(
        self, explained: Explained, part: Sequence[tuple[PictureGrid, int]], rows: np.ndarray
    ) -> tuple[Doubles, str | None]:
        """Return the shares (n,) of some pictures, and how attributions became maps."""
        pictures = np.stack([self.layout.picture(self.subject.images[[*grid.rows]]) for grid, _ in part])
        maps, how = explained(pictures, rows, np.array([cell for _, cell in part]))
        positive = np.maximum(maps, 0)
        inside = [each[self.layout.cell(cell)].sum() for each, (_, cell) in zip(positive, part, strict=True)]
        whole = positive.sum(axis=(1, 2))
        return np.divide(inside, whole, out=np.full(len(part), np.nan), where=whole > 0), how


def is_shrunk(size: tuple[int | None, ...], shrink: bool | None) -> bool:
    """Return whether pictures are shrunk for a network that takes images of a size (H, W), None for what is open."""
    is_open = size == (None, None)
    if shrink is False and not is_open:
        raise UnsupportedModelError(f"shrink is False, but the network takes images of the size {size}, and no grid")
    return not is_open if shrink is None else bool(shrink)


def layout_of(cells: int, size: tuple[int, ...], shrunk: bool) -> GridLayout:
    """Return the layout of a grid of pictures of a size (H, W), which has that size itself if they are shrunk."""
    most = min(size)
    if isinstance(cells, bool) or not isinstance(cells, int | np.integer) or not 2 <= cells <= most:
        raise TfvizError(f"cells is {cells!r}, expected an integer from 2 to the {most} pixels of an image's side")
    height, width = (pixels if shrunk else cells * pixels for pixels in size)
    return GridLayout(int(cells), (height, width))
