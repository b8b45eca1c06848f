"""How the probability changes when an image is dimmed where its map is low: average drop, increase in confidence.

The image is multiplied by its map, scaled to 0..1, so that what the map leaves out turns into zero of the network's
input space, or into a `fill` instead. A map that is 1 everywhere changes nothing: it has the best drop that there is,
and never an increase. So the two are read together, and beside another metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, Floats
from tfviz.results.metrics.measuring import (
    Checks,
    Definitions,
    Measurement,
    Subject,
    blank,
    check_blank,
    choose,
    metric,
    set_undefined,
    subject_of,
)

MASKING_LIKE: Definitions = {
    "tfviz": {"scaling": "positive", "fill": 0.0},
    "xplique": {"scaling": "min_max_of_abs", "fill": 0.0},
}
CHECKS: Checks = {"fill": check_blank}
NO_PROBABILITY = "the target's probability is not above 0 to begin with"
EPSILON = 1e-8  # xplique adds it to denominators
MASKED: Mapping[str, Any] = {
    "family": "faithfulness",
    "takes": "network",
    "bounds": (0.0, 1.0),
    "paper": "Chattopadhay 2018, arXiv 1710.11063, section 5.1",
    "cost": "2 forwards",
}


@metric(better="lower", caution="a map that is high everywhere leaves the image as it is, and has no drop", **MASKED)
def average_drop(
    model: Any,
    images: Any,
    targets: Any,
    maps: ArrayLike,
    *,
    like: str = "tfviz",
    fill: float | str | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return by what share the probability of the target falls when its map alone shows the image [1]_.

    That is max(before − after, 0) / before, of which the paper has the mean over images, in percent. `after` is the
    probability of the image times its map.

    Parameters
    ----------
    like
        ``"tfviz"``: the positive part of the map over its maximum, as the paper has it. ``"xplique"``: as xplique 2.0,
        the map's absolute values from their minimum to their maximum, and 1e-8 added to what is divided by;
        attributions need ``collapse="mean"``.
    fill
        What takes the place of the part that is left out, see `deletion`: by default 0, in the network's input space.

    Returns
    -------
    Measurement of (N,), 0..1, the lower the better; above 1 if a custom score becomes negative. NaN if there is nothing
    above 0 to begin with.

    References
    ----------
    .. [1] Chattopadhay, Sarkar, Howlader, Balasubramanian, "Grad-CAM++", 2018, arXiv 1710.11063, section 5.1.
    """
    chosen = choose(MASKING_LIKE, like, CHECKS, fill=fill)
    subject = subject_of(model, images, targets, batch_size)
    values, how = subject.maps(maps, collapse)
    before, after = masked(subject, values, chosen, "average_drop")
    positive = before > 0
    drop = np.maximum(before - after, 0) / (np.where(positive, before, 1) + (EPSILON if like == "xplique" else 0))
    warnings = set_undefined("average_drop", drop, ~positive, since=NO_PROBABILITY)
    return Measurement("average_drop", drop, how, chosen, warnings=(*warnings, *subject.about_probabilities))


@metric(better="higher", caution="an image says only yes or no: take many", **MASKED)
def increase_in_confidence(
    model: Any,
    images: Any,
    targets: Any,
    maps: ArrayLike,
    *,
    like: str = "tfviz",
    fill: float | str | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return whether the probability of the target rises when its map alone shows the image: 1, or 0 [1]_.

    The paper has the mean over images, in percent. Options and masks are those of `average_drop`.

    Returns
    -------
    Measurement of (N,), 0 or 1, the higher the better.

    References
    ----------
    .. [1] Chattopadhay, Sarkar, Howlader, Balasubramanian, "Grad-CAM++", 2018, arXiv 1710.11063, section 5.1.
    """
    chosen = choose(MASKING_LIKE, like, CHECKS, fill=fill)
    subject = subject_of(model, images, targets, batch_size)
    values, how = subject.maps(maps, collapse)
    before, after = masked(subject, values, chosen, "increase_in_confidence")
    increase = (after > before).astype(np.float64)
    return Measurement("increase_in_confidence", increase, how, chosen, warnings=subject.about_probabilities)


def masked(subject: Subject, maps: Doubles, options: Mapping[str, Any], doing: str) -> tuple[Doubles, Doubles]:
    """Return the probability (N,) of the target of the images, and of the images under their maps (N, H, W)."""

    def under(image: Floats, one_map: Doubles) -> Floats:
        share = SCALINGS[options["scaling"]](one_map)[..., np.newaxis]
        return (image * share + blank(image, options["fill"]) * (1 - share)).astype(np.float32)

    rows = range(len(maps))
    pairs = ((row, each) for row in rows for each in (subject.images[row], under(subject.images[row], maps[row])))
    found = subject.probabilities(pairs, 2 * len(maps), doing).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _positive(one_map: Doubles) -> Doubles:
    """Return max(map, 0) over its maximum; a map without a positive value shows nothing."""
    part = np.maximum(one_map, 0)
    return part / (part.max() or 1)


def _min_max_of_abs(one_map: Doubles) -> Doubles:
    size = np.abs(one_map)
    scaled: Doubles = (size - size.min()) / (size.max() - size.min() + EPSILON)
    return scaled


SCALINGS = {"positive": _positive, "min_max_of_abs": _min_max_of_abs}
"""Ways to make a map (H, W) a mask, 0..1."""
