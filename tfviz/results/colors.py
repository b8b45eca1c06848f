"""Colour maps by name: tables from a map's value to an RGB colour."""

from __future__ import annotations

import cv2
import numpy as np

from tfviz.results.checks import Picture, pick

# OpenCV's constants say which colour maps this OpenCV has: jet, turbo, viridis, hot, bone and others.
OPENCV_CODES: dict[str, int] = {
    name.removeprefix("COLORMAP_").lower(): getattr(cv2, name) for name in dir(cv2) if name.startswith("COLORMAP_")
}
DIVERGING = "blue_white_red"
COLORMAPS = (DIVERGING, *OPENCV_CODES)
STEPS = 255


def color_table(name: str) -> Picture:
    """RGB colours (256, 3) of the values 0..1, or (511, 3) of the values -1..1 for the diverging colour map."""
    pick("colour map", name, dict.fromkeys(COLORMAPS))
    if name == DIVERGING:
        rising = np.minimum(np.arange(2 * STEPS + 1), STEPS)
        falling = rising[::-1]
        return np.stack([rising, np.minimum(rising, falling), falling], axis=-1).astype(np.uint8)
    ramp = np.arange(STEPS + 1, dtype=np.uint8)[:, np.newaxis]
    return np.asarray(cv2.applyColorMap(ramp, OPENCV_CODES[name])[:, 0, ::-1], np.uint8)
