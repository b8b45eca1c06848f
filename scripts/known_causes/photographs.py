"""Photographs with their classes, as a network of 227 x 227 pixels in BGR takes them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

MEAN = np.array([104, 117, 123], np.float32)  # of blue, green, red
SIDE, SHORTER = 227, 256


def photograph(path: Path) -> NDArray[np.float32]:
    """Return a picture of which the shorter side becomes 256 pixels, the centre 227, and the mean is taken off."""
    picture = cv2.imread(str(path))
    scale = SHORTER / min(picture.shape[:2])
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = ((size - SIDE) // 2 for size in picture.shape[:2])
    return picture[top : top + SIDE, left : left + SIDE].astype(np.float32) - MEAN


def labelled_photographs(folder: Path, most: int | None = None) -> tuple[list[str], NDArray[np.float32], list[int]]:
    """Return the names, images (N, 227, 227, 3) and classes of the pictures that `labels.json` in a folder names."""
    labels = json.loads((folder / "labels.json").read_text())
    names = sorted(name for name in labels if (folder / name).is_file())[:most]
    classes = [labels[name] if isinstance(labels[name], int) else labels[name]["class"] for name in names]
    return names, np.stack([photograph(folder / name) for name in names]), classes
