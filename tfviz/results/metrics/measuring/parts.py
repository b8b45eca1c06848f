"""Parts of images that are replaced by something that says nothing, and what the score loses by it.

The parts are the same for every image and every method, so that their passes are shared, and they lie on a grid over
the image, so that the size of the image does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tfviz.arrays import Doubles, Floats
from tfviz.results.metrics.measuring.blanks import blank
from tfviz.results.metrics.measuring.subject import Subject

SAME_SCORE = "the score is the same whatever is removed"


def cells_of(size: tuple[int, int], grid: int) -> np.ndarray:
    """Return the number of the cell that each pixel (H, W) lies in, of a grid of `grid` rows and columns."""
    rows, columns = (((np.arange(side) + 0.5) * grid / side).astype(int) for side in size)
    return np.asarray(rows[:, np.newaxis] * grid + columns)


def score_drops(subject: Subject, parts: np.ndarray, fill: float | str, name: str) -> Doubles:
    """Return how much the score of each image falls (N, P) without each of the parts, bool (P, H, W)."""

    def changed() -> Iterator[tuple[int, Floats]]:
        for row, image in enumerate(subject.images):
            other = blank(image, fill)
            for part in parts:
                without = image.copy()
                without[part] = other[part]
                yield row, without

    count = len(subject)
    before = subject.scores(enumerate(subject.images), count, name)
    after = subject.scores(changed(), count * len(parts), name).reshape(count, len(parts))
    return before[:, np.newaxis] - after


def sums_over(maps: Doubles, parts: np.ndarray) -> Doubles:
    """Return the sum of each map (N, H, W) over each of the parts, bool (P, H, W): (N, P)."""
    flat = maps.reshape(len(maps), -1)
    return np.stack([flat @ part.ravel() for part in parts], axis=1)
