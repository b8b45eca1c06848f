"""Finds the place that a map marks in a picture, as a mask and as a box.

A *mask* is bool, (N, H, W) or (H, W). A *box* is (left, top, right, bottom) in pixels, right and bottom exclusive; an
empty mask has the empty box (0, 0, 0, 0). Pixels that touch are connected, also if they touch at a corner. Every
function takes a batch or a single one, treats each image by itself, and raises `InvalidImagesError` for other shapes
and types, and for NaN. Attributions are reduced to one number per pixel by `collapse` first.

`threshold_mask` cuts the map; `grabcut_mask` lets the picture's colours decide where the object ends, from seeds at the
quantiles of the map. On the embedded pictures the boxes of saliency reach a mean IoU of 0.69 to 0.73, where the best
plain threshold reaches 0.53 to 0.60. Seeds are taken from a smoothed map, since the highest pixels of a saliency map
are specks; values that differ by rounding alone count as equal, or the seeds of a flat map would be the processor's.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.arrays import Picture, name_images
from tfviz.errors import TfvizError, emit_warnings
from tfviz.results.checks import Masks, check_boxes, check_maps, check_masks, check_pictures
from tfviz.results.render import fit_maps

Boxes = NDArray[np.int64]

MODEL_SIZE = 65
"""Numbers in OpenCV's colour model: five Gaussians with a weight, a mean and a covariance each."""
ROUNDING = 1e-4
"""Values this close to the maximum or to zero, in parts of the map's range, count as equal to it. Differences of
float32 scores are right to a few 1e-7 of the scores, and the range of some is a hundredth of those."""


class Marked(NamedTuple):
    """Masks, bool (N, H, W) or (H, W), and what must be said of those that are empty."""

    masks: Masks
    warnings: list[str]


def grabcut_mask(
    pictures: ArrayLike,
    maps: ArrayLike,
    *,
    foreground: float = 0.95,
    background: float = 0.3,
    smoothing: float = 0.03,
    iterations: int = 5,
) -> Masks:
    """Grow what maps mark along the colours of the pictures (Simonyan 2013, arXiv 1312.6034, section 3.2).

    The pixels with the highest values are fixed as foreground, those with the lowest as background; GrabCut (Rother
    2004) decides the rest by their colour and their neighbours, starting from background. The mask is the largest
    connected component of the foreground.

    Parameters
    ----------
    pictures : uint8 RGB (N, H, W, 3) or (H, W, 3)
    maps : (N, h, w) or (h, w), higher where the target is
        Maps of another size are first brought to the pictures' by `resize`.
    foreground, background : float, 0 to 1
        Quantiles of the values of each map, by default the paper's. Foreground is what lies above the first (or at the
        maximum, if nothing does) and above zero; background is what does not lie above the second, such as every zero
        of a sparse map. Values within a ten-thousandth of the map's range of the maximum, or of zero, count as equal to
        it.
    smoothing : float
        Standard deviation of the Gaussian that blurs the maps before their quantiles are taken, in parts of the
        picture's shorter side. The paper does not blur (0), but saliency is so noisy that its highest pixels are specks
        all over the picture. Maps that are already smooth hardly change.
    iterations : int
        Rounds of GrabCut.

    Returns
    -------
    bool (N, H, W) or (H, W). A map that is constant or nowhere positive gives an empty mask, with a `TfvizWarning`.

    Raises
    ------
    TfvizError
        For quantiles out of range or out of order, a negative smoothing or fewer than one iteration.
    """
    masks, warnings = mark_by_grabcut(
        pictures, maps, foreground=foreground, background=background, smoothing=smoothing, iterations=iterations
    )
    emit_warnings(warnings)
    return masks


def mark_by_grabcut(
    pictures: ArrayLike, maps: ArrayLike, *, foreground: float, background: float, smoothing: float, iterations: int
) -> Marked:
    """Return what `grabcut_mask` does, in silence."""
    if not 0 <= background < foreground <= 1:
        raise TfvizError(
            "quantiles must lie in 0..1, the background's below the foreground's, "
            f"got background {background} and foreground {foreground}"
        )
    if not 0 <= smoothing < np.inf or isinstance(iterations, bool) or int(iterations) != iterations or iterations < 1:
        raise TfvizError(
            f"smoothing must be 0 or more and iterations an integer of 1 or more, got {smoothing} and {iterations}"
        )
    shown = check_pictures(pictures)
    values = check_maps(fit_maps(shown, maps))
    masks = np.zeros(values.shape, bool)
    size = values.shape[-2:]
    for picture, one_map, mask in zip(
        shown.reshape(-1, *size, 3), values.reshape(-1, *size), masks.reshape(-1, *size), strict=True
    ):
        seeds = _seeds(_smooth(one_map, smoothing * min(size)), one_map.min(), foreground, background)
        if seeds is not None:
            mask[...] = _largest(_grow(picture, seeds, iterations))
    return Marked(masks, _about_empty(masks, np.where(_are_constant(values), "constant", "nowhere positive")))


def threshold_mask(maps: ArrayLike, threshold: float = 0.15) -> Masks:
    """Mark the pixels of at least a part of each map's maximum (Zhou 2016, arXiv 1512.04150).

    Parameters
    ----------
    maps : (N, H, W) or (H, W)
    threshold : float, above 0 to 1
        The part of the maximum, by default as for Grad-CAM (Selvaraju 2016, arXiv 1610.02391). The best one differs
        between networks and methods: `max_box_accuracy` finds it.

    Returns
    -------
    bool, the shape of `maps`. A map without positive values gives an empty mask, with a `TfvizWarning`.

    Raises
    ------
    TfvizError
        For a threshold out of range.
    """
    masks, warnings = mark_by_threshold(maps, threshold)
    emit_warnings(warnings)
    return masks


def mark_by_threshold(maps: ArrayLike, threshold: float) -> Marked:
    """Return what `threshold_mask` does, in silence."""
    if not 0 < threshold <= 1:
        raise TfvizError(f"threshold must be above 0 and at most 1 (the maximum of the map), got {threshold}")
    values = check_maps(maps)
    maximum = values.max(axis=(-2, -1), keepdims=True)
    masks: Masks = (values >= threshold * maximum) & (maximum > 0)
    return Marked(masks, _about_empty(masks, np.full(values.shape[:-2], "nowhere positive")))


def largest_component(masks: ArrayLike) -> Masks:
    """Keep the largest connected component of each mask, by its number of pixels; bool, the shape of `masks`."""
    values = check_masks(masks)
    kept = np.zeros_like(values)
    size = values.shape[-2:]
    for mask, component in zip(values.reshape(-1, *size), kept.reshape(-1, *size), strict=True):
        component[...] = _largest(mask)
    return kept


def largest_box(masks: ArrayLike) -> Boxes:
    """Return the box of the largest connected component of each mask: (N, 4), or (4,) for a single mask."""
    values = check_masks(masks)
    boxes = [[*boxes_in(mask), np.zeros(4, np.int64)][0] for mask in values.reshape(-1, *values.shape[-2:])]
    return np.reshape(boxes, (*values.shape[:-2], 4)).astype(np.int64)


def component_boxes(masks: ArrayLike) -> Boxes | list[Boxes]:
    """Return the boxes of all connected components, the largest first: (M, 4) for each mask, in a list for N masks."""
    values = check_masks(masks)
    return boxes_in(values) if values.ndim == 2 else [boxes_in(mask) for mask in values]


def boxes_in(mask: Masks) -> Boxes:
    """Return the boxes (M, 4) of the connected components of one mask, the largest component first."""
    statistics = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[2][1:]
    order = np.argsort(-statistics[:, cv2.CC_STAT_AREA], kind="stable")
    corner, extent = statistics[order, :2], statistics[order, 2:4]
    return np.concatenate([corner, corner + extent], axis=1).astype(np.int64)


def box_mask(boxes: ArrayLike, size: tuple[int, int]) -> Masks:
    """Fill boxes.

    Parameters
    ----------
    boxes : (N, 4) or (4,)
        A pixel is filled if its centre lies in the box. Parts outside of the picture are cut off.
    size : (height, width) in pixels

    Returns
    -------
    bool (N, height, width) or (height, width); `.any(axis=0)` unites the boxes of one image
    """
    left, top, right, bottom = np.moveaxis(check_boxes(boxes)[..., np.newaxis, np.newaxis], -3, 0)
    rows, columns = np.indices(size) + 0.5
    inside: Masks = (left <= columns) & (columns < right) & (top <= rows) & (rows < bottom)
    return inside


def _smooth(one_map: NDArray[np.float64], deviation: float) -> NDArray[np.float64]:
    # From zero, so that a constant map stays exactly constant.
    shifted = one_map - one_map.min()
    return np.asarray(cv2.GaussianBlur(shifted, (0, 0), deviation)) if deviation > 0 else shifted


def _seeds(
    one_map: NDArray[np.float64], lowest: float, foreground: float, background: float
) -> NDArray[np.uint8] | None:
    """GrabCut's first labels, from a map shifted so that its `lowest` value is 0; None if nothing or all is marked."""
    low, high = np.quantile(one_map, (background, foreground))
    alike = ROUNDING * np.ptp(one_map)
    # A sparse map may be zero at both quantiles, a flat one at its maximum.
    marked = (one_map > min(high, one_map.max() - alike)) & (one_map > alike - lowest)
    if marked.all() or not marked.any():
        return None
    seeds = np.full(one_map.shape, cv2.GC_PR_BGD, np.uint8)
    seeds[one_map <= low] = cv2.GC_BGD
    seeds[marked] = cv2.GC_FGD
    return seeds


def _grow(picture: Picture, seeds: NDArray[np.uint8], iterations: int) -> Masks:
    model = np.zeros((1, MODEL_SIZE))
    # OpenCV finds the colours by k-means, whose starts are random: an image must not depend on those before it.
    cv2.setRNGSeed(0)
    cv2.grabCut(np.ascontiguousarray(picture), seeds, None, model, model.copy(), iterations, cv2.GC_INIT_WITH_MASK)
    return np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _largest(mask: Masks) -> Masks:
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    largest: Masks = labels == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax() if count > 1 else mask
    return largest


def _are_constant(maps: NDArray[np.float64]) -> Masks:
    constant: Masks = maps.max(axis=(-2, -1)) == maps.min(axis=(-2, -1))
    return constant


def _about_empty(masks: Masks, reasons: NDArray[np.str_]) -> list[str]:
    """Return what must be said of the masks (..., H, W) that are empty, each for its reason (...)."""
    empty, each = ~masks.any(axis=(-2, -1)).ravel(), np.ravel(reasons)
    said = []
    for reason in dict.fromkeys(each[empty]):
        rows = np.flatnonzero(empty & (each == reason))
        said.append(f"the map of image {name_images(rows)} is {reason}: it marks no place, and its mask is empty")
    return said
