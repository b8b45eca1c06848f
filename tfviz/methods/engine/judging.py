"""Judges the images of a call and what methods found in them.

Pictures of 0..1 given to a network of 0..255, or the other way round, give maps that look like any other, so every call
looks at its images on the host. Of an image that fits, one number is looked at, its largest. Doubt is resolved in the
image's favour: black frames, dark pictures and images of one colour are not warned about. Maps that are not finite are
refused; those that are zero everywhere, or imprecise, are told of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfviz.arrays import name_images
from tfviz.errors import TfvizError
from tfviz.methods.engine.compiled import Compiled
from tfviz.network.diagnosis import OVERFLOW, PREPARE_AS_TRAINED, ExpectedRange, check_weights
from tfviz.network.replay import FULL
from tfviz.network.traced import TracedNetwork

RAW_PROBABILITIES = (
    "the model's output looks like probabilities, but no softmax or sigmoid was found at its end: the raw output is "
    "explained, whose gradient fades where the model is sure; trace(model, score=...) explains another number"
)
ONE, MANY = 1.0, 50.0
"""The limit that pictures of 0..1 keep, and the one that pictures of 0..255 exceed."""
CONTRAST = 0.05  # the least standard deviation that tells a picture of 0..1 from a black frame of 0..255
MEAN = 5  # times the largest number that is expected: no image has a larger mean

ImageRange = tuple[int, float, float]
"""Which image it is, and its smallest and its largest number."""


class ImageRanges:
    """The ranges of the images of a call, looked at batch by batch on the host: those that cannot fit are kept.

    An image of one colour fits everywhere, since all that can be wrong with it is its colour.
    """

    def __init__(self, expected: ExpectedRange | None) -> None:
        self._expected, self._within = expected, (-np.inf, np.inf) if expected is None else expected.within
        self._count = 0
        self._unexpected: list[ImageRange] = []
        self._smaller: list[ImageRange] = []
        self._largest = 0.0

    def look(self, images: np.ndarray) -> None:
        """Look at the next batch of images (n, H, W, C)."""
        first, self._count = self._count, self._count + len(images)
        if self._expected is None and len(images) == 1:
            return
        # Of images that fit, one number is looked at, and each of these once.
        highs = images.reshape(len(images), -1).max(axis=1)
        largest, (least, most) = float(highs.max()), self._within
        for row, high in enumerate(highs.tolist()):
            if self._expected is not None and not least < high <= most:
                low = float(images[row].min())
                if _is_unexpected(self._expected, images[row], low, high):
                    self._unexpected.append((first + row, low, high))
                    continue
            if high <= ONE and largest >= MANY and _is_picture_of_one(images[row]):
                self._smaller.append((first + row, float(images[row].min()), high))
                self._largest = largest

    def messages(self) -> tuple[str, ...]:
        """Return warnings about the images that cannot fit."""
        messages = []
        if self._unexpected:
            messages.append(f"{_described(self._unexpected)}, but {self._expected}: {PREPARE_AS_TRAINED}")
        if self._smaller:
            messages.append(
                f"{_described(self._smaller)}, but others of the same batch numbers up to {self._largest:.5g}: "
                "prepare all images alike"
            )
        return tuple(messages)


def _is_unexpected(expected: ExpectedRange, image: np.ndarray, low: float, high: float) -> bool:
    """Return whether an image with numbers from `low` to `high` cannot be what is expected."""
    if expected.is_below(low, high):
        # A dark picture of 0..255 holds integers, of which none is negative.
        return (max(high, -low) <= ONE or low < 0 or _has_fractions(image)) and _varies(image)
    if expected.is_above(low, high):
        is_whole = (expected.signed and low >= 0) or float(np.abs(image).mean()) > MEAN * expected.largest
        return is_whole and _varies(image)
    return False


def _is_picture_of_one(image: np.ndarray) -> bool:
    """Return whether an image without numbers above 1 is a picture of 0..1 or −1..1, not a dark one of 0..255."""
    return bool(image.min() >= -ONE) and _has_fractions(image) and float(image.std()) >= CONTRAST and _varies(image)


def _has_fractions(image: np.ndarray) -> bool:
    """Return whether any number of an image is not an integer, as those of a picture of 0..255 are."""
    return bool((image != np.rint(image)).any())


def _varies(image: np.ndarray) -> bool:
    """Return whether an image is of more than one colour."""
    return bool((image != image[:1, :1]).any())


def _described(found: Sequence[ImageRange]) -> str:
    numbers, lows, highs = zip(*found, strict=True)
    return f"image {name_images(np.array(numbers))} holds numbers from {min(lows):.5g} to {max(highs):.5g}"


def judge_diagnostics(
    compiled: Compiled, diagnostics: dict[str, dict[str, np.ndarray]], columns: int
) -> tuple[str, ...]:
    """Return warnings about the diagnostics, by the number of the image: those of the worst of its columns."""
    worst = f" (the worst of its {columns} targets)" if columns > 1 else ""
    return tuple(
        message + worst
        for name, numbers in diagnostics.items()
        for message in compiled.runs[name].method.judged(
            {key: np.fmax.reduce(each.reshape(-1, columns), axis=1) for key, each in numbers.items()}
        )
    )


class ZeroMaps:
    """Finds the maps that are zero everywhere, batch by batch.

    why: for each method that has some, the reason by the row.
    """

    def __init__(self, network: TracedNetwork, compiled: Compiled, columns: int) -> None:
        """Look at maps of which there are `columns` for each image."""
        self._network, self._compiled, self._columns = network, compiled, columns
        self._done = 0
        self.why: dict[str, dict[int, str]] = {}

    def look(self, maps: Mapping[str, np.ndarray], images: np.ndarray) -> None:
        """Look at the maps of the next images, which are repeated for each map; raise if one is not finite."""
        for name, values in maps.items():
            axes = tuple(range(1, values.ndim))
            lowest, highest = values.min(axis=axes), values.max(axis=axes)
            if not (np.isfinite(lowest) & np.isfinite(highest)).all():
                self._refuse(name, np.isfinite(lowest) & np.isfinite(highest))
            if (rows := np.flatnonzero((lowest == 0) & (highest == 0))).size:
                self.why.setdefault(name, {}).update(self._reasons(name, rows, images))
        self._done += len(images)

    def _refuse(self, name: str, finite: np.ndarray) -> None:
        """Raise for the first map that is not finite."""
        number = self._image(int(np.argmin(finite)))
        check_weights(self._network, number)
        raise TfvizError(f"{name} of image {number} holds NaN or infinite values: {OVERFLOW}")

    def _image(self, row: int) -> int:
        return (self._done + row) // self._columns

    def _reasons(self, name: str, rows: np.ndarray, images: np.ndarray) -> dict[int, str]:
        check_weights(self._network, self._image(int(rows[0])))
        run, reduced = self._compiled.runs[name], self._network.running.precision
        otherwise = run.zero_means
        otherwise += "" if reduced == FULL else f", or its numbers are too small or too large for {reduced}"
        reasons = run.why_zero(self._network, images[rows])
        return {self._done + int(row): why or otherwise for row, why in zip(rows, reasons, strict=True)}


def about_zero(zero: Mapping[str, Mapping[int, str]], columns: int) -> Iterator[str]:
    """Yield warnings about maps that are zero everywhere, each reason once."""
    for name, reasons in zero.items():
        for why in dict.fromkeys(reasons.values()):
            images = np.unique([row // columns for row, each in reasons.items() if each == why])
            yield f"{name} is zero everywhere for image {name_images(images)}: {why}"


def complete(network: TracedNetwork, arrays: dict[str, Any]) -> tuple[str, ...]:
    """Add the probabilities of a network that ends in them, with a warning. Without a classifier, logits are NaN."""
    if network.head.lacking:
        arrays["logits"] = np.full_like(arrays["logits"], np.nan)
        return ()
    if network.head.kind != "none" or not _are_probabilities(arrays["logits"]):
        return ()
    arrays["probabilities"] = arrays["logits"]
    return (RAW_PROBABILITIES,)


def _are_probabilities(outputs: np.ndarray) -> bool:
    """Return whether every row (N, K) is of numbers from 0 to 1 that sum to 1."""
    return bool(outputs.shape[1] > 1 and (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))
