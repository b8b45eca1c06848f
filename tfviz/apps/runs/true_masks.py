"""Brings true places to the network as its images are: cut out alike, and resized to the nearest pixel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfviz.apps.files import WAYS_TO_FIT, TruePlaces, decode_image, fit_image, read_bytes
from tfviz.apps.model import Sample, Setup, picture_in
from tfviz.demo import generate
from tfviz.errors import InvalidImagesError, UnsupportedModelError
from tfviz.results import Masks

SAMPLE_SEED, SAMPLE_CANDIDATES = 3, 100
"""The pictures that the embedded samples are taken from, as `scripts/train_demo.py` has them."""


def true_mask(setup: Setup, path: Path, sample: Sample, places: TruePlaces) -> tuple[Masks, bool]:
    """Return the mask (H, W) of an image as the network takes it, and whether a file's compression may have grown it.

    Raises `InvalidImagesError` as `TruePlaces.mask`, and if nothing is left of it, and `UnsupportedModelError` if the
    network brings pictures to its size in a way of its own.
    """
    limit = setup.maximum_image_bytes
    content = picture_in(read_bytes(path, limit), setup.examples)
    picture = decode_image(content, path, maximum_bytes=limit, depth=setup.depth).image
    mask, is_grown = places.mask(path, picture.shape[:2], limit)
    height, width = size = sample.picture.shape[:2]
    if mask.shape != size:
        if setup.fit not in WAYS_TO_FIT or size != setup.size:
            raise UnsupportedModelError(
                f"the network brings {path} to its size in a way of its own, which its mask cannot follow: give "
                f"pictures of {width}x{height} pixels"
            )
        mask = fit_image(mask.astype(np.uint8), size, setup.fit, interpolation="nearest").astype(bool)
    if not mask.any():
        raise InvalidImagesError(
            f"nothing is left of the true place in {path}: it lies outside of what --fit {setup.fit} keeps, or is "
            f"smaller than a pixel of {width}x{height}"
        )
    return mask, is_grown


def sample_masks(pictures: Sequence[NDArray[np.uint8]]) -> Masks:
    """Return the true masks (N, H, W) of embedded sample pictures, which are found among those that they come from.

    They are found by their nearest: a later NumPy may round a shade otherwise.
    """
    made = generate(SAMPLE_CANDIDATES, SAMPLE_SEED)
    nearest = [int(np.abs(made.images - each.astype(np.float32)).mean(axis=(1, 2, 3)).argmin()) for each in pictures]
    return made.masks[nearest]
