"""ROAD: how the probability falls while pixels are removed so that the removal itself cannot be seen.

Removed pixels become the means of their neighbours (see `imputation`), and noise, so that they are not smoother than
the others. MoRF removes the most relevant ones first, and a good map makes the probability fall early; LeRF removes the
least relevant ones, and it stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, Floats
from tfviz.errors import TfvizError
from tfviz.methods.engine import number
from tfviz.results.metrics.faithfulness.imputation import imputed
from tfviz.results.metrics.faithfulness.ordering import NO_ORDER, ordered
from tfviz.results.metrics.faithfulness.performance import SCORES, check_performance, performance
from tfviz.results.metrics.measuring import (
    Better,
    Checks,
    Curves,
    Definitions,
    Measurement,
    Subject,
    check_seed,
    choose,
    is_constant,
    is_number,
    metric,
    set_undefined,
    subject_of,
)

ORDERS = {"combined": ("lerf", "morf"), "morf": ("morf",), "lerf": ("lerf",)}
BETTER: Mapping[str, Better] = {"combined": "higher", "morf": "lower", "lerf": "higher"}
# Of the linear system, as a share of the image's range.
EXACT = 1e-10
AUTHORS: Mapping[str, Any] = {
    "order": "morf",
    "score": "accuracy",
    "noise": 0.01,
    "noise_of": "one",
    "ties": "first",
    "precision": EXACT,
}
ROAD_LIKE: Definitions = {
    "tfviz": {
        "order": "combined",
        "percentages": (10, 30, 50, 70, 90),
        "score": "probability",
        "noise": 0.01,
        "noise_of": "range",
        "lerf": "removed",
        "ties": "random",
        "precision": 1e-5,  # which noise of 1 % hides, and takes half of the time
        "seed": 0,
    },
    "road": {**AUTHORS, "percentages": (10, 20, 30, 40, 50, 60, 70, 80, 90), "lerf": "kept", "seed": 0},
    "quantus": {**AUTHORS, "percentages": tuple(range(1, 100, 2)), "lerf": "removed", "seed": 0},
}

CHECKS: Checks = {"noise": partial(number, least=0), "seed": check_seed}


@metric(
    family="faithfulness",
    takes="network",
    better="higher",
    bounds=(-1.0, 1.0),
    paper="Rong 2022, arXiv 2202.00449",
    cost="10 forwards, and as many linear systems",
    caution="where large parts are removed, what is left is smooth, and no longer a picture that the network knows",
)
def road(
    model: Any,
    images: Any,
    targets: Any,
    maps: ArrayLike,
    *,
    like: str = "tfviz",
    order: str | None = None,
    percentages: Sequence[float] | None = None,
    score: str | None = None,
    noise: float | None = None,
    seed: int = 0,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the mean probability along the percentages of pixels removed, the least relevant less the most [1]_.

    The paper shows the accuracy at each percentage: with ``score="accuracy"`` it is the mean over images of `curves`. A
    comparison needs one number for each image, and there the probability says more than a yes or no.

    Parameters
    ----------
    like
        ``"tfviz"``: 10, 30, 50, 70 and 90 percent in both orders, and the probability. ``"road"``: as the authors'
        code, 10, 20 to 90 percent, the most relevant ones first, and the accuracy; with ``order="lerf"`` the
        percentages are those that are kept. ``"quantus"``: as Quantus 0.6, 1, 3 to 99 percent, and otherwise the same.
    order
        ``"morf"``, most relevant pixels first, the lower the better; ``"lerf"``, least relevant first, the higher the
        better; ``"combined"``, the second less the first. In place of that of `like`, as are the next three.
    percentages
        Which shares of the pixels are removed, above 0 and below 100.
    score
        ``"probability"`` of the target, or ``"accuracy"``, 1 if it is the predicted class and 0 if not.
    noise
        The standard deviation of the noise on removed pixels: for ``"tfviz"`` a share of the image's range, for the
        others in the network's input space, where the authors' images have about one as deviation.
    seed
        Of the noise, which is the same for every image.

    Returns
    -------
    Measurement of (N,), -1..1, the higher the better, in a single order 0..1; its `curves` are the scores, or their
    difference. NaN for a constant map.

    References
    ----------
    .. [1] Rong, Leemann, Borisov, Kasneci, Kasneci, "A Consistent and Efficient Evaluation Strategy for Attribution
       Methods", 2022, arXiv 2202.00449.
    """
    chosen = choose(ROAD_LIKE, like, CHECKS, order=order, percentages=percentages, score=score, noise=noise, seed=seed)
    check_road(chosen)
    subject = subject_of(model, images, targets, batch_size)
    check_performance(subject, chosen["score"], "road")
    values, how = subject.maps(maps, collapse)
    orders, shares = ORDERS[chosen["order"]], np.asarray(chosen["percentages"], np.float64) / 100
    count = len(orders) * len(shares)
    found = performance(subject, removals(subject, values, chosen), count, "road", chosen["score"])
    scores = found.reshape(-1, len(orders), len(shares))
    difference = scores[:, 0] - scores[:, 1] if len(orders) == 2 else scores[:, 0]
    areas = difference.mean(axis=1)
    warnings = set_undefined("road", areas, is_constant(values), since=NO_ORDER)
    about = SCORES[chosen["score"]] + (", LeRF less MoRF" if len(orders) == 2 else "")
    kept = chosen["order"] == "lerf" and chosen["lerf"] == "kept"
    curves = Curves(shares, difference, f"share of the pixels that are {'kept' if kept else 'removed'}", about)
    warnings += subject.about_probabilities
    bounds = (-1.0 if len(orders) == 2 else 0.0, 1.0)
    return Measurement("road", areas, how, chosen, curves, warnings, BETTER[chosen["order"]], bounds)


def check_road(options: Mapping[str, Any]) -> None:
    """Raise `TfvizError` for an order that is not there, and percentages out of range."""
    if options["order"] not in ORDERS:
        raise TfvizError(f"order is {options['order']!r}, expected one of {', '.join(ORDERS)}")
    percentages = options["percentages"]
    if not np.ndim(percentages) or not len(percentages) or not all(is_number(p) and 0 < p < 100 for p in percentages):
        raise TfvizError(f"percentages are {percentages!r}, expected numbers above 0 and below 100")


def removals(subject: Subject, maps: Doubles, options: Mapping[str, Any]) -> Iterator[tuple[int, Floats]]:
    """Yield each image without the pixels that its map says, in each order, at each percentage, with its row."""
    shape = subject.images.shape[1:]
    drawn = np.random.default_rng(options["seed"]).standard_normal(shape) * options["noise"]
    for row, (image, one_map) in enumerate(zip(subject.images, maps, strict=True)):
        noise = drawn * (np.ptp(image) if options["noise_of"] == "range" else 1)
        pixels = ordered(one_map, options["ties"])
        for order in ORDERS[options["order"]]:
            for percentage in options["percentages"]:
                removed = np.zeros(one_map.shape, bool)
                removed.flat[chosen_pixels(pixels, percentage, order, options["lerf"])] = True
                filled = imputed(image, removed, options["precision"]) + noise
                yield row, np.where(removed[..., np.newaxis], filled, image).astype(np.float32)


def chosen_pixels(pixels: np.ndarray, percentage: float, order: str, lerf: str) -> np.ndarray:
    """Return those of the ordered pixels that are removed; lerf: what a percentage means if the last ones are."""
    count = int(len(pixels) * percentage / 100)
    if order == "morf":
        return pixels[:count]
    return pixels[count:] if lerf == "kept" else pixels[len(pixels) - count :]
