"""Finds how colours are correlated in pictures: the user's, or the demo's.

An ascent uses the colours of pictures that the network knows. Their statistics are of single pixels, which small
pictures show as well as large ones, and taken after preprocessing, in units of the network's pixel range and in the
order of its channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfviz.apps.files import fit_image, read_image
from tfviz.apps.model import Preprocessing
from tfviz.demo import generate
from tfviz.limits import MAXIMUM_IMAGE_BYTES
from tfviz.methods.visualization import ColorStatistics, color_statistics

DEMO_PICTURES = 64
SIZE = (64, 64)
"""Pictures are read at this size, which is enough to tell their colours."""


def find_color_statistics(
    preprocessing: Preprocessing, paths: Sequence[Path] = (), *, maximum_bytes: int = MAXIMUM_IMAGE_BYTES
) -> ColorStatistics:
    """Return the statistics of the pictures in files, in the network's input space; of the demo's pictures if none.

    maximum_bytes: see `decode_image`.
    """
    if paths:
        pictures = np.stack([fit_image(read_image(path, maximum_bytes=maximum_bytes), SIZE) for path in paths])
    else:
        pictures = generate(DEMO_PICTURES, seed=0).images
    return color_statistics(preprocessing(pictures), preprocessing.pixel_range)
