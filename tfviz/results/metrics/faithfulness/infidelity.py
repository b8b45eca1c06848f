"""Infidelity: how far what a map says of a square of the image is from what the score loses without that square.

tfviz's own choices: squares at random places take the image's mean colour. A map is measured up to a factor, since maps
are in units of their own, which may not be negative, or a map that says the opposite would be as good; and the error
is relative to what the score loses, or networks of large logits would look worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles
from tfviz.methods.engine import integer
from tfviz.results.metrics.measuring import (
    SAME_SCORE,
    Checks,
    Definitions,
    Measurement,
    Subject,
    blank,
    check_blank,
    check_seed,
    choose,
    metric,
    score_drops,
    set_undefined,
    subject_of,
    sums_over,
)

SMALLEST, LARGEST = 0.1, 0.5
"""The sides of random squares, as shares of the image's."""
LIKE: Definitions = {
    "tfviz": {"fill": "mean", "squares": 64, "seed": 0, "of_slopes": False, "scaled": True},
    "quantus": {"fill": "lowest", "of_slopes": True, "scaled": False},
}
CHECKS: Checks = {"squares": integer, "fill": check_blank, "seed": check_seed}
SIDE_OF_QUANTUS = 4  # pixels


@metric(
    family="faithfulness",
    takes="network",
    better="lower",
    bounds=(0.0, np.inf),
    paper="Yeh 2019, arXiv 1901.09392, definition 2.1",
    cost="65 forwards by default",
    caution="squares are coarse, so a map that is right in the large does well; the value depends on what fills them",
)
def infidelity(
    model: Any,
    images: Any,
    targets: Any,
    maps: ArrayLike,
    *,
    like: str = "tfviz",
    squares: int | None = None,
    fill: float | str | None = None,
    of_slopes: bool | None = None,
    scaled: bool | None = None,
    seed: int | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the mean square of what a map says of a square of the image less what the logit loses without it [1]_.

    Parameters
    ----------
    like
        ``"tfviz"``: 64 squares at random places. ``"quantus"``: blocks of 4×4 pixels in the order in which they lie,
        each removed with all before it; attributions are `of_slopes`, as they are given, and are not `scaled`.
    squares, seed
        The number of random squares, and that of their draw. For ``"tfviz"`` alone.
    fill
        What takes the place of what is removed: as in `deletion`. The lowest value of the image for ``"quantus"``.
    of_slopes
        Whether a value is a slope, as the gradient is, and says its product with the change of the pixel; by default
        it is a pixel's share of the score. Slopes are not collapsed, and those of a map are the same in all channels.
    scaled
        Whether the map is multiplied by the factor of at least 0 that makes the error least, and the error divided by
        the mean square of the losses: 0..1, where 1 is that of a map of zeros. Otherwise it is in squared logits.

    Returns
    -------
    Measurement of (N,), 0 or more, the lower the better. NaN if it is `scaled` and the score never changes.

    References
    ----------
    .. [1] Yeh, Hsieh, Suggala, Inouye, Ravikumar, "On the (In)fidelity and Sensitivity of Explanations", 2019, arXiv
       1901.09392, definition 2.1, square removal of section 3.
    """
    own: dict[str, Any] = {"squares": squares, "seed": seed, "of_slopes": of_slopes, "scaled": scaled}
    chosen = choose(LIKE, like, CHECKS, fill=fill, **own)
    subject = subject_of(model, images, targets, batch_size)
    size = subject.images.shape[1:3]
    parts = _blocks(size) if like == "quantus" else _squares(size, chosen["squares"], chosen["seed"])
    said, how = _said(subject, maps, collapse, chosen)
    drops = score_drops(subject, parts, chosen["fill"], "infidelity")
    values, warnings = _errors(sums_over(said, parts), drops, chosen["scaled"])
    return Measurement("infidelity", values, how, chosen, warnings=warnings)


def _said(
    subject: Subject, given: ArrayLike, collapse: str | None, options: Mapping[str, Any]
) -> tuple[Doubles, str | None]:
    """Return what a map says that the score loses without each pixel (N, H, W), and how it was reduced."""
    if not options["of_slopes"]:
        return subject.maps(given, collapse)
    changes = np.stack([image - np.asarray(blank(image, options["fill"]), np.float64) for image in subject.images])
    return np.asarray((subject.with_channels(given) * changes).sum(axis=3)), None


def _errors(said: Doubles, drops: Doubles, scaled: bool) -> tuple[Doubles, tuple[str, ...]]:
    """Return the mean squares (N,) of what was said less what the score lost, both (N, P), and warnings of NaN."""
    if not scaled:
        return np.square(said - drops).mean(axis=1), ()
    size, power = np.square(said).mean(axis=1), np.square(drops).mean(axis=1)
    factor = np.maximum((said * drops).mean(axis=1), 0) / np.where(size, size, 1)
    values = np.square(factor[:, np.newaxis] * said - drops).mean(axis=1) / np.where(power, power, 1)
    return values, set_undefined("infidelity", values, power == 0, since=SAME_SCORE)


def _squares(size: tuple[int, int], count: int, seed: int) -> np.ndarray:
    """Return squares at random places, bool (P, H, W); of an image that is not square, rectangles of its shape."""
    parts = np.zeros((count, *size), bool)
    for part, (top, left, side) in zip(parts, np.random.default_rng(seed).random((count, 3)), strict=True):
        share = SMALLEST + (LARGEST - SMALLEST) * side
        height, width = (max(1, round(share * each)) for each in size)
        row, column = round(top * (size[0] - height)), round(left * (size[1] - width))
        part[row : row + height, column : column + width] = True
    return parts


def _blocks(size: tuple[int, int]) -> np.ndarray:
    """Return the blocks of Quantus, each with all those before it, bool (P, H, W)."""
    rows, columns = (np.arange(each) // SIDE_OF_QUANTUS for each in size)
    number = rows[:, np.newaxis] * (columns[-1] + 1) + columns
    return np.stack([number <= last for last in range(number.max() + 1)])
