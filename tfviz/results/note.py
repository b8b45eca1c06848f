"""Writes a note over a picture that has nothing else to show, such as that of a map without any evidence.

A dark picture without a word could be taken for a failure, or for a map that is low everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tfviz.arrays import Picture
from tfviz.results.grid import FONT, SMALLEST_SCALE
from tfviz.results.pictures import grey_picture, rounded

ALL_ZERO = ("all zero", "zero", "0")
"""From the longest to the shortest, for pictures of ever fewer pixels."""
NOTHING_OF_SIGN = {
    "positive": ("nothing positive", "none > 0", "<= 0"),
    "negative": ("nothing negative", "none < 0", ">= 0"),
}
DIMMED = 0.4  # of the brightness, which leaves white letters a contrast of at least 5
WIDTH, HEIGHT = 0.6, 0.1  # of the picture: what the letters take, unless they could not be read
WHITE = (255, 255, 255)


def note_of(values: NDArray[np.floating], shown: str) -> Sequence[str]:
    """Return why nothing is seen of a map or attributions, of which `shown` is seen: ``"positive"``, ``"both"``, ...

    From the longest wording to the shortest; empty if there is something to see.
    """
    if not values.any():
        return ALL_ZERO
    sign = {"positive": 1, "negative": -1}.get(shown)
    return NOTHING_OF_SIGN[shown] if sign and not (sign * values > 0).any() else ()


def noted(picture: Picture, wordings: Sequence[str]) -> Picture:
    """Return a picture (H, W, 3) in dark grey, with the longest of the wordings that fits in it."""
    dark = rounded(DIMMED * grey_picture(picture))
    height, width = dark.shape[:2]
    for text in wordings:
        (wide, high), _ = cv2.getTextSize(text, FONT, 1, 1)
        scale = max(SMALLEST_SCALE, min(WIDTH * width / wide, HEIGHT * height / high))
        (wide, high), below = cv2.getTextSize(text, FONT, scale, 1)
        if wide <= width and high + below <= height:
            place = ((width - wide) // 2, (height + high) // 2)
            cv2.putText(dark, text, place, FONT, scale, WHITE, 1, cv2.LINE_AA)
            break
    return dark
