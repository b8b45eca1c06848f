"""Robustness: how much a map changes while the image hardly does.

The image is changed by noise that nobody would see, and the method is run again for the same target. The map should
stay; where it does not, it says more about the noise than about the image.

tfviz's own choices: noise is a share of each image's range, as the noise of `smooth_grad` is, so that images of 0..255
and of 0..1 have the same value, and so is the way that `local_lipschitz` divides by. Maps are compared as they are
shown, collapsed, and the change is relative to the map, which has a unit of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfviz.arrays import Doubles
from tfviz.methods.engine import integer
from tfviz.results.metrics.measuring import (
    ZERO,
    Checks,
    Definitions,
    Explain,
    Explaining,
    Measurement,
    check_seed,
    choose,
    metric,
    set_undefined,
    subject_of,
)
from tfviz.results.metrics.robustness.noisy import Changes, changes_under_noise

SENSITIVITY_LIKE: Definitions = {
    "tfviz": {"radius": 0.02, "samples": 5, "seed": 0},
    "quantus": {"radius": 0.2, "samples": 200, "seed": 0},
}
LIPSCHITZ_LIKE: Definitions = {
    "tfviz": {"radius": 0.02, "samples": 5, "seed": 0},
    "quantus": {"radius": 0.1, "samples": 200, "seed": 0},
}
CHECKS: Checks = {"samples": integer, "seed": check_seed}
SMALL = 1e-10  # what Quantus adds to a distance that it divides by
ROBUST: Mapping[str, Any] = {
    "family": "robustness",
    "takes": "method",
    "better": "lower",
    "bounds": (0.0, np.inf),
    "cost": "the method on 6 images by default",
    "caution": "a map that does not depend on the image at all is perfectly robust",
}


@metric(paper="Yeh 2019, arXiv 1901.09392, definition 3.1", **ROBUST)
def max_sensitivity(
    model: Any,
    images: Any,
    targets: Any,
    method: str | Explain,
    *,
    options: Mapping[str, Any] | None = None,
    like: str = "tfviz",
    radius: float | None = None,
    samples: int | None = None,
    seed: int | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the largest change of the map, relative to its norm, under noise within a radius [1]_.

    Parameters
    ----------
    like
        ``"tfviz"``: 5 samples of uniform noise, the same for every image, of up to 2 % of the image's range.
        ``"quantus"``: 200 samples of up to 0.2, which NumPy's old generator draws for each image, channels first.
    radius
        The largest change of a value: a share of the image's range, its highest value less its lowest; for
        ``"quantus"`` a number in the network's input space.
    samples, seed
        The number of noisy images for each image, and the seed of their noise.

    Returns
    -------
    Measurement of (N,), 0 or more, the lower the better. NaN if the map is zero everywhere, or the image has no range.

    References
    ----------
    .. [1] Yeh, Hsieh, Suggala, Inouye, Ravikumar, "On the (In)fidelity and Sensitivity of Explanations", 2019, arXiv
       1901.09392, definition 3.1.
    """
    chosen = choose(SENSITIVITY_LIKE, like, CHECKS, radius=radius, samples=samples, seed=seed)
    explaining = Explaining(subject_of(model, images, targets, batch_size), method, options or {}, collapse)
    changes = changes_under_noise("max_sensitivity", explaining, chosen)
    return _measured("max_sensitivity", chosen, changes, changes.relative.max(axis=1))


@metric(paper="Yeh 2019, arXiv 1901.09392, definition 3.1", **ROBUST)
def average_sensitivity(
    model: Any,
    images: Any,
    targets: Any,
    method: str | Explain,
    *,
    options: Mapping[str, Any] | None = None,
    like: str = "tfviz",
    radius: float | None = None,
    samples: int | None = None,
    seed: int | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the mean change of the map, relative to its norm, under noise within a radius: see `max_sensitivity`.

    Parameters
    ----------
    like, radius, samples, seed
        As in `max_sensitivity`, which measures the same images.

    Returns
    -------
    Measurement of (N,), 0 or more, the lower the better. NaN if the map is zero everywhere, or the image has no range.
    """
    chosen = choose(SENSITIVITY_LIKE, like, CHECKS, radius=radius, samples=samples, seed=seed)
    explaining = Explaining(subject_of(model, images, targets, batch_size), method, options or {}, collapse)
    changes = changes_under_noise("average_sensitivity", explaining, chosen)
    return _measured("average_sensitivity", chosen, changes, changes.relative.mean(axis=1))


@metric(paper="Alvarez-Melis 2018, arXiv 1806.08049, equation 2", **ROBUST)
def local_lipschitz(
    model: Any,
    images: Any,
    targets: Any,
    method: str | Explain,
    *,
    options: Mapping[str, Any] | None = None,
    like: str = "tfviz",
    radius: float | None = None,
    samples: int | None = None,
    seed: int | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the largest change of the map for the change of the image, under noise within a radius [1]_.

    Parameters
    ----------
    like
        ``"tfviz"``: noise as in `max_sensitivity`; the change of the map is relative to its norm, and that of the image
        the root of its mean square as a share of the range. 5 is a map of which 5 % change where the image does by 1 %.
        ``"quantus"``: 200 samples of normal noise; Euclidean distances, of maps that are divided by the largest
        absolute value of all images' maps.
    radius
        The largest change of a value, a share of the image's range; for ``"quantus"`` the standard deviation of the
        noise, 0.1, in the network's input space.
    samples, seed
        As in `max_sensitivity`.

    Returns
    -------
    Measurement of (N,), 0 or more, the lower the better. NaN if the map is zero everywhere, or the image has no range.

    References
    ----------
    .. [1] Alvarez-Melis, Jaakkola, "On the Robustness of Interpretability Methods", 2018, arXiv 1806.08049, equation 2.
    """
    chosen = choose(LIPSCHITZ_LIKE, like, CHECKS, radius=radius, samples=samples, seed=seed)
    explaining = Explaining(subject_of(model, images, targets, batch_size), method, options or {}, collapse)
    changes = changes_under_noise("local_lipschitz", explaining, chosen, is_scaled=like == "quantus")
    if like == "quantus":
        values = (changes.apart / (changes.moved + SMALL)).max(axis=1)
        return Measurement("local_lipschitz", values, changes.how, chosen)
    pixels = explaining.subject.images[0].size
    moved = changes.moved / np.sqrt(pixels) / np.where(changes.ranges, changes.ranges, 1)[:, np.newaxis]
    values = (changes.relative / np.where(moved, moved, 1)).max(axis=1)
    return _measured("local_lipschitz", chosen, changes, values)


def _measured(name: str, options: Mapping[str, Any], changes: Changes, values: Doubles) -> Measurement:
    """Return a measurement, with NaN and a warning for maps that are zero, and images without a range."""
    zero, flat = changes.norms == 0, (changes.ranges == 0) & (options["like"] == "tfviz")
    warnings = set_undefined(name, values, zero, since=ZERO)
    warnings += set_undefined(name, values, flat & ~zero, since="the image is the same everywhere")
    return Measurement(name, values, changes.how, options, warnings=warnings)
