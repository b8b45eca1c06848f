"""The sanity verdict: whether the maps of a method depend on what this network has learnt.

A metric gives a number for each image; a reader wants to know whether a method may be believed at all. So the weights
of the upper half of the layers are replaced by random ones, a quarter of them at a time, and what is left of the maps
is measured: the structural similarity, as far as it goes beyond that of the same maps moved apart by half the image.
Maps that are empty in most places are alike wherever they point, and so a similarity alone would call them independent
of the weights; the part beyond chance does not.

The upper half, because what fails this test fails there: guided backpropagation is unmoved until the first layers
change, whose edges it shows (Adebayo 2018). Weights are drawn around zero, as a network is initialised. Permuted ones
keep the mean that was learnt; on a SqueezeNet it shut so many ReLUs that little was left of any map, and 0.18 to 0.41
of guided backpropagation's, by the draw. The mean of two draws is taken.
Of a network of three layers with weights, the upper half is little more than the head, and nearly all methods seemed to
hardly depend on it: with fewer than `FEWEST` there is no verdict.

The bound is derived from the embedded network, where it is known what maps must show: of their likeness, random weights
leave 0.07 to 0.09 of the gradient's, 0.01 to 0.05 of Grad-CAM's, and 0.49 to 0.50 of guided backpropagation's; `HARDLY`
lies in the middle. It holds on a SqueezeNet with photographs, too, where 0.15, 0.14 and 0.52 are left. Guided Grad-CAM,
a product of two methods, comes near the bound: 0.25 and 0.21. Of Eigen-CAM's maps, which know no class, 0.54 are left
on the SqueezeNet. An untrained network has nothing that random weights could take away, and its gradient fails.

It lies beside the metrics, since it runs methods on other weights as they do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfviz.arrays import Doubles
from tfviz.network.traced import OtherWeights
from tfviz.progress import progress
from tfviz.results.metrics.measuring import Explain, Explaining, Subject, shared_passes, subject_of
from tfviz.results.metrics.randomisation.random_weights import count_of, other_weights, restored, states
from tfviz.results.metrics.randomisation.similarity import similarities

HARDLY = 0.3
"""The part of the likeness beyond chance from which on maps hardly depend on the weights; see above."""
STATES = 8  # of a whole cascade; the first half of them is run
DRAWS_OF_EACH = 2
FEWEST = 4  # layers with weights
DEPENDS, HARDLY_DEPENDS, UNKNOWN = "depends on the weights", "hardly depends on the weights", "cannot be judged"


@dataclass(frozen=True)
class SanityVerdict:
    """Whether the maps of a method depend on the weights of a network.

    method: its name. left: the part of the maps' likeness beyond chance that random weights leave, the mean over images
    and states; 0 is nothing, 1 all, NaN if all maps are the same everywhere. similarity, by_chance: the structural
    similarity of the maps, and that of maps moved apart. layers: those that got random weights, from the output on.
    images: how many maps were compared. depth: how many layers with weights the network has.
    """

    method: str
    left: float
    similarity: float
    by_chance: float
    layers: tuple[str, ...]
    images: int
    depth: int

    @property
    def depends(self) -> bool | None:
        """Whether the maps depend on the weights; None if there was nothing to compare, or the network is shallow."""
        return None if np.isnan(self.left) or self.depth < FEWEST else self.left < HARDLY

    @property
    def verdict(self) -> str:
        """One of `DEPENDS`, `HARDLY_DEPENDS` and `UNKNOWN`."""
        return {True: DEPENDS, False: HARDLY_DEPENDS, None: UNKNOWN}[self.depends]

    @property
    def sentence(self) -> str:
        """The verdict and what it rests on, for a reader."""
        if np.isnan(self.left):
            return f"{self.method} {UNKNOWN}: its maps are the same everywhere"
        if self.depends is None:
            return (
                f"{self.method} {UNKNOWN}: of a network with fewer than {FEWEST} layers of weights ({self.depth}), "
                "random ones in the upper half say too little"
            )
        advice = "" if self.depends else "; it may show the image rather than what the network has learnt"
        return (
            f"{self.method} {self.verdict}: with random weights from the output up to {self.layers[-1]!r}, "
            f"{max(self.left, 0):.0%} of the likeness of its maps beyond chance is left (structural similarity "
            f"{self.similarity:.2f}, by chance {self.by_chance:.2f}){advice}"
        )


def sanity_verdicts(
    model: Any,
    images: Any,
    targets: Any = None,
    methods: Sequence[str | Explain] = ("gradient", "grad_cam", "guided_backprop"),
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
    batch_size: int = 32,
) -> dict[str, SanityVerdict]:
    """Return for each method, by its name, whether its maps depend on the weights of a network.

    A few images are enough: three gave the verdicts that the module's docstring tells of.

    Parameters
    ----------
    model, images, targets, batch_size
        As metrics take them. The user's weights stay as they are, after an interrupt, too.
    methods
        Names of methods, or functions `(model, images, targets) -> maps or attributions`.
    options
        Those of a method, by its name.
    seed
        Of the random weights.

    Raises
    ------
    UnsupportedModelError
        The network reads no weights: it was frozen into constants.
    """
    subject, own = subject_of(model, images, targets, batch_size), options or {}
    named = [Explaining(subject, each, own.get(each, {}) if isinstance(each, str) else {}) for each in methods]
    with shared_passes() as shared, other_weights(subject.network) as other:
        shared.maps.together(
            subject.network, [(each.method, each.options) for each in named if isinstance(each.method, str)]
        )
        layers, found = _measured(subject, named, other, seed)
    depth = len(other.layers)
    return {name: _judged(name, np.stack(parts), layers, depth) for name, parts in found.items()}


def _measured(
    subject: Subject, named: Sequence[Explaining], other: OtherWeights, seed: int
) -> tuple[tuple[str, ...], dict[str, list[Doubles]]]:
    """Return the layers with random weights, and for each method what was compared in each state, (3, N)."""
    count, every = max(1, count_of(other, STATES) // 2), np.arange(len(subject))
    found: dict[str, list[Doubles]] = {each.name: [] for each in named}
    layers: dict[str, None] = {}
    with progress("sanity", (1 + DRAWS_OF_EACH * count) * len(named)) as advance:

        def maps() -> Iterator[Doubles]:
            for each in named:
                yield each.maps(subject.images, every, network=other.network)
                advance(1)

        before = [*maps()]
        for layer in _random_layers(other, count, seed):
            layers[layer] = None
            for each, first, second in zip(named, before, maps(), strict=True):
                found[each.name].append(_compared(first, second))
    return (*layers,), found


def _random_layers(weights: OtherWeights, count: int, seed: int) -> Iterator[str]:
    """Yield the layer that got random weights last, in the first `count` states of each draw."""
    for draw in range(DRAWS_OF_EACH):
        drawn = states(weights, "top_down", STATES, "centred", DRAWS_OF_EACH * seed + draw)
        with restored(weights):
            yield from (state.layer for _, state in zip(range(count), drawn, strict=False))


def _compared(maps: Doubles, others: Doubles) -> Doubles:
    """Return what is left beyond chance, the similarity and that by chance, of each pair of maps (3, N)."""
    height, width = maps.shape[1:]
    similarity = similarities("ssim", maps, others)
    by_chance = similarities("ssim", maps, np.roll(others, (height // 2, width // 2), axis=(1, 2)))
    left = np.divide(similarity - by_chance, 1 - by_chance, out=np.full(len(maps), np.nan), where=by_chance < 1)
    return np.stack([left, similarity, by_chance])


def _judged(name: str, compared: Doubles, layers: tuple[str, ...], depth: int) -> SanityVerdict:
    """Return the verdict by what was compared in each state (S, 3, N)."""
    defined = ~np.isnan(compared).any(axis=1)
    left, similarity, by_chance = (
        float(part[defined].mean()) if defined.any() else float("nan") for part in np.moveaxis(compared, 1, 0)
    )
    return SanityVerdict(name, left, similarity, by_chance, layers, int(defined.any(axis=0).sum()), depth)
