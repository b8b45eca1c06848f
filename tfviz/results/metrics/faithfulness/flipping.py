"""Pixel flipping: how the probability falls while the first pixels of a map get other values, step by step.

It is the oldest of its kind, and deletion its best known child. Two things set it apart: only the first pixels count,
and these are not wiped out but get the opposite value, which a network cannot take for a background.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, Floats
from tfviz.errors import TfvizError
from tfviz.methods.engine import integer, optional
from tfviz.results.metrics.faithfulness.ordering import NO_ORDER, step_by_step
from tfviz.results.metrics.measuring import (
    Checks,
    Curves,
    Definitions,
    Measurement,
    blank,
    check_blank,
    choose,
    is_constant,
    is_number,
    metric,
    set_undefined,
    subject_of,
)

FLIPPING_LIKE: Definitions = {
    "tfviz": {"steps": 10, "share": 0.25, "fill": "turned", "ties": "random", "area": "mean"},
    # NumPy's sort leaves the order of equal values open.
    "quantus": {"steps": None, "share": 1.0, "fill": "lowest", "ties": "first", "area": "steps"},
}


def _check_share(name: str, value: Any) -> None:
    """Raise `TfvizError` unless an option is a number above 0, to 1."""
    if not is_number(value) or not 0 < value <= 1:
        raise TfvizError(f"{name} is {value!r}, expected a number above 0 to 1")


CHECKS: Checks = {"steps": optional(integer), "share": _check_share, "fill": check_blank}


@metric(
    family="faithfulness",
    takes="network",
    better="lower",
    bounds=(0.0, 1.0),
    paper="Bach 2015, doi 10.1371/journal.pone.0130140",
    cost="1 forward for each step, 11 by default",
    caution="pixels of turned values are none that the network has seen: it may fall for them and not for what is lost",
)
def pixel_flipping(
    model: Any,
    images: Any,
    targets: Any,
    maps: ArrayLike,
    *,
    like: str = "tfviz",
    steps: int | None = None,
    share: float | None = None,
    fill: float | str | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the mean probability of the target while the first pixels are flipped, highest values first [1]_.

    Parameters
    ----------
    like
        ``"tfviz"``: a quarter of the pixels in 10 equal steps, each to its value mirrored in the middle of the image's
        range, and the mean by the trapezoid rule, the image itself included. ``"quantus"``: as Quantus 0.6, all pixels,
        one a step, to the image's lowest value; the area by the trapezoid rule, whose unit is a step, without the image
        itself. Quantus flips the channels of a pixel one after the other, in an order that it leaves open, unless its
        `features_in_step` is a multiple of their number; then both agree.
    steps
        The number of steps, in place of those of `like`.
    share
        The share of the pixels that are flipped in the end, above 0 to 1, in place of that of `like`.
    fill
        What a flipped pixel shows, in place of that of `like`: see `deletion`.

    Returns
    -------
    Measurement of (N,), 0..1, the lower the better, with ``like="quantus"`` up to the number of steps less one; its
    `curves` are the probabilities. NaN for a constant map.

    References
    ----------
    .. [1] Bach, Binder, Montavon, Klauschen, Müller, Samek, "On Pixel-Wise Explanations for Non-Linear Classifier
       Decisions by Layer-Wise Relevance Propagation", 2015, doi 10.1371/journal.pone.0130140, "pixel-flipping".
    """
    chosen = choose(FLIPPING_LIKE, like, CHECKS, steps=steps, share=share, fill=fill)
    subject = subject_of(model, images, targets, batch_size)
    values, how = subject.maps(maps, collapse)
    pixels = values[0].size
    last = max(1, round(chosen["share"] * pixels))
    counts = np.rint(np.linspace(0, last, (chosen["steps"] or last) + 1)).astype(int)
    counts = counts[chosen["area"] == "steps" :]

    def ends(image: Floats) -> tuple[Floats, Floats]:
        return image, blank(image, chosen["fill"])

    changed = step_by_step(subject.images, values, counts, ends, chosen["ties"])
    found = subject.probabilities(changed, len(values) * len(counts), "pixel_flipping").reshape(len(values), -1)
    areas = area_of(found, chosen)
    warnings = set_undefined("pixel_flipping", areas, is_constant(values), since=NO_ORDER)
    curves = Curves(counts / pixels, found, "share of the pixels that are flipped", "probability of the target")
    warnings += subject.about_probabilities
    bounds = (0.0, len(counts) - 1.0 if chosen["area"] == "steps" else 1.0)
    return Measurement("pixel_flipping", areas, how, chosen, curves, warnings, bounds=bounds)


def area_of(curves: Doubles, options: Mapping[str, Any]) -> Doubles:
    """Return the area (N,) below curves (N, P) by the trapezoid rule: of all steps, or their mean."""
    parts = curves[:, 1:] / 2 + curves[:, :-1] / 2
    return np.asarray(parts.sum(axis=1) if options["area"] == "steps" else parts.mean(axis=1))
