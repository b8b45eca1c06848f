"""Grids of pictures: which of the user's own stand side by side, and how they are laid.

A picture takes part if the network is confident of its target. The order is by turns: the most confident picture of
each class, the most confident class first; then the second of each; equal ones as they were given. The first picture
without a value opens a grid. Beside it stand the next of other classes, one a class, those without a value first; if
there are fewer classes than cells, more pictures of these other classes fill it up, again and again if need be. Every
picture whose class stands in the grid once gets its value there, and so it goes on until all have one. The first grid
is laid row by row, in each later one all pictures move on by a cell, so that no class keeps to a corner. Nothing of it
is random: the same pictures make the same grids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
import tensorflow as tf

from tfviz.arrays import Doubles, Floats, Indices
from tfviz.errors import TfvizError


@dataclass(frozen=True)
class PictureGrid:
    """The pictures of one grid, by their rows among the images, row by row; measured: the cells that get a value."""

    rows: tuple[int, ...]
    measured: tuple[int, ...]


@dataclass(frozen=True)
class GridLayout:
    """Where the cells of a grid lie.

    side: how many stand along each side. size: the height and width of the grid in pixels; if they do not divide, some
    cells are a pixel larger than others.
    """

    side: int
    size: tuple[int, int]

    def cell(self, number: int) -> tuple[slice, slice]:
        """Return the pixels of a cell, by its number row by row."""
        edges = [np.rint(np.linspace(0, pixels, self.side + 1)).astype(int) for pixels in self.size]
        places = divmod(number, self.side)
        height, width = (slice(each[place], each[place + 1]) for each, place in zip(edges, places, strict=True))
        return height, width

    def picture(self, images: Floats) -> Floats:
        """Return a grid (h, w, C) of images (side², H, W, C), each shrunk to its cell, if need be, by area."""
        grid = np.empty((*self.size, images.shape[-1]), np.float32)
        for number, image in enumerate(images):
            place = self.cell(number)
            size = grid[place].shape[:2]
            grid[place] = image if size == image.shape[:2] else tf.image.resize(image, size, "area").numpy()
        return grid


def arrange(metric: str, targets: Indices, probabilities: Doubles, side: int, confidence: float) -> list[PictureGrid]:
    """Return grids in which each picture (N,) of that probability, at least, has one cell that is measured.

    Raises `TfvizError` if there are not two classes of them.
    """
    order = _by_turns(targets, probabilities, confidence)
    if len({targets[row] for row in order}) < 2:
        raise TfvizError(
            f"{metric} needs pictures of at least two classes, of which the network is confident; of {len(targets)} "
            f"images, {len(order)} have a probability of at least {confidence:g} (confidence), all of one class"
        )
    waiting, grids = order, list[PictureGrid]()
    while waiting:
        rows = _beside(waiting, order, targets, side**2)
        count = Counter(targets[row] for row in rows)
        move = len(grids) % len(rows)
        rows = [*rows[len(rows) - move :], *rows[: len(rows) - move]]
        measured = [cell for cell, row in enumerate(rows) if row in waiting and count[targets[row]] == 1]
        grids.append(PictureGrid(tuple(rows), tuple(measured)))
        waiting = [row for row in waiting if row not in {rows[cell] for cell in measured}]
    return grids


def _by_turns(targets: Indices, probabilities: Doubles, confidence: float) -> list[int]:
    """Return the confident rows: the most confident of each class, then the second of each, and so on."""
    rows = [int(row) for row in np.argsort(-probabilities, kind="stable") if probabilities[row] >= confidence]
    turn = {row: sum(targets[other] == targets[row] for other in rows[:place]) for place, row in enumerate(rows)}
    return sorted(rows, key=turn.__getitem__)


def _beside(waiting: Sequence[int], order: Sequence[int], targets: Indices, cells: int) -> list[int]:
    """Return the rows of a grid that the first one waiting opens."""
    by_class: dict[int, int] = {}
    for row in (*waiting, *order):
        by_class.setdefault(int(targets[row]), row)
    rows = [*by_class.values()][:cells]
    others = [row for row in order if targets[row] != targets[rows[0]]]
    fresh = [row for row in others if row not in rows]
    return [*rows, *islice(cycle([*fresh, *(row for row in others if row in rows)]), cells - len(rows))]
