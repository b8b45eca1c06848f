"""Sensitivity-n and µ-fidelity: whether what the score loses without random parts is what a map says of them.

Random parts of the image are taken away, and the sum of the map over each is correlated with what the score loses.
Other than in deletion, the map does not choose what is removed, so all methods are measured on the same images.

tfviz's own choices: parts are made of the cells of an 8×8 grid, since single pixels say nothing to a network that was
trained on photographs, and the image's mean colour takes their place. Scores are logits, as in the papers: a
probability near 1 does not fall until much is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, Floats
from tfviz.errors import TfvizError
from tfviz.methods.engine import integer, number
from tfviz.results.metrics.faithfulness.ordering import step_by_step
from tfviz.results.metrics.measuring import (
    SAME_SCORE,
    Checks,
    Curves,
    Definitions,
    Measurement,
    Subject,
    blank,
    cells_of,
    check_blank,
    check_seed,
    choose,
    correlation,
    mean_of_known,
    metric,
    ranks_of,
    score_drops,
    set_undefined,
    subject_of,
    sums_over,
)

SIZES, LARGEST_SHARE = 7, 0.8
"""How many sizes of a part sensitivity-n takes, between one cell and this share of the image."""
SENSITIVITY_LIKE: Definitions = {
    "tfviz": {"grid": 8, "subsets": 32, "fill": "mean", "seed": 0},
    "quantus": {"step": 1, "fill": "lowest"},
}
FIDELITY_LIKE: Definitions = {
    "tfviz": {"grid": 8, "subsets": 128, "share": 0.2, "fill": "mean", "exact": True, "ranks": False, "seed": 0},
    "xplique": {"grid": 9, "subsets": 200, "share": 0.2, "fill": 0.0, "exact": False, "ranks": True, "seed": 0},
}
CHECKS: Checks = {
    "grid": partial(integer, least=2),
    "subsets": partial(integer, least=2),
    "share": partial(number, above=0, below=1),
    "fill": check_blank,
    "step": integer,
    "seed": check_seed,
}
CORRELATED: Mapping[str, Any] = {
    "family": "faithfulness",
    "takes": "network",
    "better": "higher",
    "bounds": (-1.0, 1.0),
    "caution": "images with holes are none that the network has seen; only sums count, so a blurred map does well",
}
ABOUT_SIZES = ("share of the image that is removed", "correlation of the map's sum with the loss of the score")


@metric(paper="Ancona 2018, arXiv 1711.06104, section 4.1", cost="225 forwards by default", **CORRELATED)
def sensitivity_n(
    model: Any,
    images: Any,
    targets: Any,
    maps: ArrayLike,
    *,
    like: str = "tfviz",
    grid: int | None = None,
    subsets: int | None = None,
    fill: float | str | None = None,
    step: int | None = None,
    seed: int | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the correlation of a map's sum over n random cells with what the logit loses without them [1]_.

    The mean over seven sizes n, from one cell to 80 % of the image in equal ratios; sizes at which the sums of a
    sparse map are all the same have no correlation and are left out.

    Parameters
    ----------
    like
        ``"tfviz"``: as above. ``"quantus"``: the highest pixels are removed step by step, and what the probability
        has lost is correlated with the sum of the step alone, over the images and not within one. So all of them have
        one value, the mean over the steps up to 80 % of the features, and there must be two images at least.
    grid, subsets, seed
        The cells in a row and in a column; the random parts for each size; that of their draw. For ``"tfviz"`` alone.
    fill
        What takes the place of what is removed: as in `deletion`. The lowest value of the image for ``"quantus"``.
    step
        The pixels that are removed at a time, for ``"quantus"`` alone: its `features_in_step` is that many times the
        channels.

    Returns
    -------
    Measurement of (N,), -1..1, the higher the better; its `curves` are the correlations by size. NaN if the map, or
    the score, is the same whatever is removed.

    References
    ----------
    .. [1] Ancona, Ceolini, Öztireli, Gross, "Towards better understanding of gradient-based attribution methods for
       Deep Neural Networks", 2018, arXiv 1711.06104, section 4.1.
    """
    own: dict[str, Any] = {"grid": grid, "subsets": subsets, "seed": seed}
    chosen = choose(SENSITIVITY_LIKE, like, CHECKS, fill=fill, step=step, **own)
    subject = subject_of(model, images, targets, batch_size)
    found, how = subject.maps(maps, collapse)
    if like == "quantus":
        return _over_images(subject, found, how, chosen)
    cells = cells_of(found.shape[1:], chosen["grid"])
    sizes = np.unique(np.rint(np.geomspace(1, LARGEST_SHARE * chosen["grid"] ** 2, SIZES)).astype(int))
    removed = _drawn(chosen["grid"] ** 2, np.repeat(sizes, chosen["subsets"]), chosen["seed"])
    parts = removed[:, cells]
    drops, sums = score_drops(subject, parts, chosen["fill"], "sensitivity_n"), sums_over(found, parts)
    by_size = correlation(*(each.reshape(len(found), len(sizes), -1) for each in (sums, drops)))
    values, warnings = _defined("sensitivity_n", mean_of_known(by_size), drops)
    curves = Curves(sizes / chosen["grid"] ** 2, by_size, *ABOUT_SIZES)
    return Measurement("sensitivity_n", values, how, chosen, curves, warnings)


@metric(paper="Bhatt 2020, arXiv 2005.00631, definition 3", cost="129 forwards by default", **CORRELATED)
def mu_fidelity(
    model: Any,
    images: Any,
    targets: Any,
    maps: ArrayLike,
    *,
    like: str = "tfviz",
    grid: int | None = None,
    subsets: int | None = None,
    share: float | None = None,
    fill: float | str | None = None,
    seed: int | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the correlation of a map's sum over random cells with what the logit loses without them [1]_.

    Parameters
    ----------
    like
        ``"tfviz"``: 128 parts, each of a fifth of the cells of an 8×8 grid; Pearson's correlation, as in the paper.
        ``"xplique"``: 200 parts, which each cell of a 9×9 grid joins with a probability of a fifth; zero takes their
        place; Spearman's correlation. Where it is not defined xplique says 0, and this NaN.
    grid, subsets, share
        The cells in a row and in a column, the number of parts, and how much of the image each is, 0..1.
    fill
        What takes the place of what is removed: as in `deletion`.
    seed
        Of the draw of the parts, which are the same for every image.

    Returns
    -------
    Measurement of (N,), -1..1, the higher the better. NaN if the map, or the score, is the same whatever is removed.

    References
    ----------
    .. [1] Bhatt, Weller, Moura, "Evaluating and Aggregating Feature-based Model Explanations", 2020, arXiv 2005.00631,
       definition 3.
    """
    own: dict[str, Any] = {"grid": grid, "subsets": subsets, "seed": seed}
    chosen = choose(FIDELITY_LIKE, like, CHECKS, share=share, fill=fill, **own)
    subject = subject_of(model, images, targets, batch_size)
    found, how = subject.maps(maps, collapse)
    parts = _random_parts(found.shape[1:], chosen)
    drops, sums = score_drops(subject, parts, chosen["fill"], "mu_fidelity"), sums_over(found, parts)
    compared = (ranks_of(sums), ranks_of(drops)) if chosen["ranks"] else (sums, drops)
    values, warnings = _defined("mu_fidelity", correlation(*compared), drops)
    return Measurement("mu_fidelity", values, how, chosen, warnings=warnings)


def _random_parts(size: tuple[int, int], options: Mapping[str, Any]) -> np.ndarray:
    """Return the parts of µ-fidelity, bool (P, H, W): each of a share of the cells, exactly or in the mean."""
    count, subsets, share, seed = options["grid"] ** 2, options["subsets"], options["share"], options["seed"]
    if options["exact"]:
        taken = min(count - 1, max(1, round(share * count)))
        removed = _drawn(count, np.full(subsets, taken), seed)
    else:
        removed = np.random.default_rng(seed).random((subsets, count)) <= share
    return removed[:, cells_of(size, options["grid"])]


def _drawn(count: int, sizes: np.ndarray, seed: int) -> np.ndarray:
    """Return random subsets of so many cells, bool (P, count), each of its own size (P,)."""
    order = np.random.default_rng(seed).random((len(sizes), count)).argsort(axis=1)
    return np.asarray(order.argsort(axis=1) < sizes[:, np.newaxis])


def _over_images(subject: Subject, maps: Doubles, how: str | None, options: Mapping[str, Any]) -> Measurement:
    """Return sensitivity-n as Quantus has it: over images, of the pixels that the map removes first."""
    if len(maps) < 2:
        raise TfvizError("sensitivity_n like quantus correlates over images, expected at least 2, got 1")
    step, pixels = options["step"], maps[0].size
    counts = np.arange(int(LARGEST_SHARE * pixels // (step * subject.images.shape[-1])) + 1) * step
    if len(counts) < 2:
        raise TfvizError(f"step is {step}, expected fewer pixels: one step is more than 80 % of the features")

    def ends(image: Floats) -> tuple[Floats, Floats]:
        return image, blank(image, options["fill"])

    changed = step_by_step(subject.images, maps, counts, ends, "first")
    kept = subject.probabilities(changed, len(maps) * len(counts), "sensitivity_n").reshape(len(maps), -1)
    drops = kept[:, :1] - kept[:, 1:]
    highest_first = -np.sort(-maps.reshape(len(maps), -1), axis=1)
    sums = highest_first[:, : counts[-1]].reshape(len(maps), -1, step).sum(axis=2)
    by_size = np.broadcast_to(correlation(sums.T, drops.T), drops.shape)
    values, warnings = _defined("sensitivity_n", by_size.mean(axis=1), drops)
    curves = Curves(counts[1:] / pixels, by_size, *ABOUT_SIZES)
    return Measurement("sensitivity_n", values, how, options, curves, (*warnings, *subject.about_probabilities))


def _defined(name: str, values: Doubles, drops: Doubles) -> tuple[Doubles, tuple[str, ...]]:
    """Return correlations (N,), and warnings of those that are NaN, given what the scores lost (N, P)."""
    unknown, same = np.isnan(values), np.ptp(drops, axis=1) == 0
    warnings = set_undefined(name, values, same, since=SAME_SCORE)
    warnings += set_undefined(name, values, unknown & ~same, since="the map has the same sum whatever is removed")
    return values, warnings
