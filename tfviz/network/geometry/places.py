"""Where in the image the places of a value lie."""

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
    could not be followed through, None where it was. batch: the batch's axis.
    """

    along: tuple[tuple[Coordinates, ...], tuple[Coordinates, ...]]
    rows: int = 1
    lost: Step | None = None
    batch: int = 0


def of_image(shape: Sequence[int]) -> Places:
    """Return the places of the image itself, (N, H, W, C)."""
    return Places((_along(1, shape[1]), _along(2, shape[2])))


def _along(axis: int, size: int) -> tuple[Coordinates, ...]:
    return (Coordinates((axis,), np.arange(size, dtype=np.float64), 1.0, (-0.5, size - 0.5)),)
