"""Measures how well a place that was found fits the true one. Masks and boxes are those of `tfviz.results.localize`.

Every function takes a batch or a single one, and raises `InvalidImagesError` if shapes or types do not fit, or if there
is no true place to compare with. The result has one number per image, and means are left to the caller; only
`max_box_accuracy` is defined over all images, since it looks for the one threshold that suits them best. Definitions
are those of the papers named at each function, so that the numbers can be compared with published ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.arrays import Doubles
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results.checks import Masks, check_boxes, check_maps, check_masks, check_same_shape
from tfviz.results.localize import boxes_in
from tfviz.results.scale import normalise

STEP = 0.001
"""Distance between the thresholds of `max_box_accuracy`, as in the published evaluation."""


class BoxAccuracy(NamedTuple):
    """The result of `max_box_accuracy`."""

    score: float
    """The mean of the accuracies, in 0..1: MaxBoxAccV2."""
    accuracies: dict[float, float]
    """For each IoU the share of images that are right at the best threshold, in 0..1."""
    thresholds: dict[float, float]
    """For each IoU the best threshold, in 0..1; the lowest if several are."""


def box_iou(boxes: ArrayLike, others: ArrayLike) -> Doubles:
    """Return intersection over union of boxes, whose leading axes are broadcast.

    Parameters
    ----------
    boxes, others : (..., 4)
        (N, 4) with (N, 4) are compared one by one, (N, 1, 4) with (M, 4) each with each.

    Returns
    -------
    float64, in 0..1. Two empty boxes share nothing: 0.
    """
    first, second = np.broadcast_arrays(check_boxes(boxes), check_boxes(others))
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    intersection = np.maximum(sides, 0).prod(axis=-1)
    areas = [(each[..., 2:] - each[..., :2]).prod(axis=-1) for each in (first, second)]
    return _ratio(intersection, areas[0] + areas[1] - intersection)


def mask_iou(masks: ArrayLike, others: ArrayLike) -> Doubles:
    """Return intersection over union of masks, one by one.

    Parameters
    ----------
    masks, others : bool (N, H, W) or (H, W), of one shape

    Returns
    -------
    float64 (N,) or (), in 0..1. Two empty masks share nothing: 0.
    """
    first, second = check_masks(masks), check_masks(others)
    check_same_shape(first, second)
    return _ratio((first & second).sum(axis=(-2, -1)), (first | second).sum(axis=(-2, -1)))


def max_box_accuracy(
    maps: ArrayLike,
    boxes: Sequence[ArrayLike] | NDArray[np.float64],
    *,
    overlaps: Sequence[float] = (0.3, 0.5, 0.7),
    thresholds: ArrayLike | None = None,
) -> BoxAccuracy:
    """Return MaxBoxAccV2 (Choe 2020, arXiv 2001.07437): how well maps localise at their best thresholds.

    At a threshold, an image is right if the box of any connected component of the pixels above it reaches the IoU with
    any true box. For each IoU, the one threshold for all images counts that makes most of them right.

    Parameters
    ----------
    maps : (N, H, W)
        Each is scaled by `normalise` (``"min_max"``).
    boxes : N arrays (4,) or (M, 4)
        One or several true boxes per image, in pixels of the maps.
    overlaps : floats, above 0 to 1
        The IoUs.
    thresholds : floats, 0 to 1, optional
        By default 0, 0.001, ..., 0.999; a tenth of them takes a tenth of the time.

    Raises
    ------
    TfvizError
        For no images, an image without a true box, or overlaps or thresholds out of range.
    """
    steps = np.arange(0, 1, STEP) if thresholds is None else np.sort(np.asarray(thresholds, np.float64), axis=None)
    _check_parts(steps, overlaps)
    values = check_maps(maps)
    true_boxes = [check_boxes(each).reshape(-1, 4) for each in boxes]
    if values.ndim != 3 or len(values) != len(true_boxes) or not all(map(len, true_boxes)) or not true_boxes:
        raise InvalidImagesError(
            f"expected maps (N, H, W) and at least one box for each, got {values.shape} and the boxes of "
            f"{len(true_boxes)} images, {sum(not len(each) for each in true_boxes)} of them without a box"
        )
    best = np.array([_best_ious(*pair, steps) for pair in zip(normalise(values, "min_max"), true_boxes, strict=True)])
    right = {float(overlap): (best >= overlap).mean(axis=0) for overlap in overlaps}
    accuracies = {overlap: float(parts.max()) for overlap, parts in right.items()}
    at = {overlap: float(steps[parts.argmax()]) for overlap, parts in right.items()}
    return BoxAccuracy(float(np.mean(list(accuracies.values()))), accuracies, at)


def pointing_game(maps: ArrayLike, masks: ArrayLike, *, tolerance: float = 15) -> Masks:
    """Tell whether the maximum of each map lies on the true place (Zhang 2016, arXiv 1608.00507).

    Parameters
    ----------
    maps : (N, H, W) or (H, W)
        If a map has several maxima, the first in reading order counts. A constant map points nowhere, and so misses.
    masks : bool, the shape of `maps`
        The true place; `box_mask` makes masks of boxes.
    tolerance : float
        How many pixels the maximum may lie beside the place: by default the paper's 15, whatever the image size.

    Returns
    -------
    bool (N,) or (): whether it is a hit

    Raises
    ------
    TfvizError
        For a negative tolerance.
    """
    if not tolerance >= 0:
        raise TfvizError(f"tolerance must be 0 pixels or more, got {tolerance}")
    values, places = with_places(maps, masks)
    hits = np.zeros(values.shape[:-2], bool)
    size = values.shape[-2:]
    for index, one_map, place in zip(
        np.ndindex(hits.shape), values.reshape(-1, *size), places.reshape(-1, *size), strict=True
    ):
        maximum = np.unravel_index(one_map.argmax(), size)
        distance = np.linalg.norm(np.argwhere(place) - maximum, axis=1).min()
        hits[index] = distance <= tolerance and one_map.max() > one_map.min()
    return hits


def energy_inside(maps: ArrayLike, masks: ArrayLike) -> Doubles:
    """Return the share of each map's positive values that lies on the true place (Wang 2019, arXiv 1910.01279).

    Parameters
    ----------
    maps : (N, H, W) or (H, W)
    masks : bool, the shape of `maps`
        The true place; `box_mask` makes masks of boxes.

    Returns
    -------
    float64 (N,) or (), in 0..1; 0 for a map without positive values
    """
    values, places = with_places(maps, masks)
    energy = np.maximum(values, 0)
    return _ratio((energy * places).sum(axis=(-2, -1)), energy.sum(axis=(-2, -1)))


def _best_ious(one_map: NDArray[np.float32], true_boxes: Doubles, thresholds: Doubles) -> list[float]:
    """For each threshold, the best IoU of any component with any true box."""
    found = (boxes_in(one_map > threshold) for threshold in thresholds)
    return [float(box_iou(boxes[:, np.newaxis], true_boxes).max(initial=0)) for boxes in found]


def _check_parts(thresholds: Doubles, overlaps: Sequence[float]) -> None:
    """Raise `TfvizError` for thresholds outside of 0..1, overlaps not above 0 or above 1, or none of either."""
    if not len(overlaps) or not all(0 < overlap <= 1 for overlap in overlaps):
        raise TfvizError(f"overlaps must be one or more IoUs above 0 and at most 1, got {list(overlaps)}")
    if not thresholds.size or not (0 <= thresholds.min() <= thresholds.max() <= 1):
        raise TfvizError(f"thresholds must be one or more numbers in 0..1, got {thresholds}")


def with_places(maps: ArrayLike, masks: ArrayLike) -> tuple[Doubles, Masks]:
    """Return maps and masks as arrays of one shape; raise `InvalidImagesError` if they are not, or a mask is empty."""
    values, places = check_maps(maps), check_masks(masks)
    check_same_shape(values, places)
    empty = np.flatnonzero(~places.reshape(-1, *places.shape[-2:]).any(axis=(1, 2)))
    if len(empty):
        raise InvalidImagesError(f"the mask of image {empty[0]} is empty: there is no place to compare with")
    return values, places


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Doubles:
    return np.asarray(np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole > 0)))
