"""Placement: where on the image the cells of a layer's map lie.

Of a map's coordinates two straight lines are kept, along the height and along the width: the centre of the first cell
and the step to the next, in pixels. A map has no placement if its cells do not lie at equal distances. If stretching
it over the whole image moves no cell by more than one cell, `is_stretched` says so.

Stretching is what the field does, and it is near enough for most networks, whose paddings shift cells by less than one.
It is wrong where a model crops, pads, flips or transposes inside, and there the lines are followed instead. Putting all
cells at the centres of their receptive fields was measured and is not nearer the truth, so it is an option.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tfviz.network.geometry.coordinates import Coordinates
from tfviz.network.geometry.places import HEIGHT, WIDTH, Places

STRAIGHT = 0.75
"""How far cells may lie from equal distances, in cells: those repeated to enlarge a map lie half a cell off."""


@dataclass(frozen=True)
class Line:
    """Where the cells of a map lie along one axis of the image, in pixels, 0 the centre of the first pixel.

    first: the centre of the first cell. step: from a cell to the next, negative if the map is reversed. seen: the
    first and the last edge between which the layer saw pixels; None if it saw all. is_stretched: whether the map is
    near enough when it is stretched over the whole image; None if that follows from the image's size, which is open.
    """

    first: float
    step: float
    seen: tuple[float, float] | None
    is_stretched: bool | None

    def is_near(self, cells: Any, pixels: Any) -> Any:
        """Return whether stretching `cells` over `pixels` puts each within one cell of where it lies.

        Both are lines, so the first and the last cell are compared. One cell is the larger of a step and a stretched
        cell. Takes numbers, or tensors inside a compiled function.
        """
        stretched = pixels / cells
        first, last = (
            abs(self.first + self.step * place - stretched * (place + 0.5) + 0.5) for place in (0, cells - 1)
        )
        # Numbers, or tensors if the size of the image is open.
        return ((first <= abs(self.step)) | (first <= stretched)) & ((last <= abs(self.step)) | (last <= stretched))


@dataclass(frozen=True)
class Placement:
    """Where the cells of a map lie along the height and along the width of the image."""

    height: Line
    width: Line

    @property
    def is_stretched(self) -> bool | None:
        """Whether the map is near enough when it is stretched over the whole image; None: see `Line`."""
        found = self.height.is_stretched, self.width.is_stretched
        return False if False in found else None if None in found else True


@dataclass(frozen=True)
class MapAxes:
    """The axes of a value that are a map's: height, width and channels, and where its cells lie.

    placement: None if the cells do not lie at equal distances.
    """

    order: tuple[int, int, int]
    placement: Placement | None


def map_axes(shape: Sequence[int], places: Places, image: Sequence[int]) -> MapAxes | None:
    """Return the axes of a value of a shape (N, ., ., .) that is a map of an image (N, H, W, C), None if it is not.

    One axis is the height and another one the width: the heads of an attention have both along that of the tokens, and
    windows have a part of them in the batch. The one that is left holds the channels.
    """
    if len(shape) != 4 or places.rows != 1 or places.batch:
        return None
    found = [_single(along) for along in places.along]
    axes = [coordinates.axes[0] for coordinates in filter(None, found)]
    left = [axis for axis in (1, 2, 3) if axis not in axes]
    if len(axes) != 2 or axes[HEIGHT] == axes[WIDTH]:
        return None
    height, width = (
        _line(coordinates, pixels) for coordinates, pixels in zip(filter(None, found), image[1:3], strict=True)
    )
    placement = None if height is None or width is None else Placement(height, width)
    return MapAxes((axes[HEIGHT], axes[WIDTH], left[0]), placement)


def _single(along: tuple[Coordinates, ...]) -> Coordinates | None:
    """Return the coordinates that lie along one axis of a value, None for those along none or several."""
    if len(along) != 1 or len(along[0].axes) != 1:
        return None
    places = along[0].places
    # All at one place is a direction that is not looked along, unless there is but one place.
    return None if len(places) > 1 and np.nanmax(places) == np.nanmin(places) else along[0]


def _line(coordinates: Coordinates, pixels: int) -> Line | None:
    """Return the straight line through coordinates, None if they do not lie on one.

    It is fitted by least squares to the places that are known; with only one, the step is the cell. pixels: of the
    image along that axis, which tell whether all of it is seen and whether stretching is near enough.
    """
    part = coordinates.places
    known = np.flatnonzero(np.isfinite(part))
    if len(known) < 2:
        first, step = float(part[known[0]]) - known[0] * coordinates.cell, coordinates.cell
    else:
        step, first = (round(float(each), 9) for each in np.polyfit(known, part[known], 1))
    allowed = STRAIGHT * max(coordinates.cell, abs(step))
    if step == 0 or np.abs(first + step * known - part[known]).max() > allowed:
        return None
    sees_all = coordinates.seen[0] <= -0.5 and coordinates.seen[1] >= pixels - 0.5
    line = Line(first, step, None if sees_all else coordinates.seen, None)
    return replace(line, is_stretched=bool(line.is_near(len(part), pixels)))


def common(placements: Sequence[Placement | None]) -> Placement | None:
    """Return the placement that a map has in images of any size, of those in some of them; None if there is none."""
    known = [each for each in placements if each is not None]
    if not known or len(known) < len(placements):
        return None
    height, width = (_common([each.height for each in known]), _common([each.width for each in known]))
    return None if height is None or width is None else Placement(height, width)


def _common(lines: Sequence[Line]) -> Line | None:
    """Return a line for images of any size: the first if all are stretched, or the one line that all of them are.

    In the second case it follows from the size whether stretching is near enough, which is left open (None).
    """
    are_stretched = {line.is_stretched for line in lines}
    if are_stretched == {True}:
        return lines[0]
    is_one = len({(line.first, line.step) for line in lines}) == 1 and all(line.seen is None for line in lines)
    return replace(lines[0], is_stretched=None) if is_one else None
