"""Coordinates: where along one axis of the image the places of a value lie.

A value may have an axis for the rows of the image; or two, the windows and the rows within each; or one that numbers
all patches. So coordinates are an array over those axes of a value that they vary along, and cutting an axis in two or
joining two to one loses nothing. A place that shows nothing of the image, as a class token, is NaN.

Pixels are counted from the centre of the first one, so that the image's edges lie at -0.5 and H - 0.5. A place is a
point, the centre of what it sees. How far it sees (its receptive field) is not followed, except for what a crop hides
from all places together (`seen`). Height and width are followed separately, so nothing that mixes them, such as a
rotation, can be expressed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

# The most numbers that coordinates may have: a flattened image is not a place to look at.
LARGEST = 1 << 20
EXACT = 1e-6
"""Pixels, below which two coordinates are one."""


@dataclass(frozen=True)
class Reading:
    """How an axis of a result reads an axis of its source: place i reads `positions[i]`, in places of the source.

    Positions between two places lie between their coordinates, those beyond the ends go on in steps of the last two;
    NaN reads nothing. axis: that of the result, None if the axis is gone, picked or summed over. scale: places of
    the source to one of the result. crops: whether what is not read is not seen any more.

    A convolution of 3 places with a stride of 2 and `SAME` padding reads of 8 places the positions (1, 3, 5, 7), at a
    scale of 2. An axis that is gone stands for the mean of what it reads, as that of a global pooling does.
    """

    positions: np.ndarray
    axis: int | None
    scale: float = 1.0
    crops: bool = False


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The coordinates of a value's places along one axis of the image, in pixels, 0 the centre of the first.

    axes: those of the value that they vary along, ascending. places: the coordinates, a dimension for each of `axes`.
    cell: pixels from place to place. seen: the first and the last edge between which pixels reach the value at all.

    The rows of a map (N, 14, 14, c) have the axes (1,) and 14 places. Once it is cut into windows of 7 x 7 that lie
    in the batch, (4 · N, 7, 7, c), they have the axes (0, 1) and 4 x 7 places.
    """

    axes: tuple[int, ...]
    places: np.ndarray
    cell: float
    seen: tuple[float, float]

    def read(self, readings: Mapping[int, Reading]) -> Coordinates | None:
        """Return the coordinates of a result that reads each axis so; None if it has no place left.

        readings: by the axis of the source. An axis that no reading names is gone: summed over. The result may have its
        axes in another order, but none that joins two of the source: reshapings do that, see `reshaped`.
        """
        places, cell, crops, axes = self.places, self.cell, False, list[int]()
        for axis in reversed(self.axes):
            dimension, reading = self.axes.index(axis), readings.get(axis)
            if reading is not None:
                places = _interpolated(places, dimension, reading.positions, self.cell)
                crops = crops or reading.crops
            if reading is None or reading.axis is None:
                places = _mean(places, dimension)
            else:
                axes.insert(0, reading.axis)
                cell *= reading.scale
        if not axes or not np.isfinite(places).any():
            return None
        order = np.argsort(axes)
        places = places.transpose(order)
        seen = _cropped(self.seen, places, cell) if crops else self.seen
        return Coordinates(tuple(axes[number] for number in order), places, cell, seen)

    def reshaped(self, before: Sequence[int], after: Sequence[int]) -> Coordinates | None:
        """Return them after a reshaping from sizes to others, the first that of the places of one image in the batch.

        Axes are taken in the shortest runs that hold the same numbers before and after. Within a run the coordinates
        are spread over all axes, reshaped as the values are, and then kept for those axes alone along which they still
        vary. None if there would be too many to keep (`LARGEST`), as for a flattened image.
        """
        held = [group for group in _groups(before, after) if any(axis in self.axes for axis in group[0])]
        sources, results = ([axis for group in held for axis in group[side]] for side in (0, 1))
        sizes = [before[axis] for axis in sources]
        if prod(sizes) > LARGEST:
            return None
        kept = self.places.reshape([before[axis] if axis in self.axes else 1 for axis in sources])
        places = np.broadcast_to(kept, sizes).reshape([after[axis] for axis in results])
        varying = [number for number in range(places.ndim) if _varies(places, number)]
        # All at one coordinate: it stands along an axis of one place, if there is one.
        single = [number for number in range(places.ndim) if places.shape[number] == 1] or [*range(places.ndim)]
        for number in reversed(range(places.ndim)):
            if number not in (varying or single[:1]):
                places = places.take(0, axis=number)
        axes = tuple(results[number] for number in varying or single[:1])
        return Coordinates(axes, places, self.cell, self.seen) if axes else None

    def agrees(self, other: Coordinates) -> bool:
        """Return whether others of the same axes are the same to within one cell, the larger of both.

        Branches that are joined again need not agree exactly: windows of an even size shift places by half a cell.
        """
        cell = max(self.cell, other.cell) + EXACT
        is_alike = self.places.shape == other.places.shape
        return is_alike and not (np.abs(self.places - other.places) > cell).any()

    def is_close(self, other: Coordinates) -> bool:
        """Return whether others of the same axes are the same."""
        return self.places.shape == other.places.shape and bool(
            np.allclose(self.places, other.places, rtol=0, atol=EXACT, equal_nan=True)
        )

    def joined(self, other: Coordinates) -> Coordinates:
        """Return the mean of these and others that agree; a place that only one of them knows is as it says."""
        own = np.where(np.isnan(self.places), other.places, self.places)
        places = (own + np.where(np.isnan(other.places), own, other.places)) / 2
        seen = min(self.seen[0], other.seen[0]), max(self.seen[1], other.seen[1])
        return Coordinates(self.axes, places, max(self.cell, other.cell), seen)


def merged(found: Iterable[Coordinates]) -> tuple[Coordinates, ...] | None:
    """Return the coordinates that a result has of all that it is made of, None if they contradict each other.

    Those of the same axes must agree. What an axis more tells finer is left out, as the window that a place lies in. Of
    different axes both are kept: the weights of an attention have queries and keys.
    """
    kept: dict[tuple[int, ...], Coordinates] = {}
    for each in found:
        if each.axes in kept and not kept[each.axes].agrees(each):
            return None
        kept[each.axes] = kept[each.axes].joined(each) if each.axes in kept else each
    return tuple(each for axes, each in kept.items() if not any(set(axes) < set(others) for others in kept))


def _interpolated(places: np.ndarray, dimension: int, positions: np.ndarray, cell: float) -> np.ndarray:
    """Return the coordinates at `positions` along a dimension, in place of those at its own places.

    positions: in places, NaN for none. cell: pixels from place to place, which is used if there is only one place.
    Beyond the ends it is NaN if the coordinates are not at equal distances, as after a roll or among windows.
    """
    along = np.moveaxis(places, dimension, 0)
    last, shape = len(along) - 1, (-1, *[1] * (along.ndim - 1))
    whole = np.nan_to_num(positions, nan=-1.0)
    nearest = np.clip(np.round(whole), 0, last).astype(int)
    if last == 0:
        between = along[0] + (positions * cell).reshape(shape)
    else:
        lower = np.clip(np.floor(whole), 0, last - 1).astype(int)
        between = along[lower] + (positions - lower).reshape(shape) * (along[lower + 1] - along[lower])
        # Only a straight line goes on beyond its ends.
        steps = np.diff(along, axis=0)
        is_line = bool(np.isfinite(steps).all() and np.ptp(steps, axis=0).max() <= EXACT)
        beyond = ((positions < 0) | (positions > last)).reshape(shape)
        between = between if is_line else np.where(beyond, np.nan, between)
    is_whole = (whole == np.round(whole)) & (whole >= 0) & (whole <= last)
    found = np.where(is_whole.reshape(shape), along[nearest], between)
    return np.moveaxis(np.where(np.isnan(positions).reshape(shape), np.nan, found), 0, dimension)


def _mean(places: np.ndarray, dimension: int) -> np.ndarray:
    """Return the mean of the known places along a dimension, NaN if none is known."""
    known = np.isfinite(places)
    count = known.sum(axis=dimension)
    total = np.where(known, places, 0).sum(axis=dimension)
    found: np.ndarray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found


def _varies(places: np.ndarray, dimension: int) -> bool:
    """Return whether coordinates are not the same along a dimension, to `EXACT`; NaN is the same as NaN."""
    first = places.take([0], axis=dimension)
    is_same = (np.abs(places - first) <= EXACT) | (np.isnan(places) & np.isnan(first))
    return not is_same.all()


def _cropped(seen: tuple[float, float], places: np.ndarray, cell: float) -> tuple[float, float]:
    """Return the edges that are seen once only these places, of one cell each, are left."""
    return max(seen[0], float(np.nanmin(places)) - cell / 2), min(seen[1], float(np.nanmax(places)) + cell / 2)


def _groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[range, range]]:
    """Return the runs of axes that hold the same numbers before and after a reshaping, the shortest that there are.

    From sizes (6, 4) to (2, 3, 4) they are axis 0 as the axes 0 and 1, and axis 1 as axis 2.
    """
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
