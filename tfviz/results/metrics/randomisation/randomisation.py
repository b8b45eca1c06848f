"""Model parameter randomisation: how much of a map is left while the weights of the network are replaced.

A map that explains what a network has learnt must change with its weights. Adebayo 2018 replaces them layer by layer,
from the output to the input, and compares the maps; guided backpropagation failed, being close to an edge detector. The
user's weights are never touched: a copy of the network is run, see `tfviz.network.traced.other_weights`.

tfviz's own choices: four states at equal distances, since a network of a hundred layers would otherwise be explained a
hundred times; weights around zero, see `random_weights`; the rank correlation, which a few bright pixels do not decide.
The smooth form goes from the input to the output, as its authors advise: from the output on, what the lower layers keep
of the image's edges makes the maps of any method alike (Binder 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfviz.arrays import Doubles
from tfviz.network.traced import TracedNetwork
from tfviz.results.metrics.measuring import (
    Definitions,
    Explain,
    Explaining,
    Measurement,
    choose,
    is_constant,
    metric,
    set_undefined,
    subject_of,
)
from tfviz.results.metrics.randomisation.cascading import CHECKS, Noisy, cascade
from tfviz.results.metrics.randomisation.random_weights import Redraw, other_weights, states
from tfviz.results.metrics.randomisation.similarity import NOT_COMPARED

OWN: Mapping[str, Any] = {"steps": 4, "weights": "centred", "seed": 0}
QUANTUS: Mapping[str, Any] = {"steps": None, "weights": "rows", "seed": 42}
LIKE: Definitions = {
    "tfviz": {**OWN, "order": "top_down", "similarity": "spearman"},
    "quantus": {**QUANTUS, "order": "top_down", "similarity": "spearman"},
}
SMOOTH_LIKE: Definitions = {
    "tfviz": {**OWN, "order": "bottom_up", "similarity": "spearman", "samples": 10, "noise": 0.1},
    "quantus": {**QUANTUS, "order": "bottom_up", "similarity": "spearman", "samples": 50, "noise": 0.1},
}
EFFICIENT_LIKE: Definitions = {
    "tfviz": {"weights": "centred", "seed": 0, "bins": 100},
    "quantus": {"weights": "rows", "seed": 42, "bins": 100},
}
FAMILY: Mapping[str, Any] = {"family": "randomisation", "takes": "method"}
EDGES = "maps of natural pictures are alike by their edges alone; compare with other methods, not with 0"


@metric(
    better="lower",
    bounds=(-1.0, 1.0),
    paper="Adebayo 2018, arXiv 1810.03292",
    cost="the method once for each state, 5 times by default",
    caution=EDGES,
    **FAMILY,
)
def parameter_randomisation(
    model: Any,
    images: Any,
    targets: Any,
    method: str | Explain,
    *,
    like: str = "tfviz",
    order: str | None = None,
    steps: int | None = None,
    similarity: str | None = None,
    weights: str | Redraw | None = None,
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return how alike a map stays while layer by layer gets random weights: the mean over the states [1]_.

    Parameters
    ----------
    like
        ``"tfviz"``: 4 states from the output to the input, weights around zero, rank correlation of absolute maps.
        ``"quantus"``: a state after every layer, weights permuted along their first axis as Quantus does for Keras (a
        1x1 convolution of one input channel stays as it is), and the network as it is, with its 1, is one of the
        states in the mean. Quantus shuffles the weights of a fresh clone, not of the network itself.
    order
        In place of that of `like`: ``"top_down"`` (cascading from the output), ``"bottom_up"`` (from the input), or
        ``"independent"`` (each layer alone).
    steps
        How many states, at equal distances, in place of those of `like`.
    similarity
        ``"spearman"`` (of ranks), ``"pearson"`` or ``"ssim"`` (structural), of absolute maps.
    weights
        ``"centred"``: kernels around zero; ``"permutation"`` of each tensor's values, ``"normal"`` of the same mean
        and deviation, ``"rows"`` (permuted along the first axis), or a function of a layer's name and
        weights that returns others.
    seed
        Of the weights; 0, or Quantus's 42.

    Returns
    -------
    Measurement of (N,), -1..1, the lower the better; its `curves` are the similarity by the share of random layers, and
    its options name the `layers`. NaN for maps that are the same everywhere.

    References
    ----------
    .. [1] Adebayo et al., "Sanity Checks for Saliency Maps", 2018, arXiv 1810.03292.
    """
    given = {"order": order, "steps": steps, "similarity": similarity, "weights": weights, "seed": seed}
    chosen = choose(LIKE, like, CHECKS, **given)
    explaining = Explaining(subject_of(model, images, targets, batch_size), method, options or {}, collapse)
    every = np.arange(len(explaining.subject))

    def maps(network: TracedNetwork) -> Doubles:
        return explaining.maps(explaining.subject.images, every, network=network)

    return cascade("parameter_randomisation", explaining, chosen, maps)


@metric(
    better="lower",
    bounds=(-1.0, 1.0),
    paper="Hedström 2024, arXiv 2405.02383",
    cost="the method for each sample of each state, 50 times by default",
    caution=EDGES,
    **FAMILY,
)
def smooth_parameter_randomisation(
    model: Any,
    images: Any,
    targets: Any,
    method: str | Explain,
    *,
    like: str = "tfviz",
    order: str | None = None,
    steps: int | None = None,
    similarity: str | None = None,
    weights: str | Redraw | None = None,
    samples: int | None = None,
    noise: float | None = None,
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the same as `parameter_randomisation` of maps that are averaged over noise on the image [1]_.

    Noise of the gradient alone makes maps differ; averaged over noisy copies, they differ by what the weights change.

    Parameters
    ----------
    like
        ``"tfviz"``: 10 samples, the same noise in every state, from the input to the output. ``"quantus"``: 50, of
        which the last has no noise, anew for each state, and the similarity of two averages without random weights is
        one of the states in the mean.
    order, steps, similarity, weights, seed
        As `parameter_randomisation` takes them; the seed is that of the noise, too.
    samples
        How many noisy copies of each image, in place of those of `like`.
    noise
        Their standard deviation, as a part of the image's range.

    Returns
    -------
    Measurement of (N,), -1..1, the lower the better, with `curves`. NaN for maps that are the same everywhere.

    References
    ----------
    .. [1] Hedström et al., "Sanity Checks Revisited", 2024, arXiv 2405.02383.
    """
    given = {"order": order, "steps": steps, "similarity": similarity, "weights": weights, "seed": seed}
    chosen = choose(SMOOTH_LIKE, like, CHECKS, **given, samples=samples, noise=noise)
    explaining = Explaining(subject_of(model, images, targets, batch_size), method, options or {}, collapse)
    noisy = Noisy(explaining, chosen["samples"], chosen["noise"], chosen["seed"], like == "quantus")
    return cascade("smooth_parameter_randomisation", explaining, chosen, noisy.maps)


@metric(
    better="higher",
    bounds=(-1.0, np.inf),
    paper="Hedström 2024, arXiv 2405.02383",
    cost="the method twice",
    caution="a map that is spread over the whole image cannot become more complex, however it changes",
    **FAMILY,
)
def efficient_parameter_randomisation(
    model: Any,
    images: Any,
    targets: Any,
    method: str | Explain,
    *,
    like: str = "tfviz",
    weights: str | Redraw | None = None,
    bins: int | None = None,
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return how much more complex a map becomes, relative to itself, if all weights are random [1]_.

    Complexity is the entropy of the histogram of the map's values; a network without knowledge should give maps without
    structure. No two maps are compared pixel by pixel, so that no similarity need be chosen.

    Parameters
    ----------
    like
        ``"tfviz"``: weights around zero. ``"quantus"``: as `parameter_randomisation`.
    weights, seed
        As `parameter_randomisation` takes them.
    bins
        How many bins the histogram has, between the least and the greatest value of each map; 100.

    Returns
    -------
    Measurement of (N,), from -1 on, the higher the better. NaN for maps that are the same everywhere.

    References
    ----------
    .. [1] Hedström et al., "Sanity Checks Revisited", 2024, arXiv 2405.02383.
    """
    name = "efficient_parameter_randomisation"
    chosen = choose(EFFICIENT_LIKE, like, CHECKS, weights=weights, bins=bins, seed=seed)
    explaining = Explaining(subject_of(model, images, targets, batch_size), method, options or {}, collapse)
    subject, every = explaining.subject, np.arange(len(explaining.subject))
    with other_weights(subject.network) as other:
        before = explaining.maps(subject.images, every, network=other.network)
        for _ in states(other, "bottom_up", 1, chosen["weights"], chosen["seed"]):
            after = explaining.maps(subject.images, every, network=other.network)
    first, last = (np.array([_entropy(each, chosen["bins"]) for each in maps]) for maps in (before, after))
    # A map of one value has no complexity, neither before nor after.
    constant = is_constant(before) | is_constant(after)
    values = (last - first) / np.where(constant, 1, first)
    warnings = set_undefined(name, values, constant, since=NOT_COMPARED)
    return Measurement(name, values, explaining.how, chosen, warnings=warnings)


def _entropy(one_map: Doubles, bins: int) -> float:
    """Return the entropy, in nats, of the histogram of a map's values."""
    counts, _ = np.histogram(one_map, bins=bins)
    shares = counts[counts > 0] / one_map.size
    return float(-(shares * np.log(shares)).sum())
