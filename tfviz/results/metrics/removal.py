"""Deletion and insertion: how the probability runs while pixels are taken away, or given back, in the order of a map.

Deletion replaces the pixels of the image by something that says nothing, those of the highest values first; insertion
gives a picture that says nothing the image's pixels, in the same order. A good map makes the one curve fall and the
other one rise early. The area below depends on what replaces a pixel and on the steps, and so may the order of methods;
`like` takes those of other software.

tfviz's own choices: 32 equal steps, so that the size of an image does not matter; the image's mean colour where pixels
are deleted, because zero is black for one network and grey for the next; a blurred image where insertion begins, which
has no edges of its own; and equal values in a random order, because in reading order a map that is zero in many places
would be measured by where these lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, Floats, name_images
from tfviz.errors import TfvizError
from tfviz.results import pick
from tfviz.results.metrics.blanks import BLANKS, blank
from tfviz.results.metrics.measurement import Curves, Measurement
from tfviz.results.metrics.registry import metric
from tfviz.results.metrics.subject import Subject, subject_of

OWN: Mapping[str, Any] = {"steps": 32, "ties": "random"}
DELETION_LIKE: Mapping[str, Mapping[str, Any]] = {
    "tfviz": {**OWN, "fill": "mean"},
    "rise": {"steps": None, "ties": "stable", "fill": 0.0},
}
INSERTION_LIKE: Mapping[str, Mapping[str, Any]] = {
    "tfviz": {**OWN, "start": "blur"},
    "rise": {"steps": None, "ties": "stable", "start": "blur_of_rise"},
}
FAITHFUL: Mapping[str, Any] = {
    "family": "faithfulness",
    "takes": "network",
    "bounds": (0.0, 1.0),
    "cost": "1 forward for each step, 33 by default",
    "caution": "images that are half deleted are none that the network has seen; the value depends on what fills them",
}


@metric(better="lower", paper="Petsiuk 2018, arXiv 1806.07421, section 4.1", **FAITHFUL)
def deletion(
    model: Any,
    images: Any,
    targets: Any,
    maps: ArrayLike,
    *,
    like: str = "tfviz",
    steps: int | None = None,
    fill: float | str | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the area below the probability of the target while pixels are deleted, highest values first [1]_.

    Parameters
    ----------
    like
        ``"tfviz"``: 32 equal steps, the image's mean colour. ``"rise"``: as the paper's code, as many pixels a step as
        an image has in a row, and zero.
    steps
        The number of steps, in place of those of `like`.
    fill
        What a deleted pixel shows, in place of that of `like`: a number in the network's input space, ``"mean"`` (the
        image's mean colour) or ``"blur"`` (the blurred image).

    Returns
    -------
    Measurement of (N,), 0..1, the lower the better; its `curves` are the probabilities. NaN for a constant map.

    References
    ----------
    .. [1] Petsiuk, Das, Saenko, "RISE", 2018, arXiv 1806.07421, section 4.1.
    """
    chosen = choose(DELETION_LIKE, like, steps=steps, fill=fill)
    subject = subject_of(model, images, targets, batch_size)
    return removal("deletion", subject, *subject.maps(maps, collapse), chosen)


@metric(better="higher", paper="Petsiuk 2018, arXiv 1806.07421, section 4.1", **FAITHFUL)
def insertion(
    model: Any,
    images: Any,
    targets: Any,
    maps: ArrayLike,
    *,
    like: str = "tfviz",
    steps: int | None = None,
    start: float | str | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the area below the probability of the target while pixels are given back, highest values first [1]_.

    Parameters
    ----------
    like
        ``"tfviz"``: 32 equal steps, from the blurred image. ``"rise"``: as the paper's code, as many pixels a step as
        an image has in a row, from its blur of 11 pixels.
    steps
        The number of steps, in place of those of `like`.
    start
        The picture that insertion begins with, in place of that of `like`: as the `fill` of `deletion`.

    Returns
    -------
    Measurement of (N,), 0..1, the higher the better; its `curves` are the probabilities. NaN for a constant map.

    References
    ----------
    .. [1] Petsiuk, Das, Saenko, "RISE", 2018, arXiv 1806.07421, section 4.1.
    """
    chosen = choose(INSERTION_LIKE, like, steps=steps, start=start)
    subject = subject_of(model, images, targets, batch_size)
    return removal("insertion", subject, *subject.maps(maps, collapse), chosen)


def choose(likes: Mapping[str, Mapping[str, Any]], like: str, **given: Any) -> dict[str, Any]:
    """Return the options that `like` names, with those that are given in their place; raise `TfvizError` for others."""
    chosen = {
        **pick("definition (like)", like, likes),
        **{name: each for name, each in given.items() if each is not None},
    }
    steps = chosen.get("steps")
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1):
        raise TfvizError(f"steps is {steps!r}, expected an integer of at least 1")
    for name in ("fill", "start"):
        if isinstance(chosen.get(name), str):
            pick(name, chosen[name], BLANKS)
    return {"like": like, **chosen}


def removal(
    name: str, subject: Subject, maps: Doubles, collapse: str | None, options: Mapping[str, Any]
) -> Measurement:
    """Return a measurement by the probabilities along deletion or insertion, whichever the name says."""
    inserting, size = name == "insertion", maps.shape[1:]
    counts = counts_of(size, options["steps"])
    pixels_of = ORDERS[options["ties"]]

    def changed() -> Iterator[tuple[int, Floats]]:
        for row, (image, one_map) in enumerate(zip(subject.images, maps, strict=True)):
            other = blank(image, options["start" if inserting else "fill"])
            first, last = (other, image) if inserting else (image, other)
            for each in replaced(first, last, pixels_of(one_map), counts):
                yield row, each

    found = subject.probabilities(changed(), len(maps) * len(counts), name).reshape(len(maps), -1)
    values, warnings = without_constant(name, maps, found[:, 1:] / 2 + found[:, :-1] / 2)
    about = ("share of the pixels that are given back", "share of the pixels that are deleted")[not inserting]
    curves = Curves(np.linspace(0, 1, len(counts)), found, about, "probability of the target")
    return Measurement(name, values, collapse, options, curves, (*warnings, *subject.about_probabilities))


def counts_of(size: tuple[int, ...], steps: int | None) -> np.ndarray:
    """Return how many pixels are changed before and after each step; without `steps`, a row's worth in each."""
    pixels = int(np.prod(size))
    if steps is None:
        return np.minimum(np.arange(0, pixels + size[1], size[1]), pixels)
    return np.rint(np.linspace(0, pixels, steps + 1)).astype(int)


def _stable(one_map: Doubles) -> np.ndarray:
    """Return the pixels (H · W,) of a map from the highest value to the lowest, equal ones as they lie."""
    return np.argsort(-one_map.ravel(), kind="stable")


def _random(one_map: Doubles) -> np.ndarray:
    """Return the pixels (H · W,) of a map from the highest value to the lowest, equal ones in a random order."""
    return np.lexsort((np.random.default_rng(0).random(one_map.size), -one_map.ravel()))


ORDERS = {"stable": _stable, "random": _random}
"""The pixels of a map in its order, by what is done with equal values."""


def replaced(first: Floats, last: Floats, pixels: np.ndarray, counts: np.ndarray) -> Iterator[Floats]:
    """Yield an image (H, W, C) whose first `counts` of `pixels` are those of the last one, for each of the counts."""
    current = first.reshape(-1, first.shape[-1]).copy()
    flat, done = last.reshape(current.shape), 0
    for count in counts:
        current[pixels[done:count]] = flat[pixels[done:count]]
        done = count
        yield current.reshape(first.shape).copy()


def without_constant(name: str, maps: Doubles, parts: Doubles) -> tuple[Doubles, tuple[str, ...]]:
    """Return the mean (N,) of parts (N, P), NaN for constant maps, which order no pixels, with a warning of these."""
    values = parts.mean(axis=1)
    constant = maps.max(axis=(1, 2)) == maps.min(axis=(1, 2))
    if not constant.any():
        return values, ()
    values[constant] = np.nan
    which = name_images(np.flatnonzero(constant))
    return values, (
        f"{name} of image {which} is not defined (NaN): the map is the same everywhere, and orders no pixels",
    )
