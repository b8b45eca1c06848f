"""Completeness: whether attributions add up to the score.

Some methods promise it by their derivation, so what is measured is how far that carries. tfviz's own choice: the gap
relative to the difference of the scores, since floats are never equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles
from tfviz.errors import InvalidImagesError
from tfviz.results.metrics.measuring import (
    Definitions,
    Measurement,
    Subject,
    blank,
    check_blank,
    choose,
    metric,
    scaled_as_quantus,
    set_undefined,
    subject_of,
)

LIKE: Definitions = {"tfviz": {"fill": 0.0}, "quantus": {"fill": "lowest"}}


@metric(
    family="axioms",
    takes="network",
    better="lower",
    bounds=(0.0, np.inf),
    paper="Sundararajan 2017, arXiv 1703.01365, section 3",
    cost="2 forwards",
    caution="few methods promise it: integrated_gradients from the same baseline, input_x_gradient from zero on a "
    "network of ReLUs without biases; of a CAM it says nothing",
)
def completeness(
    model: Any,
    images: Any,
    targets: Any,
    maps: ArrayLike,
    *,
    like: str = "tfviz",
    baseline: float | str | ArrayLike | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return how far the sum of attributions is from the rise of the logit from a baseline, relative to that [1]_.

    All values are added as they are, so attributions are needed: maps have lost the sign, or the unit, of theirs.

    Parameters
    ----------
    like
        ``"tfviz"``: as above. ``"quantus"``: 1 if both are equal to the last bit and else 0, so the higher the better;
        the baseline is the image's lowest value, and attributions are divided by the largest absolute value of all. A
        map may be given, for which only the first channel of the image is replaced.
    baseline
        What stands for nothing there: a number (0 by default), a colour (C,) or an image in the network's input space,
        or ``"mean"`` or ``"blur"``, as the `fill` of `deletion`.
    collapse
        Without meaning here, where nothing is collapsed.

    Returns
    -------
    Measurement of (N,), 0 or more, the lower the better. NaN if the image and the baseline have the same score.

    References
    ----------
    .. [1] Sundararajan, Taly, Yan, "Axiomatic Attribution for Deep Networks", 2017, arXiv 1703.01365, section 3.
    """
    chosen = choose(LIKE, like, {"fill": check_blank}, fill=baseline if isinstance(baseline, str) else None)
    subject = subject_of(model, images, targets, batch_size)
    fill = chosen.pop("fill") if baseline is None or isinstance(baseline, str) else _color(subject, baseline)
    options = {**chosen, "baseline": np.asarray(fill).tolist()}
    if like == "quantus":
        given = subject.with_channels(maps)
        is_equal = scaled_as_quantus(given).sum(axis=(1, 2, 3)) == _rise(subject, fill, given.shape[3])
        values = is_equal.astype(np.float64)
        return Measurement("completeness", values, options=options, better="higher", bounds=(0.0, 1.0))
    total, rise = subject.attributions(maps).sum(axis=(1, 2, 3)), _rise(subject, fill, subject.images.shape[3])
    values = np.abs(total - rise) / np.where(rise, np.abs(rise), 1)
    warnings = set_undefined("completeness", values, rise == 0, since="the score is that of the baseline")
    return Measurement("completeness", values, options=options, warnings=warnings)


def _rise(subject: Subject, fill: Any, channels: int) -> Doubles:
    """Return by how much the score (N,) rises from a baseline that differs from the image in its first channels."""
    baselines = subject.images.copy()
    for baseline in baselines:
        other = blank(baseline, fill) if isinstance(fill, str) else np.broadcast_to(fill, baseline.shape)
        baseline[..., :channels] = other[..., :channels]
    pairs = (pair for each in (subject.images, baselines) for pair in enumerate(each))
    scores = subject.scores(pairs, 2 * len(subject), "completeness").reshape(2, -1)
    return np.asarray(scores[0] - scores[1])


def _color(subject: Subject, baseline: Any) -> np.ndarray:
    """Return a baseline of numbers, channels last; raise `InvalidImagesError` if it does not fit the images."""
    array, shape = np.asarray(baseline), subject.images.shape[1:]
    array = subject.network.data_format.to_last(array) if array.ndim == 3 else array
    if array.dtype.kind not in "fiu" or array.shape not in ((), shape[-1:], shape) or not np.isfinite(array).all():
        raise InvalidImagesError(
            f"baseline has the shape {array.shape} and the type {array.dtype}, expected finite numbers: one, a colour "
            f"{shape[-1:]} or an image {shape}"
        )
    return array.astype(np.float32)
