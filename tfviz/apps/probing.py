"""Networks that take encoded images: what they make of the pixels, found by letting them decode some."""

from __future__ import annotations

import cv2
import numpy as np

from tfviz.apps.images import WAYS_TO_FIT, fit_image
from tfviz.apps.preprocessing import LUMINANCE, Preprocessing, affine_preprocessing
from tfviz.errors import TfvizError, UnsupportedModelError
from tfviz.network.traced import TracedNetwork

OWN = "the network's own"
SIDE = 32
RED = (255, 0, 0)
TOLERANCE = 4  # of 255: resizing rounds in as many ways as there are libraries, but moves nothing


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
        raise UnsupportedModelError(
            f"the network decodes no PNG or JPEG file ({last}); a signature that takes them inside of something else, "
            "as serialised Examples do, is explained in Python"
        ) from last
    said = f"what the network makes of black and white is not known at {network.cut}: say it with --preprocess"
    raise UnsupportedModelError(said)


def measure_fit(network: TracedNetwork, preprocessing: Preprocessing, size: tuple[int, int]) -> str:
    """Return which of `WAYS_TO_FIT` is how a network brings the images that it decodes to its size, or `OWN`."""
    height, width = size
    rows, columns = np.mgrid[0 : 2 * height, 0 : 3 * width]
    shades = [
        rows * 255 // (2 * height),
        columns * 255 // (3 * width),
        (rows + columns) * 255 // (2 * height + 3 * width),
    ]
    picture = np.stack(shades, axis=-1).astype(np.uint8)
    try:
        image = network.decode([cv2.imencode(".png", picture[..., ::-1])[1].tobytes()])[0]
    except TfvizError:
        return OWN
    seen = preprocessing.pictures(image).astype(np.float32)
    for how in reversed(WAYS_TO_FIT):
        fitted = fit_image(picture, size, how)
        if preprocessing.order == "grey":
            fitted = np.rint(fitted @ LUMINANCE)[..., np.newaxis]
        if seen.shape[:2] == fitted.shape[:2] and np.abs(seen - fitted).mean() < TOLERANCE:
            return how
    return OWN


def _decoded(network: TracedNetwork, color: tuple[int, int, int], suffix: str) -> np.ndarray:
    """Return the input (C,) that the network makes of a picture of one colour."""
    picture = np.full((SIDE, SIDE, 3), color[::-1], np.uint8)
    image = network.decode([cv2.imencode(suffix, picture)[1].tobytes()])[0]
    return np.asarray(image[image.shape[0] // 2, image.shape[1] // 2])
