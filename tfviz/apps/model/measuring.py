"""The preprocessing and the fit of networks that take encoded images, measured by letting them decode some.

Such a network prepares its images in its graph, where nothing says how. So it is given files of one colour, black,
white and red: what it makes of black and white is its pixel range, and red tells the order of its channels. That its
preprocessing is a straight line for each channel is taken for granted; one that standardises every image by itself
makes the same of black and white, and is refused. The fit is found with a picture whose places all differ, by comparing
what the network makes of it with our own ways.

Pictures of 32x32 pixels are tried first, then the sizes that the network insists on; PNG, then JPEG.
"""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np
import tensorflow as tf

from tfviz.apps.files import WAYS_TO_FIT, encode_picture, fit_image
from tfviz.apps.model.example_format import ExampleFormat
from tfviz.apps.model.examples import trial_record
from tfviz.apps.model.preprocessing import Preprocessing, affine_preprocessing
from tfviz.errors import TfvizError, UnsupportedModelError
from tfviz.network.traced import TracedNetwork
from tfviz.results import LUMINANCE

OWN = "the network's own"
TRIAL_SIDE = 32
RED = (255, 0, 0)
TOLERANCE = 4  # of 255: resizing rounds in as many ways as there are libraries, but moves nothing


def measure_preprocessing(
    network: TracedNetwork, examples: ExampleFormat | None
) -> tuple[Preprocessing, tuple[str, ...]]:
    """Return what a network that takes encoded images makes of black, white and red, and what to say of it.

    `examples` are those that it takes them in. Raises `UnsupportedModelError` where it decodes no PNG or JPEG file,
    makes nothing brighter of white than of black, or its images depend on more than the file.
    """
    first: TfvizError | None = None
    decode = network.in_channels_last().decode
    for size, suffix in product(_sizes(network), (".png", ".jpg")):
        records = [_trial(_encoded(color, size, suffix), examples) for color in ((0, 0, 0), (255, 255, 255), RED)]
        try:
            black, white, red = (_centre(decode([record])[0]) for record in records)
        except TfvizError as error:
            first = first or error
            continue
        if not (white > black).all():
            raise UnsupportedModelError(
                f"what the network makes of black and white is not known at {network.cut}: say it with --preprocess"
            )
        order = "grey" if len(red) == 1 else "rgb" if red[0] - black[0] > red[-1] - black[-1] else "bgr"
        return affine_preprocessing(OWN, black, white, order=order), ()
    raise UnsupportedModelError(
        f"the network decodes no PNG or JPEG file ({first}); a signature that takes them inside of something else "
        "than serialised Examples is explained in Python"
    ) from first


def measure_fit(
    network: TracedNetwork, examples: ExampleFormat | None, preprocessing: Preprocessing, size: tuple[int, int]
) -> str:
    """Return which of `WAYS_TO_FIT` is how a network brings the images that it decodes to its size, or `OWN`.

    examples: the format of the Examples that it takes pictures in, None for image files. The picture is twice as high
    and three times as wide as `size`, so that cropping and stretching differ; a network that refuses it is given one of
    its own size, which both leave alone. Results are compared as pictures, and may differ by `TOLERANCE` on average.
    """
    image = None
    # One that takes pictures of its own size alone fits none.
    for rows, columns in ((2 * size[0], 3 * size[1]), size):
        picture = _shaded(rows, columns)
        try:
            image = network.in_channels_last().decode([_trial(encode_picture(picture), examples)])[0]
            break
        except TfvizError:
            continue
    if image is None:
        return OWN
    seen = preprocessing.pictures(image).astype(np.float32)
    # The nearest: crop and cover differ by little more than the tolerance. Of equal ones, the one that keeps most.
    nearest, least = OWN, float(TOLERANCE)
    for how in reversed(WAYS_TO_FIT):
        fitted = fit_image(picture, size, how)
        if preprocessing.order == "grey":
            fitted = np.rint(fitted @ LUMINANCE)[..., np.newaxis]
        if seen.shape[:2] == fitted.shape[:2] and (difference := np.abs(seen - fitted).mean()) < least:
            nearest, least = how, difference
    return nearest


def _trial(encoded: bytes, examples: ExampleFormat | None) -> bytes:
    """Return an encoded picture as the network takes it; raise `UnsupportedModelError` if it says too little."""
    if examples is None:
        return encoded
    if others := [name for name in examples.required if name in examples.beside]:
        raise UnsupportedModelError(
            f"the network's images depend on {', '.join(map(repr, others))} beside {examples.picture!r} in an Example, "
            "so that what it makes of black and white cannot be measured: say it with --preprocess"
        )
    return trial_record(encoded, examples)


def _sizes(network: TracedNetwork) -> list[tuple[int, int]]:
    """Return the heights and widths of pictures to try: any, then those that the network may insist on."""
    found = [network.image_shape[:2]]
    decoding = network.inputs.decoding
    for step in decoding.program.all_steps() if decoding else ():
        if step.type == "EnsureShape":
            shape = tf.TensorShape(step.operation.get_attr("shape"))
            found.append(tuple(shape[-3:-1]) if (shape.rank or 0) > 2 else (None, None))
    return [
        (TRIAL_SIDE, TRIAL_SIDE),
        *dict.fromkeys((int(height), int(width)) for height, width in found if height and width),
    ]


def _shaded(height: int, width: int) -> np.ndarray:
    """Return a picture, uint8 (height, width, 3), whose places all differ."""
    rows, columns = np.mgrid[0:height, 0:width]
    shades = [rows * 255 // height, columns * 255 // width, (rows + columns) * 255 // (height + width)]
    return np.stack(shades, axis=-1).astype(np.uint8)


def _encoded(color: tuple[int, int, int], size: tuple[int, int], suffix: str) -> bytes:
    """Return a picture of one colour as a file."""
    encoded: bytes = cv2.imencode(suffix, np.full((*size, 3), color[::-1], np.uint8))[1].tobytes()
    return encoded


def _centre(image: np.ndarray) -> np.ndarray:
    """Return the pixel (C,) in the middle of an image."""
    return np.asarray(image[image.shape[0] // 2, image.shape[1] // 2])
