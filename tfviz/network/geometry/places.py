"""The places of a value on the image: coordinates along its height and along its width.

Each direction may have several coordinates, as the weights of an attention have those of queries and of keys. The
batch's axis may hold several places of an image, if a map is cut to windows, and need not be the first axis: tf_keras
puts one in front of it to normalise layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfviz.network.geometry.coordinates import Coordinates
from tfviz.network.program import Step

HEIGHT, WIDTH = 0, 1


@dataclass(frozen=True, eq=False)
class Places:
    """Where in the image the places of a value lie: coordinates along its height and along its width.

    rows: how many places of the batch's axis an image has, as windows. lost: the operation that the image's geometry
    could not be followed through, None if it could. batch: the batch's axis.
    """

    along: tuple[tuple[Coordinates, ...], tuple[Coordinates, ...]]
    rows: int = 1
    lost: Step | None = None
    batch: int = 0

    def are_close(self, other: Places | None) -> bool:
        """Return whether others are known and the same, as those of a value that a loop changes must be each time.

        Places that are lost are close to none. Coordinates are compared in the order in which they were found.
        """
        if other is None or self.lost is not None or other.lost is not None:
            return False
        if (self.rows, self.batch) != (other.rows, other.batch):
            return False
        pairs = [
            (own, its)
            for direction in (HEIGHT, WIDTH)
            for own, its in zip(self.along[direction], other.along[direction], strict=False)
        ]
        counts = [tuple(map(len, each.along)) for each in (self, other)]
        return counts[0] == counts[1] and all(own.axes == its.axes and own.is_close(its) for own, its in pairs)


def of_image(shape: Sequence[int]) -> Places:
    """Return the places of the image itself, (N, H, W, C)."""
    return Places((_along(1, shape[1]), _along(2, shape[2])))


def _along(axis: int, size: int) -> tuple[Coordinates, ...]:
    return (Coordinates((axis,), np.arange(size, dtype=np.float64), 1.0, (-0.5, size - 0.5)),)
