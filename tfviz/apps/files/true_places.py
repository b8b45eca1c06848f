"""Reads where the true place in each picture is: from a folder of masks, or from a table of boxes.

Masks and rows of other pictures may stand there, too, but every picture must have a place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfviz.apps.files.true_boxes import Box, fill_boxes, read_boxes
from tfviz.apps.files.true_masks import find_masks, read_mask
from tfviz.errors import InvalidImagesError

TABLES = (".csv", ".json")


@dataclass(frozen=True)
class TruePlaces:
    """The file of the mask of each image, or its boxes. warnings: about a table."""

    masks: Mapping[Path, Path] = field(default_factory=dict)
    boxes: Mapping[Path, Sequence[Box]] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def mask(self, image: Path, size: tuple[int, int], maximum_bytes: int) -> tuple[NDArray[np.bool_], bool]:
        """Return the mask (H, W) of an image of that size, and whether a file's compression may have made it larger.

        Raises `InvalidImagesError` as `read_mask` and `fill_boxes`.
        """
        if image in self.boxes:
            return fill_boxes(self.boxes[image], image, size), False
        return read_mask(self.masks[image], image, size, maximum_bytes)


def find_true_places(source: Path, images: Sequence[Path]) -> TruePlaces:
    """Return the true places of image files, from a folder of masks or a table of boxes; no mask is read yet.

    Raises `InvalidImagesError` for anything else, and as `find_masks` and `read_boxes`.
    """
    if source.is_dir():
        return TruePlaces(masks=find_masks(source, images))
    if source.suffix.lower() in TABLES:
        boxes, warnings = read_boxes(source, images)
        return TruePlaces(boxes=boxes, warnings=warnings)
    trouble = "is not" if source.exists() else "does not exist; expected"
    raise InvalidImagesError(f"{source} {trouble} a folder of masks or a table of boxes ({', '.join(TABLES)})")
