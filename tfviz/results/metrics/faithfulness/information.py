"""Performance information curves: what a network makes of an image of which a map shows the best parts, by their bits.

The blurred image gets its sharp pixels back in the order of the map. How much that tells is not counted in pixels, a
lone one of which may cost many bits, but in the size of the compressed picture. SIC follows the probability, AIC
whether the target is predicted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, Floats
from tfviz.errors import TfvizError
from tfviz.results import pick
from tfviz.results.metrics.faithfulness.ordering import NO_ORDER, step_by_step
from tfviz.results.metrics.faithfulness.performance import check_performance, performance
from tfviz.results.metrics.measuring import (
    Curves,
    Measurement,
    Subject,
    blank,
    check_blank,
    is_constant,
    is_number,
    metric,
    set_undefined,
    subject_of,
)

SHARES = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.13, 0.21, 0.34, 0.5, 0.75)
"""Of the pixels, those that are sharp in turn; most happens early."""
CURVES = {"sic": "probability", "aic": "accuracy"}
NO_GAIN = "the network does as well on the blurred image, or that takes as many bytes"
BINS = np.linspace(0, 1, 101)


@metric(
    family="faithfulness",
    takes="network",
    better="higher",
    bounds=(0.0, 1.0),
    paper="Kapishnikov 2019, arXiv 1906.02825, section 4",
    cost="15 forwards, and as many compressed pictures",
    caution="an image is not measured if the network knows it blurred: fewer are left than were given",
)
def performance_information(
    model: Any,
    images: Any,
    targets: Any,
    maps: ArrayLike,
    *,
    curve: str = "sic",
    shares: Sequence[float] = SHARES,
    start: float | str = "blur",
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the area below the performance as a function of the information that a map lets through [1]_.

    Both run from 0 of the blurred image to 1 of the whole one; performance counts by the best so far. The paper joins
    images by their median in each bin of information: `np.nanmedian(found.curves.scores, axis=0)`, or for AIC the mean.

    Information is the size of the image as a PNG file of 8 bits, its channels one below the other; the authors' code
    takes WebP files, which cost fifty times as much. It blurs by a linear interpolation of 1 % of the pixels and of
    those that are shown; here, pixels are shown in an image that was blurred once.

    Parameters
    ----------
    curve
        ``"sic"``: the probability of the target. ``"aic"``: 1 if it is the predicted class, 0 if not.
    shares
        The shares of the pixels that are shown in turn, ascending, above 0 and below 1.
    start
        The picture in which they are shown: as the `fill` of `deletion`.

    Returns
    -------
    Measurement of (N,), 0..1, the higher the better; its `curves` have 101 bins of information. NaN for a constant map,
    and for an image whose blurred picture performs as well, or takes as many bytes.

    References
    ----------
    .. [1] Kapishnikov, Bolukbasi, Viégas, Terry, "XRAI: Better Attributions Through Regions", 2019, arXiv 1906.02825,
       section 4.
    """
    score = pick("curve", curve, CURVES)
    check_blank("start", start)
    check_shares(shares)
    subject = subject_of(model, images, targets, batch_size)
    check_performance(subject, score, "performance_information")
    values, how = subject.maps(maps, collapse)
    bits: list[int] = []
    pairs = revealed(subject, values, shares, start, bits)
    found = performance(subject, pairs, len(shares) + 2, "performance_information", score)
    curves, areas, undefined = information_curves(np.reshape(bits, found.shape).astype(np.float64), found)
    warnings = set_undefined("performance_information", areas, is_constant(values), since=NO_ORDER)
    warnings += set_undefined("performance_information", areas, undefined, since=NO_GAIN)
    options = {"curve": curve, "shares": tuple(shares), "start": start}
    lines = Curves(BINS, curves, "share of the information", f"share of the {score}")
    warnings += subject.about_probabilities
    return Measurement("performance_information", areas, how, options, lines, warnings)


def check_shares(shares: Sequence[float]) -> None:
    """Raise `TfvizError` unless shares are ascending numbers above 0 and below 1."""
    numbers = np.ndim(shares) == 1 and len(shares) > 0 and all(is_number(share) and 0 < share < 1 for share in shares)
    if not numbers or any(np.diff(shares) <= 0):
        raise TfvizError(f"shares are {shares!r}, expected ascending numbers above 0 and below 1")


def revealed(
    subject: Subject, maps: Doubles, shares: Sequence[float], start: float | str, bits: list[int]
) -> Iterator[tuple[int, Floats]]:
    """Yield the blurred image with the first pixels of its map sharp, from none to all; bits get the size of each."""
    counts = np.rint(maps[0].size * np.array([0, *shares, 1])).astype(int)
    for row, each in step_by_step(subject.images, maps, counts, lambda image: (blank(image, start), image), "random"):
        image = subject.images[row]
        bits.append(bytes_of(each, float(image.min()), float(image.max())))
        yield row, each


def bytes_of(image: Floats, low: float, high: float) -> int:
    """Return the size of an image (H, W, C) as a grey PNG of its channels, one below the other; low is black."""
    picture = np.clip((image - low) * (255 / ((high - low) or 1)), 0, 255)
    below = np.moveaxis(np.rint(picture).astype(np.uint8), -1, 0).reshape(-1, image.shape[1])
    return len(cv2.imencode(".png", below)[1])


def information_curves(bits: Doubles, scores: Doubles) -> tuple[Doubles, Doubles, np.ndarray]:
    """Return curves (N, 101) and areas (N,) of what images (N, P) take and score, NaN where `undefined` (N,)."""
    undefined = (bits[:, -1] <= bits[:, 0]) | (scores[:, -1] <= scores[:, 0])
    curves, areas = np.full((len(bits), len(BINS)), np.nan), np.full(len(bits), np.nan)
    for row in np.flatnonzero(~undefined):
        information, performance = (
            np.clip((each - each[0]) / (each[-1] - each[0]), 0, 1) for each in (bits[row], scores[row])
        )
        performance = np.maximum.accumulate(performance)
        order = np.lexsort((performance, information))
        x, y = information[order], performance[order]
        curves[row] = np.interp(BINS, x, y)
        areas[row] = (np.diff(x) * (y[1:] + y[:-1]) / 2).sum()
    return curves, areas, undefined
