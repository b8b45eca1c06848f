"""Maps of images under noise: how far they are from those of the images, for all measures of robustness alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tfviz.arrays import Doubles
from tfviz.methods.engine import number
from tfviz.progress import progress
from tfviz.results.metrics.measuring import Explaining, norms, scaled_as_quantus


@dataclass(frozen=True, eq=False)
class Changes:
    """How far maps and images are from those under noise.

    norms, ranges: (N,), of the maps and of the images without it. apart, moved: (N, S), the distances of the maps and
    of the images from those with it. how: how attributions became maps; None for maps.
    """

    norms: Doubles
    ranges: Doubles
    apart: Doubles
    moved: Doubles
    how: str | None

    @property
    def relative(self) -> Doubles:
        """The distances of the maps (N, S) as shares of their norm; of a map of zeros, as they are."""
        return np.asarray(self.apart / np.where(self.norms, self.norms, 1)[:, np.newaxis])


def changes_under_noise(
    name: str, explaining: Explaining, options: Mapping[str, Any], *, is_scaled: bool = False
) -> Changes:
    """Explain images with and without noise, those of several samples at once if there are fewer than a batch.

    options: `like`, `radius`, `samples` and `seed`. is_scaled: whether noise is normal, and maps are divided by the
    largest value of all images' maps, as for the Lipschitz constant of Quantus.
    """
    number("radius", options["radius"], above=0)
    subject, rows = explaining.subject, np.arange(len(explaining.subject))
    images, scaled = subject.images.astype(np.float64), scaled_as_quantus if is_scaled else np.asarray
    ranges = np.ptp(images, axis=(1, 2, 3))
    is_quantus = options["like"] == "quantus"
    noises = _noises_of_quantus(images.shape, options, is_scaled) if is_quantus else _noises(images, ranges, options)
    maps, how = subject.maps(explaining.found(subject.images, rows), explaining.how)
    maps, apart, moved = scaled(maps), [], []
    with progress(name, options["samples"] * len(rows)) as advance:
        while chunk := list(islice(noises, max(1, subject.batch_size // len(rows)))):
            noisy = (images + np.stack(chunk)).astype(np.float32)
            found = explaining.maps(noisy.reshape(-1, *images.shape[1:]), np.tile(rows, len(chunk)))
            for each, changed in zip(found.reshape(len(chunk), *maps.shape), noisy, strict=True):
                apart.append(norms(scaled(each) - maps))
                moved.append(norms(changed - images))
            advance(len(found))
    return Changes(norms(maps), ranges, np.stack(apart, axis=1), np.stack(moved, axis=1), how)


def _noises(images: Doubles, ranges: Doubles, options: Mapping[str, Any]) -> Iterator[Doubles]:
    """Yield noise (N, H, W, C) for each sample, the same for all images but for their ranges (N,)."""
    radius = options["radius"] * ranges.reshape(-1, 1, 1, 1)
    for sample in range(options["samples"]):
        yield radius * np.random.default_rng([options["seed"], sample]).uniform(-1, 1, images.shape[1:])


def _noises_of_quantus(shape: tuple[int, ...], options: Mapping[str, Any], is_normal: bool) -> Iterator[Doubles]:
    """Yield noise (N, H, W, C) for each sample as Quantus draws it after `numpy.random.seed`, channels first."""
    count, height, width, channels = shape
    random = np.random.RandomState(options["seed"])  # the generator that Quantus draws from
    draw, low = (random.normal, 0.0) if is_normal else (random.uniform, -options["radius"])
    for _ in range(options["samples"]):
        yield np.moveaxis(draw(low, options["radius"], (count, channels, height, width)), 1, -1)
