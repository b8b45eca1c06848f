"""Coordinates: where along one axis of the image the places of a value lie.

A value may have an axis for the rows of the image; or two, the windows and the rows within each; or one that numbers
all patches. In every case the coordinate of a place is the sum of what each of the value's axes adds, so that cutting
an axis in two and joining two to one lose nothing. A place that shows nothing of the image, as a class token, is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

# As many numbers as an axis may have: a flattened image is no place to look at.
LARGEST = 1 << 20
EXACT = 1e-6
"""Pixels, below which two coordinates are one."""


@dataclass(frozen=True)
class Reading:
    """How an axis of a result reads one of what it is made of: place i reads `positions[i]`, in places of the other.

    Positions between two places lie between their coordinates, those beyond the ends go on in steps of the last two;
    NaN reads nothing. axis: that of the result, None where the axis is gone, picked or summed over. scale: places of
    the other to one of the result. crops: whether what is not read is not seen any more.
    """

    positions: np.ndarray
    axis: int | None
    scale: float = 1.0
    crops: bool = False


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The coordinates of a value's places along one axis of the image, in pixels, 0 the centre of the first.

    parts: what each of the value's axes adds, (n,) for one of n places. cell: pixels from place to place. seen: the
    first and the last edge between which pixels reach the value at all.
    """

    parts: Mapping[int, np.ndarray]
    cell: float
    seen: tuple[float, float]

    def moved(self, axes: Mapping[int, int]) -> Coordinates:
        """Return them where the axes have other numbers; those that `axes` does not name are as they were."""
        return Coordinates({axes.get(axis, axis): part for axis, part in self.parts.items()}, self.cell, self.seen)

    def read(self, readings: Mapping[int, Reading]) -> Coordinates | None:
        """Return the coordinates of a result that reads each axis so; None where it has no place left.

        An axis that no reading names is gone: summed over.
        """
        parts: dict[int, np.ndarray] = {}
        beside, cell, crops = 0.0, self.cell, False
        for axis, part in self.parts.items():
            reading = readings.get(axis)
            found = part if reading is None else _interpolated(part, reading.positions, self.cell)
            if reading is None or reading.axis is None:
                beside += float(np.nanmean(found)) if np.isfinite(found).any() else np.nan
            else:
                parts[reading.axis] = found
                cell *= reading.scale
            crops = crops or (reading is not None and reading.crops)
        if not parts or np.isnan(beside):
            return None
        first = min(parts)
        parts[first] = parts[first] + beside
        if not all(np.isfinite(part).any() for part in parts.values()):
            return None
        return Coordinates(parts, cell, _cropped(self.seen, parts, cell) if crops else self.seen)

    def reshaped(self, before: Sequence[int], after: Sequence[int]) -> Coordinates | None:
        """Return them after a reshaping from sizes to others, the first that of the places of one image in the batch.

        None where the coordinates of the result are no sum over its axes.
        """
        parts: dict[int, np.ndarray] = {}
        beside = 0.0
        for sources, results in _groups(before, after):
            held = [axis for axis in sources if axis in self.parts]
            sizes = [before[axis] for axis in sources]
            if held and prod(sizes) > LARGEST:
                return None
            if held:
                whole = np.zeros(sizes)
                for axis in held:
                    whole += self.parts[axis].reshape([-1 if each == axis else 1 for each in sources])
                if not results:
                    beside += whole.item()
                    continue
                found = _as_sum(whole.reshape([after[axis] for axis in results]))
                if found is None:
                    return None
                parts.update((results[number], part) for number, part in found.items())
        if not parts:
            return None
        first = min(parts)
        return Coordinates(parts | {first: parts[first] + beside}, self.cell, self.seen)

    def agrees(self, other: Coordinates) -> bool:
        """Return whether others of the same axes are the same to within one cell."""
        cell = max(self.cell, other.cell) + EXACT
        return all(
            part.shape == other.parts[axis].shape and not (np.abs(part - other.parts[axis]) > cell).any()
            for axis, part in self.parts.items()
        )

    def joined(self, other: Coordinates) -> Coordinates:
        """Return what lies between these and others that agree; places that one of them knows are as it says."""
        parts = {}
        for axis, part in self.parts.items():
            theirs = other.parts[axis]
            known = np.where(np.isnan(part), theirs, part)
            parts[axis] = (known + np.where(np.isnan(theirs), known, theirs)) / 2
        seen = min(self.seen[0], other.seen[0]), max(self.seen[1], other.seen[1])
        return Coordinates(parts, max(self.cell, other.cell), seen)


def merged(found: Iterable[Coordinates]) -> tuple[Coordinates, ...] | None:
    """Return the coordinates that a result has of all that it is made of, None where they contradict each other.

    Those of the same axes must agree. What an axis more tells finer is left out, as the window that a place lies in. Of
    different axes both are kept: the weights of an attention have queries and keys.
    """
    kept: dict[frozenset[int], Coordinates] = {}
    for each in found:
        axes = frozenset(each.parts)
        if axes in kept and not kept[axes].agrees(each):
            return None
        kept[axes] = kept[axes].joined(each) if axes in kept else each
    return tuple(each for axes, each in kept.items() if not any(axes < others for others in kept))


def _interpolated(part: np.ndarray, positions: np.ndarray, cell: float) -> np.ndarray:
    """Return the coordinates at positions along an axis."""
    last = len(part) - 1
    whole = np.nan_to_num(positions, nan=-1.0)
    inside = (whole == np.round(whole)) & (whole >= 0) & (whole <= last)
    nearest = np.clip(np.round(whole), 0, last).astype(int)
    if last == 0:
        between = part[0] + positions * cell
    else:
        lower = np.clip(np.floor(whole), 0, last - 1).astype(int)
        between = part[lower] + (positions - lower) * (part[lower + 1] - part[lower])
        # What is no straight line does not go on beyond its ends.
        steps = np.diff(part)
        is_line = bool(np.ptp(steps) <= EXACT) if np.isfinite(steps).all() else False
        between = np.where((positions < 0) | (positions > last), between if is_line else np.nan, between)
    return np.where(np.isnan(positions), np.nan, np.where(inside, part[nearest], between))


def _cropped(seen: tuple[float, float], parts: Mapping[int, np.ndarray], cell: float) -> tuple[float, float]:
    first, last = (sum(float(edge(part)) for part in parts.values()) for edge in (np.nanmin, np.nanmax))
    return max(seen[0], first - cell / 2), min(seen[1], last + cell / 2)


def _groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[range, range]]:
    """Return the runs of axes that hold the same numbers before and after a reshaping, the shortest that there are."""
    found, first, second = [], 0, 0
    while first < len(before) or second < len(after):
        starts, sizes = (first, second), [1, 1]
        for number, axes in enumerate((before, after)):
            start = starts[number]
            sizes[number] = axes[start] if start < len(axes) else 1
        first, second = min(first + 1, len(before)), min(second + 1, len(after))
        while sizes[0] != sizes[1]:
            if sizes[0] < sizes[1]:
                sizes[0] *= before[first]
                first += 1
            else:
                sizes[1] *= after[second]
                second += 1
        found.append((range(starts[0], first), range(starts[1], second)))
    return found


def _as_sum(whole: np.ndarray) -> dict[int, np.ndarray] | None:
    """Return coordinates over several axes as a sum of one part for each axis that they vary along."""
    varied = [axis for axis, size in enumerate(whole.shape) if size > 1]
    if len(varied) < 2:
        return {varied[0] if varied else 0: whole.reshape(-1)}
    if not np.isfinite(whole).all():
        return None
    mean = whole.mean()
    parts = {axis: whole.mean(axis=tuple(each for each in range(whole.ndim) if each != axis)) - mean for axis in varied}
    total = mean + sum(
        part.reshape([-1 if each == axis else 1 for each in range(whole.ndim)]) for axis, part in parts.items()
    )
    if np.abs(whole - total).max() > EXACT:
        return None
    parts = {axis: part for axis, part in parts.items() if np.abs(part).max() > EXACT}
    # All at one coordinate: it stands along an axis of one place, if there is one.
    if not parts:
        axis = next((axis for axis, size in enumerate(whole.shape) if size == 1), 0)
        return {axis: np.full(whole.shape[axis], mean)}
    first = min(parts)
    return parts | {first: parts[first] + mean}
