"""Writes pictures that follow each other as an animated GIF.

Pillow encodes it, which comes with matplotlib and is imported only here.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FRAME_MILLISECONDS = 80
LAST_MILLISECONDS = 1500
"""How long the last frame stays before the first is shown again."""


def encode_gif(frames: Sequence[NDArray[np.uint8]]) -> bytes:
    """Return a GIF file of one or more frames, uint8 RGB (H, W, 3) of one size, that repeats for ever.

    GIF has 256 colours a frame, which Pillow chooses for each by itself.
    """
    first, *rest = (Image.fromarray(frame) for frame in frames)
    durations = [FRAME_MILLISECONDS] * len(rest) + [LAST_MILLISECONDS]
    buffer = io.BytesIO()
    first.save(buffer, format="GIF", save_all=True, append_images=rest, duration=durations, loop=0)
    return buffer.getvalue()
