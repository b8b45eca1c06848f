"""Pixels in the order of a map, and images of which more and more of them are replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from tfviz.arrays import Doubles, Floats

NO_ORDER = "the map is the same everywhere, and orders no pixels"


def ordered(one_map: Doubles, ties: str) -> np.ndarray:
    """Return the pixels (H · W,) of a map from the highest value to the lowest; ties: how equal ones lie.

    ``"random"``: in an order drawn once for each size of map. ``"first"``: as they lie in the map, ``"last"``: from its
    end. The first is what an evaluation should take, because a map that is zero in many places would otherwise be
    measured by where these lie; the others are those of software that sorts without a thought of it.
    """
    values = one_map.ravel()
    if ties == "last":
        return np.argsort(values, kind="stable")[::-1]
    if ties == "first":
        return np.argsort(-values, kind="stable")
    drawn = _drawn(values.size)
    return drawn[np.argsort(-values[drawn], kind="stable")]


@lru_cache(maxsize=8)
def _drawn(pixels: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(pixels)


def replaced(first: Floats, last: Floats, pixels: np.ndarray, counts: np.ndarray) -> Iterator[Floats]:
    """Yield an image (H, W, C) whose first `counts` of `pixels` are those of the last one, for each of the counts.

    counts: ascending.
    """
    current = first.reshape(-1, first.shape[-1]).copy()
    flat, done = last.reshape(current.shape), 0
    for count in counts:
        current[pixels[done:count]] = flat[pixels[done:count]]
        done = count
        yield current.reshape(first.shape).copy()


def step_by_step(
    images: Floats, maps: Doubles, counts: np.ndarray, ends: Callable[[Floats], tuple[Floats, Floats]], ties: str
) -> Iterator[tuple[int, Floats]]:
    """Yield each image with its row at each step, for as many steps as there are counts: see `replaced`.

    ends: returns for an image (H, W, C) the picture that it begins with, and the one that it gets its pixels from, in
    the order of its map. ties: see `ordered`.
    """
    for row, (image, one_map) in enumerate(zip(images, maps, strict=True)):
        for each in replaced(*ends(image), ordered(one_map, ties), counts):
            yield row, each
