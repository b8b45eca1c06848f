"""Signed evidence inside a place: positive values speak for the target, negative ones against it.

Localising reduces attributions to one unsigned number per pixel, and so can box what speaks against the class. These
functions look again with the sign: a place whose box sums to zero or less is not evidence for the target. It is the box
that is summed, not the mask, because a mask can run around the middle of an object as a ring of pixels that all speak
for it. Only methods whose sign means evidence can be judged like this (`tfviz.methods.engine.SIGNS`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, name_images
from tfviz.errors import InvalidImagesError, emit_warnings
from tfviz.results.checks import Masks, check_attributions, check_maps, check_masks
from tfviz.results.localize import box_mask, largest_box


def evidence_inside(found: ArrayLike, masks: ArrayLike) -> Doubles:
    """Sum what a method found in the box of each mask: above zero if it speaks for the target more than against it.

    Parameters
    ----------
    found : maps (N, H, W) or (H, W), or attributions (N, H, W, C) or (H, W, C)
        Of a method whose sign means evidence, see `tfviz.methods.engine.SIGNS`: the sum of a gradient means nothing.
    masks : bool (N, H, W) or (H, W)

    Returns
    -------
    float64 (N,) or (), in the unit of `found`; 0 for an empty mask

    Raises
    ------
    InvalidImagesError
        For masks that are not bool, or not of the images' number, height and width; for NaN or infinite values.
    """
    places = check_masks(masks)
    has_channels = np.ndim(found) > places.ndim
    values = check_attributions(found).sum(axis=-1) if has_channels else check_maps(found)
    if values.shape != places.shape:
        raise InvalidImagesError(
            f"expected one mask per image, of the same height and width, got {places.shape} for {np.shape(found)}"
        )
    inside = values * box_mask(largest_box(places), places.shape[-2:])
    return np.asarray(inside.sum(axis=(-2, -1)))


def supported_mask(masks: ArrayLike, found: ArrayLike) -> Masks:
    """Empty the masks whose box holds no more evidence for the target than against it.

    Parameters
    ----------
    masks, found
        As `evidence_inside` takes them.

    Returns
    -------
    bool, the shape of `masks`. A `TfvizWarning` names the images whose masks were emptied.
    """
    places = check_masks(masks)
    supported = evidence_inside(found, places) > 0
    kept: Masks = places & supported[..., np.newaxis, np.newaxis]
    opposed = np.flatnonzero(~supported & places.any(axis=(-2, -1)))
    if len(opposed):
        evidence = "no more evidence for the target than against it: the mask is left empty"
        emit_warnings([f"the box around the mask of image {name_images(opposed)} holds {evidence}"])
    return kept
