"""Runs a method while layer by layer gets random weights, and compares its maps with those of the network as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfviz.arrays import Doubles, Floats, name_images
from tfviz.errors import TfvizError
from tfviz.network.traced import OtherWeights, TracedNetwork
from tfviz.progress import progress
from tfviz.results import pick
from tfviz.results.metrics.measuring import Curves, Explaining, Measurement
from tfviz.results.metrics.randomisation.random_weights import ORDERS, check_draw, count_of, other_weights, states
from tfviz.results.metrics.randomisation.similarity import SIMILARITIES, similarities

COUNTED = ("samples", "bins")  # options that are numbers of something


def choose_randomisation(likes: Mapping[str, Mapping[str, Any]], like: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that `like` names, with those that are given in their place; raise `TfvizError` for others."""
    wanted = {name: each for name, each in given.items() if each is not None}
    chosen = {**pick("definition (like)", like, likes), **wanted}
    check_draw(chosen.get("order", "top_down"), chosen.get("steps"), chosen.get("weights", "permutation"))
    pick("similarity", chosen.get("similarity", "spearman"), SIMILARITIES)
    for name in COUNTED:
        number = chosen.get(name, 1)
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
            raise TfvizError(f"{name} is {number!r}, expected an integer of at least 1")
    if not np.isfinite(chosen.get("noise", 0)) or chosen.get("noise", 0) < 0:
        raise TfvizError(f"noise is {chosen['noise']!r}, expected a part of the image's range, at least 0")
    return {"like": like, **chosen}


def cascade(
    name: str, explaining: Explaining, chosen: Mapping[str, Any], maps: Callable[[TracedNetwork], Doubles]
) -> Measurement:
    """Return the mean similarity (N,) of the maps of the network as it is and of those of each state.

    maps: what the method finds on a network. As Quantus counts, the network as it is, run again, is a state, too.
    """
    with other_weights(explaining.subject.network) as other:
        shares, layers, scores = _compared(name, maps(explaining.subject.network), other, chosen, maps)
    curves = Curves(np.array(shares), scores, _about_share(chosen["order"]), "similarity of the maps")
    values = _mean_of_defined(scores)
    return Measurement(
        name, values, explaining.how, {**chosen, "layers": (*layers,)}, curves, about_undefined(name, values)
    )


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


def _mean_of_defined(scores: Doubles) -> Doubles:
    """Return the mean (N,) of each row (N, S) without its NaN; NaN for a row of nothing else."""
    defined = ~np.isnan(scores)
    counts = defined.sum(axis=1)
    sums = np.where(defined, scores, 0).sum(axis=1)
    return np.asarray(np.divide(sums, counts, out=np.full(len(scores), np.nan), where=counts > 0))


def about_undefined(name: str, values: Doubles) -> tuple[str, ...]:
    """Return a warning that names the images whose value is not defined, if there are any."""
    undefined = np.flatnonzero(np.isnan(values))
    if not undefined.size:
        return ()
    return (
        f"{name} of image {name_images(undefined)} is not defined (NaN): a map of it that is compared is the "
        "same everywhere",
    )


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
