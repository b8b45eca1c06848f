"""Draws boxes and the outlines of masks on pictures.

A line lies between two black ones, so that it can be seen on any background, and grows with the picture. It runs along
the outermost pixels inside its box or mask. Small pictures can be enlarged first, since even a line of one pixel is
coarse on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.arrays import Picture
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results.checks import Masks, check_boxes, check_masks, check_pictures, check_same_shape

BOX_COLOR = (255, 230, 0)
MASK_COLOR = (255, 255, 255)
EDGE_COLOR = (0, 0, 0)
LINES_A_SIDE = 180
"""The number of lines, side by side, that would fill the shorter side of a picture."""


def outline(
    pictures: ArrayLike,
    *,
    boxes: Sequence[Any] | NDArray[Any] | None = None,
    masks: ArrayLike | None = None,
    enlarge: int = 1,
) -> Picture:
    """Draw boxes (yellow) and the outlines of masks (white) on pictures, each line between two black ones.

    Parameters
    ----------
    pictures : uint8 (N, H, W, 3) or (H, W, 3)
    boxes : N arrays (4,) or (M, 4), optional
        One or several boxes per image, as `tfviz.results.localize` returns them; without N for a single picture. Empty
        ones are left out.
    masks : bool (N, H, W) or (H, W), optional
        Drawn along the outermost pixels of the masks.
    enlarge : int
        Each pixel first becomes a square with sides of this many pixels, for finer lines on small pictures.

    Returns
    -------
    uint8 (N, H, W, 3) or (H, W, 3), `enlarge` times as high and wide

    Raises
    ------
    InvalidImagesError
        For boxes or masks whose number or size does not fit the pictures.
    TfvizError
        If `enlarge` is below 1.
    """
    shown = check_pictures(pictures)
    if enlarge < 1:
        raise TfvizError(f"enlarge must be 1 or more, got {enlarge}")
    drawn = _enlarged(shown, enlarge, axes=(-3, -2))
    canvases = drawn.reshape(-1, *drawn.shape[-3:])
    if masks is not None:
        found = check_masks(masks)
        check_same_shape(shown[..., 0], found)
        outlined = _enlarged(found, enlarge, axes=(-2, -1))
        for canvas, mask in zip(canvases, outlined.reshape(-1, *outlined.shape[-2:]), strict=True):
            _draw(canvas, _contours(mask), MASK_COLOR)
    if boxes is not None:
        rows = [boxes] if drawn.ndim == 3 else list(boxes)
        if len(rows) != len(canvases):
            raise InvalidImagesError(f"expected the boxes of {len(canvases)} pictures, got those of {len(rows)}")
        for canvas, row in zip(canvases, rows, strict=True):
            _draw(canvas, _corners(check_boxes(row).reshape(-1, 4) * enlarge), BOX_COLOR)
    return drawn


def _enlarged(values: NDArray[Any], times: int, axes: tuple[int, int]) -> NDArray[Any]:
    """A copy whose pixels are repeated."""
    return np.repeat(np.repeat(values, times, axis=axes[0]), times, axis=axes[1])


def _contours(mask: Masks) -> list[NDArray[np.int32]]:
    found = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
    return [np.asarray(contour, np.int32) for contour in found]


def _corners(boxes: NDArray[np.float64]) -> list[NDArray[np.int32]]:
    """The outermost pixels in each box that is not empty, as closed lines."""
    edges = np.rint(boxes).astype(np.int32) - (0, 0, 1, 1)
    return [
        np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.int32)
        for left, top, right, bottom in edges
        if left <= right and top <= bottom
    ]


def _draw(canvas: Picture, lines: list[NDArray[np.int32]], color: tuple[int, int, int]) -> None:
    """Draw closed lines on a canvas, in place: a colour between two lines of black, wider on a larger canvas."""
    width = max(1, round(min(canvas.shape[:2]) / LINES_A_SIDE))
    cv2.polylines(canvas, lines, True, EDGE_COLOR, width + 2)
    cv2.polylines(canvas, lines, True, color, width)
