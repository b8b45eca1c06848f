"""Runs a method while layer by layer gets random weights, and compares its maps with those of the network as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from tfviz.arrays import Doubles, Floats
from tfviz.methods.engine import integer, number
from tfviz.network.traced import OtherWeights, TracedNetwork
from tfviz.progress import progress
from tfviz.results.metrics.measuring import (
    Checks,
    Curves,
    Explaining,
    Measurement,
    choice_of,
    mean_of_known,
    set_undefined,
)
from tfviz.results.metrics.randomisation.random_weights import DRAWING, ORDERS, count_of, other_weights, states
from tfviz.results.metrics.randomisation.similarity import NOT_COMPARED, SIMILARITIES, similarities

CHECKS: Checks = {
    **DRAWING,
    "similarity": choice_of("similarity", SIMILARITIES),
    "samples": integer,
    "noise": partial(number, least=0, unit=": a part of the image's range"),
    "bins": integer,
}
"""What the options of all metrics of this family must be."""


def cascade(
    name: str, explaining: Explaining, chosen: Mapping[str, Any], maps: Callable[[TracedNetwork], Doubles]
) -> Measurement:
    """Return the mean similarity (N,) of the maps of the network as it is and of those of each state.

    maps: what the method finds on a network. As Quantus counts, the network as it is, run again, is a state, too.
    """
    with other_weights(explaining.subject.network) as other:
        shares, layers, scores = _compared(name, maps(explaining.subject.network), other, chosen, maps)
    curves = Curves(np.array(shares), scores, _about_share(chosen["order"]), "similarity of the maps")
    values = mean_of_known(scores)
    warnings = set_undefined(name, values, np.isnan(values), since=NOT_COMPARED)
    return Measurement(name, values, explaining.how, {**chosen, "layers": (*layers,)}, curves, warnings)


def _compared(
    name: str,
    first: Doubles,
    other: OtherWeights,
    chosen: Mapping[str, Any],
    maps: Callable[[TracedNetwork], Doubles],
) -> tuple[list[float], list[str], Doubles]:
    """Return for each state the share of random layers, the last of them, and how alike its maps are to the first."""
    how, drawing = chosen["similarity"], (chosen["order"], chosen["steps"], chosen["weights"], chosen["seed"])
    found, shares, layers = list[Doubles](), list[float](), list[str]()
    with progress(name, 1 + count_of(other, chosen["steps"])) as advance:
        advance(1)
        if chosen["like"] == "quantus":
            found, shares, layers = [similarities(how, first, maps(other.network))], [0.0], ["original"]
        for state in states(other, *drawing):
            found.append(similarities(how, first, maps(other.network)))
            shares.append(state.share)
            layers.append(state.layer)
            advance(1)
    return shares, layers, np.stack(found, axis=1)


def _about_share(order: str) -> str:
    if order == "independent":
        return "place of the one layer with random weights, from the input on"
    return f"share of the layers with random weights, {ORDERS[order]}"


@dataclass(frozen=True)
class Noisy:
    """A method whose maps are averaged over noise on the image.

    noise: the standard deviation, as a part of the range of each image. like_quantus: whether the noise is drawn anew
    each time, and the last sample has none; else all images and all networks get the same draws.
    """

    explaining: Explaining
    samples: int
    noise: float
    seed: int
    like_quantus: bool
    old: np.random.RandomState = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Seed the draws that go on from one call to the next."""
        object.__setattr__(self, "old", np.random.RandomState(self.seed))

    def maps(self, network: TracedNetwork) -> Doubles:
        """Return the maps (N, H, W) of the mean of what is found on each noisy copy of the images."""
        subject = self.explaining.subject
        every, total = np.arange(len(subject)), np.zeros(())
        deviations = self.noise * np.ptp(subject.images, axis=(1, 2, 3), keepdims=True)
        for drawn in self._draws(subject.images):
            noisy = (subject.images + drawn * deviations).astype(np.float32)
            total = total + np.asarray(self.explaining.found(noisy, every, network=network), np.float64) / self.samples
        return subject.maps(total, self.explaining.how)[0]

    def _draws(self, images: Floats) -> Iterator[Any]:
        """Yield standard normal noise for each sample, which broadcasts to the images (N, H, W, C)."""
        if not self.like_quantus:
            generator = np.random.default_rng(self.seed)
            yield from (generator.standard_normal(images.shape[1:]) for _ in range(self.samples))
            return
        count, height, width, channels = images.shape
        for _ in range(self.samples - 1):
            yield np.moveaxis(self.old.randn(count, channels, height, width), 1, -1)
        yield 0.0
