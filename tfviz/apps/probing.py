"""Networks that take encoded images: what they make of the pixels, found by letting them decode some."""

from __future__ import annotations

import cv2
import numpy as np

from tfviz.apps.preprocessing import Preprocessing, affine_preprocessing
from tfviz.errors import TfvizError, UnsupportedModelError
from tfviz.network.traced import TracedNetwork

OWN = "the network's own"
SIDE = 32
RED = (255, 0, 0)


def measure_preprocessing(network: TracedNetwork) -> tuple[Preprocessing, tuple[str, ...]]:
    """Return what a network that takes encoded images makes of black, white and red, and what to say of it.

    Raises `UnsupportedModelError` where it decodes no PNG or JPEG file, as one that takes serialised Examples.
    """
    last: TfvizError | None = None
    for suffix in (".png", ".jpg"):
        try:
            black, white, red = (_decoded(network, color, suffix) for color in ((0, 0, 0), (255, 255, 255), RED))
        except TfvizError as error:
            last = error
            continue
        if not (white > black).all():
            break
        order = "grey" if len(red) == 1 else "rgb" if red[0] - black[0] > red[-1] - black[-1] else "bgr"
        return affine_preprocessing(OWN, black, white, order=order), ()
    if last is not None:
        raise UnsupportedModelError(f"the network decodes no PNG or JPEG file: {last}") from last
    said = f"what the network makes of black and white is not known at {network.cut}: say it with --preprocess"
    raise UnsupportedModelError(said)


def _decoded(network: TracedNetwork, color: tuple[int, int, int], suffix: str) -> np.ndarray:
    """Return the input (C,) that the network makes of a picture of one colour."""
    picture = np.full((SIDE, SIDE, 3), color[::-1], np.uint8)
    image = network.decode([cv2.imencode(suffix, picture)[1].tobytes()])[0]
    return np.asarray(image[image.shape[0] // 2, image.shape[1] // 2])
