"""Whether a map points at the true place, which a mask shows; `tfviz.results.box_mask` makes masks of boxes.

Two look at where most of a map lies (`pointing_game`, `energy_in_mask`), three at the order of its pixels, which no
scaling changes (`relevance_rank`, `top_k_intersection`, `localisation_auc`). Pixels of one value have no order among
themselves, as where a map is zero: each of these three takes the mean over all orders that they could have, so that
no corner of the image is preferred, and a constant map scores as chance does.

All of them believe that the network looks at the place that people marked. Where it looks beside it, a map that says
so scores low and is right; `disconnected_grid` knows what the network can have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, name_images
from tfviz.errors import TfvizError
from tfviz.results import Masks, check_masks, pointing_game as points_at, with_places
from tfviz.results.metrics.localisation.map_order import roc_area, share_of_highest
from tfviz.results.metrics.measuring import Definitions, Measurement, choice_of, choose, maps_of, metric, set_undefined

POINTING_LIKE: Definitions = {
    "tfviz": {"tolerance": 15, "ties": "first"},
    "quantus": {"tolerance": 0, "ties": "any"},
}
ENERGY_LIKE: Definitions = {
    "tfviz": {"sign": "positive"},
    "quantus": {"sign": "absolute"},
    "quantus_mass": {"sign": "signed"},
}
TOP_LIKE: Definitions = {"tfviz": {"share": 0.02, "k": None}, "quantus": {"k": 1000}}
COUNTED: Mapping[str, Callable[[Doubles], Doubles]] = {
    "positive": lambda maps: np.maximum(maps, 0),
    "absolute": np.abs,
    "signed": lambda maps: maps,
}
"""What counts of a map's values."""
LOCALISATION: Mapping[str, Any] = {
    "family": "localisation",
    "takes": "masks",
    "better": "higher",
    "bounds": (0.0, 1.0),
    "cost": "no pass",
}
BESIDE = "a network may look beside the marked place, and a map that shows it is right and scores low"


@metric(
    paper="Zhang 2016, arXiv 1608.00507",
    caution="one pixel decides, and chance hits a place as often as it is large; " + BESIDE,
    **LOCALISATION,
)
def pointing_game(
    maps: ArrayLike,
    masks: ArrayLike,
    *,
    like: str = "tfviz",
    tolerance: float | None = None,
    collapse: str | None = None,
) -> Measurement:
    """Return whether the maximum of a map lies on the true place [1]_: `tfviz.results.pointing_game` as 0 or 1.

    Parameters
    ----------
    like
        ``"tfviz"``: at most 15 pixels beside the place, as in the paper; of several maxima the first in reading order
        counts, and a constant map misses. ``"quantus"``: on the place, and any of several maxima will do, so that a
        constant map hits.
    tolerance
        How many pixels the maximum may lie beside the place, in place of that of `like`.

    Returns
    -------
    Measurement of (N,), 1 for a hit and 0 for a miss; the mean over images is the accuracy, the higher the better.

    References
    ----------
    .. [1] Zhang et al., "Top-down Neural Attention by Excitation Backprop", 2016, arXiv 1608.00507.
    """
    options = choose(POINTING_LIKE, like, tolerance=tolerance)
    values, places, how, warnings = _given("pointing_game", maps, masks, collapse)
    hits = points_at(values, places, tolerance=options["tolerance"])
    if options["ties"] == "any":
        hits |= _any_maximum(values, places, options["tolerance"])
    return Measurement("pointing_game", hits.astype(np.float64), how, options, warnings=warnings)


@metric(
    paper="Wang 2019, arXiv 1910.01279",
    caution="a map of nothing in particular scores the share of the image that the mask covers; " + BESIDE,
    **LOCALISATION,
)
def energy_in_mask(
    maps: ArrayLike, masks: ArrayLike, *, like: str = "tfviz", sign: str | None = None, collapse: str | None = None
) -> Measurement:
    """Return the share of a map that lies on the true place [1]_, as `tfviz.results.energy_inside` does.

    Parameters
    ----------
    like
        ``"tfviz"``: of the positive values. ``"quantus"``: of the absolute values, its Attribution Localisation.
        ``"quantus_mass"``: of the values with their sign, its Relevance Mass Accuracy (Arras 2022): what is negative
        is taken away, so that the value can be any number.
    sign
        What counts, in place of that of `like`: ``"positive"``, ``"absolute"`` or ``"signed"``.

    Returns
    -------
    Measurement of (N,), 0..1, the higher the better; NaN if what counts is zero in sum.

    References
    ----------
    .. [1] Wang et al., "Score-CAM", 2019, arXiv 1910.01279.
    """
    options = choose(ENERGY_LIKE, like, {"sign": choice_of("sign", COUNTED)}, sign=sign)
    values, places, how, warnings = _given("energy_in_mask", maps, masks, collapse)
    energy = COUNTED[options["sign"]](values)
    whole = energy.sum(axis=(1, 2))
    shares = (energy * places).sum(axis=(1, 2)) / np.where(whole, whole, 1)
    no_sum = f"the {options['sign']} values of the map sum to zero"
    warnings += set_undefined("energy_in_mask", shares, whole == 0, since=no_sum)
    bounds = (-np.inf, np.inf) if options["sign"] == "signed" else None
    return Measurement("energy_in_mask", shares, how, options, warnings=warnings, bounds=bounds)


@metric(
    paper="Arras 2022, arXiv 2003.07258",
    caution="chance scores the share of the image that the mask covers; " + BESIDE,
    **LOCALISATION,
)
def relevance_rank(maps: ArrayLike, masks: ArrayLike, *, collapse: str | None = None) -> Measurement:
    """Return the share of the K highest pixels that lies on the true place, of K pixels [1]_.

    Quantus's Relevance Rank Accuracy is the same, but for pixels of one value, whose order it leaves to the sort.

    Returns
    -------
    Measurement of (N,), 0..1, the higher the better.

    References
    ----------
    .. [1] Arras, Osman, Samek, "CLEVR-XAI", Information Fusion, 2022, arXiv 2003.07258.
    """
    values, places, how, warnings = _given("relevance_rank", maps, masks, collapse)
    shares = share_of_highest(values, places, places.sum(axis=(1, 2)))
    return Measurement("relevance_rank", shares, how, {}, warnings=warnings)


@metric(
    paper="Theiner 2021, arXiv 2104.14995",
    caution="a place smaller than K pixels cannot score 1; chance scores its share of the image; " + BESIDE,
    **LOCALISATION,
)
def top_k_intersection(
    maps: ArrayLike, masks: ArrayLike, *, like: str = "tfviz", k: int | None = None, collapse: str | None = None
) -> Measurement:
    """Return the share of the K highest pixels of a map that lies on the true place [1]_.

    Parameters
    ----------
    like
        ``"tfviz"``: K is 2 % of the image's pixels, 1,004 of 224 x 224, and at least one. ``"quantus"``: K is 1,000
        whatever the image's size.
    k
        The number of pixels, in place of that of `like`.

    Returns
    -------
    Measurement of (N,), 0..1, the higher the better.

    References
    ----------
    .. [1] Theiner, Müller-Budack, Ewerth, "Interpretable Semantic Photo Geolocation", 2021, arXiv 2104.14995.
    """
    options = choose(TOP_LIKE, like, k=k)
    values, places, how, warnings = _given("top_k_intersection", maps, masks, collapse)
    pixels, share = values[0].size, options.pop("share", 0)
    count = options["k"] = max(1, round(share * pixels)) if options["k"] is None else options["k"]
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or not 1 <= count <= pixels:
        raise TfvizError(f"k is {count!r}, expected an integer from 1 to the {pixels} pixels of a map")
    shares = share_of_highest(values, places, np.full(len(values), count))
    return Measurement("top_k_intersection", shares, how, options, warnings=warnings)


@metric(
    paper="Fawcett 2006, doi 10.1016/j.patrec.2005.10.010",
    caution="says nothing of how much higher the place is; chance, and a constant map, score 0.5; " + BESIDE,
    **LOCALISATION,
)
def localisation_auc(maps: ArrayLike, masks: ArrayLike, *, collapse: str | None = None) -> Measurement:
    """Return the area below the ROC curve of a map that tells the mask's pixels from the others by its values [1]_.

    It is the probability that a pixel on the true place has a higher value than one beside it, where equal values
    count half. Quantus's AUC is the same number.

    Returns
    -------
    Measurement of (N,), 0..1, the higher the better, 0.5 for chance; NaN for a mask that covers the whole image.

    References
    ----------
    .. [1] Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters, 2006, section 7.
    """
    values, places, how, _ = _given("localisation_auc", maps, masks, collapse)
    areas = np.array([roc_area(*each) for each in zip(values, places, strict=True)])
    warnings = set_undefined("localisation_auc", areas, np.isnan(areas), since="its mask covers the whole image")
    return Measurement("localisation_auc", areas, how, {}, warnings=warnings)


def _given(
    metric: str, maps: ArrayLike, masks: ArrayLike, collapse: str | None
) -> tuple[Doubles, Masks, str | None, tuple[str, ...]]:
    """Return maps and masks (N, H, W), how attributions became maps, and a warning of masks that cover the image.

    Raises `InvalidImagesError` if they do not fit, or a mask is empty.
    """
    found, how = maps_of(maps, collapse)
    places = check_masks(masks)
    values, places = with_places(found, places.reshape(-1, *places.shape[-2:]))
    full = places.all(axis=(1, 2))
    which = name_images(np.flatnonzero(full))
    text = f"{metric} of image {which} says nothing: the mask covers the whole image, and any map is on it"
    return values, places, how, (text,) * bool(full.any())


def _any_maximum(maps: Doubles, places: Masks, tolerance: float) -> Masks:
    """Return whether any of the maxima of each map (N, H, W) lies at most so many pixels beside the place: (N,)."""
    return np.array(
        [
            cv2.distanceTransform(np.uint8(~place), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[one_map == one_map.max()].min()
            <= tolerance
            for one_map, place in zip(maps, places, strict=True)
        ]
    )
