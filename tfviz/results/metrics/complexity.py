"""How few pixels carry a map: a map that marks everything explains nothing, however faithful it is.

All three look at absolute values, and none knows the image or the network: a map of a single random pixel is the best
of all. So they say something of maps alone that other metrics call good.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles
from tfviz.methods.engine import number
from tfviz.results.metrics.measuring import ZERO, Definitions, Measurement, choose, maps_of, metric, set_undefined

SPARSENESS_LIKE: Definitions = {
    "tfviz": {"unit": "map", "added": 0.0},
    "quantus": {"unit": "batch", "added": 1e-7},
}
EFFECTIVE_LIKE: Definitions = {
    "tfviz": {"unit": "map", "threshold": 0.01},
    "quantus": {"unit": "batch", "threshold": 1e-5},
}
ENTROPY_LIKE: Definitions = {
    "tfviz": {"added": 0.0},
    "quantus": {"added": 1e-12},
    "xplique": {"added": 1e-8},
}
COMPLEXITY: Mapping[str, Any] = {
    "family": "complexity",
    "takes": "maps",
    "cost": "no pass",
    "caution": "knows neither image nor network: a single pixel at random is the best of all maps",
}
_SHARE = partial(number, least=0, below=1, unit=": a share of the largest value")


@metric(better="higher", bounds=(0.0, 1.0), paper="Chalasani 2020, arXiv 1810.06583", **COMPLEXITY)
def sparseness(maps: ArrayLike, *, like: str = "tfviz", collapse: str | None = None) -> Measurement:
    """Return the Gini index of a map's absolute values [1]_: Σ_i (2i − n − 1) v_i / (n Σ_i v_i), v_i in rising order.

    Parameters
    ----------
    like
        ``"tfviz"``: as defined. ``"quantus"``: divided by the largest absolute value of all maps, then 1e-7 added to
        each value, which lowers the index of sparse maps, and makes 0 of that of a zero one. xplique's is as defined.

    Returns
    -------
    Measurement of (N,), 0 (all values equal) to 1 − 1/n (one of n pixels), the higher the better; NaN for a zero map.

    References
    ----------
    .. [1] Chalasani et al., "Concise Explanations of Neural Networks using Adversarial Training", 2020,
       arXiv 1810.06583.
    """
    options = choose(SPARSENESS_LIKE, like)
    sizes, how = _sizes(maps, collapse, options["unit"])
    ordered = np.sort(sizes + options["added"], axis=1)
    count = sizes.shape[1]
    weighted = ordered @ (2 * np.arange(1.0, count + 1) - count - 1)
    whole = count * ordered.sum(axis=1)
    values = weighted / np.where(whole, whole, 1)
    warnings = set_undefined("sparseness", values, whole == 0, since=ZERO)
    return Measurement("sparseness", values, how, options, warnings=warnings)


@metric(better="lower", bounds=(0.0, np.inf), paper="Bhatt 2020, arXiv 2005.00631", **COMPLEXITY)
def complexity(maps: ArrayLike, *, like: str = "tfviz", collapse: str | None = None) -> Measurement:
    """Return the entropy of the shares that pixels have in a map's absolute values [1]_: −Σ_i p_i ln p_i.

    Parameters
    ----------
    like
        ``"tfviz"``: as defined. ``"quantus"`` and ``"xplique"`` add 1e-12 and 1e-8 to each share in the logarithm,
        which takes as much off for each pixel.

    Returns
    -------
    Measurement of (N,), in nats: 0 (one pixel) to ln n (n equal ones), the lower the better; NaN for a zero map.

    References
    ----------
    .. [1] Bhatt, Weller, Moura, "Evaluating and Aggregating Feature-based Model Explanations", 2020,
       arXiv 2005.00631.
    """
    options = choose(ENTROPY_LIKE, like)
    sizes, how = _sizes(maps, collapse, "map")
    whole = sizes.sum(axis=1, keepdims=True)
    shares = np.divide(sizes, whole, out=np.zeros_like(sizes), where=whole > 0)
    values = -np.sum(shares * np.log(np.where(shares > 0, shares + options["added"], 1)), axis=1)
    values += 0.0  # of a single pixel it would be -0
    warnings = set_undefined("complexity", values, whole[:, 0] == 0, since=ZERO)
    return Measurement("complexity", values, how, options, warnings=warnings)


@metric(better="lower", bounds=(0.0, np.inf), paper="Nguyen 2020, arXiv 2007.07584", **COMPLEXITY)
def effective_complexity(
    maps: ArrayLike, *, like: str = "tfviz", threshold: float | None = None, collapse: str | None = None
) -> Measurement:
    """Return the number of pixels whose absolute value is above a threshold.

    The paper [1]_ asks for the fewest features that keep the score within a tolerance; counting those above a
    threshold is what other software makes of it, and needs no network.

    Parameters
    ----------
    like
        ``"tfviz"``: above a hundredth of the map's own largest absolute value, below which nobody sees it.
        ``"quantus"``: above 1e-5 of the largest one of all maps, which counts nearly all that is not zero.
    threshold
        The share of the largest absolute value, 0 to 1, in place of that of `like`.

    Returns
    -------
    Measurement of (N,), the pixels, 1 to H · W, the lower the better; NaN for a zero map, 0 with ``like="quantus"``.

    References
    ----------
    .. [1] Nguyen, Martínez, "On Quantitative Aspects of Model Interpretability", 2020, arXiv 2007.07584.
    """
    options = choose(EFFECTIVE_LIKE, like, {"threshold": _SHARE}, threshold=threshold)
    share = options["threshold"]
    sizes, how = _sizes(maps, collapse, options["unit"])
    counts = (sizes > share).sum(axis=1).astype(np.float64)
    zero = (sizes.max(axis=1) == 0) & (options["unit"] == "map")
    warnings = set_undefined("effective_complexity", counts, zero, since=ZERO)
    return Measurement("effective_complexity", counts, how, options, warnings=warnings)


def _sizes(maps: ArrayLike, collapse: str | None, unit: str) -> tuple[Doubles, str | None]:
    """Return the absolute values (N, H · W) of maps, and how attributions became maps.

    They are divided by the largest one of each `"map"`, or of the whole `"batch"`.
    """
    found, how = maps_of(maps, collapse)
    sizes = np.abs(found).reshape(len(found), -1)
    largest = sizes.max(axis=1 if unit == "map" else None, keepdims=True)
    return np.divide(sizes, largest, out=np.zeros_like(sizes), where=largest > 0), how
