"""Makes a network's images from encoded files inside of a TensorFlow graph, as `tfviz explain` does from files.

It is the same sequence as outside: decode, fit to the network's size, preprocess. Pixels are rounded to integers after
each step, as OpenCV's are; what differs are single steps of 255 where kernels round otherwise. Preprocessing is applied
as a straight line per channel, between the inputs of black and of white.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfviz.apps.export.decoding import decode_in_graph
from tfviz.apps.files import CROP_FRACTION, KERAS, check_fit, check_interpolation
from tfviz.apps.model import Preprocessing
from tfviz.results import LUMINANCE


@dataclass(frozen=True)
class Decoder:
    """Makes images from encoded files.

    size: height and width of the network's images. fit, interpolation: as `tfviz.apps.files.fit_image` takes them.
    """

    preprocessing: Preprocessing
    size: tuple[int, int]
    fit: str
    interpolation: str = KERAS

    def __post_init__(self) -> None:
        check_fit(self.fit)
        check_interpolation(self.interpolation)

    def __call__(self, encoded: tf.Tensor) -> tf.Tensor:
        """Return the images, float32 (N, H, W, C), of encoded JPEG, PNG, BMP or GIF files (N,).

        They equal those of `read_image`, `fit_image` and the preprocessing, except for single steps of 255 where a
        kernel of TensorFlow rounds otherwise than OpenCV's.
        """
        channels = len(self.preprocessing.pixel_range[0])
        spec = tf.TensorSpec([*self.size, channels], tf.float32)
        return tf.map_fn(
            lambda each: self._preprocessed(self._fitted(decode_in_graph(each))), encoded, fn_output_signature=spec
        )

    def _fitted(self, picture: tf.Tensor) -> tf.Tensor:
        """Return a picture, uint8 (H, W, 3), at the network's size, as integers in float32; see `fit_image`."""
        pixels = tf.cast(picture, tf.float32)
        if self.fit != "stretch":
            # A picture that already has that size was made for the network.
            fits = tf.reduce_all(tf.shape(pixels)[:2] == self.size)
            fraction = CROP_FRACTION if self.fit == "crop" else 1.0
            pixels = tf.cond(fits, lambda: pixels, lambda: _centre(pixels, self.size, fraction))
        return tf.ensure_shape(RESIZERS[self.interpolation](pixels, tf.constant(self.size)), [*self.size, 3])

    def _preprocessed(self, pixels: tf.Tensor) -> tf.Tensor:
        """Return the network's image of a picture: on the straight line from the input of black to that of white."""
        order = self.preprocessing.order
        if order == "grey":
            pixels = tf.round(tf.reduce_sum(pixels * LUMINANCE, axis=-1, keepdims=True))
        low, high = self.preprocessing.pixel_range
        slope = (high.astype(np.float64) - low) / 255
        return (pixels[..., ::-1] if order == "bgr" else pixels) * slope.astype(np.float32) + low


def _centre(pixels: tf.Tensor, size: tuple[int, int], fraction: float) -> tf.Tensor:
    """Cut out of pixels `fraction` of the largest centre that has the proportions of `size`."""
    (height, width), (rows, columns) = tf.unstack(tf.shape(pixels)[:2]), size
    largest = tf.minimum([height, width], [width * rows // columns, height * columns // rows])
    kept = tf.maximum(tf.cast(tf.round(fraction * tf.cast(largest, tf.float64)), tf.int32), 1)
    top, left = tf.unstack((tf.shape(pixels)[:2] - kept) // 2)
    return pixels[top : top + kept[0], left : left + kept[1]]


def _linear(pixels: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Interpolate between the four nearest pixels."""
    return tf.round(tf.image.resize(pixels, size, "bilinear"))


def _antialiased(pixels: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Interpolate over as many pixels as become one where sides shrink."""
    return tf.round(tf.image.resize(pixels, size, "bilinear", antialias=True))


def _area(pixels: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Average the sides that shrink by area, then let the others grow by linear interpolation."""
    shrunk = tf.minimum(tf.shape(pixels)[:2], size)
    return _linear(tf.round(tf.image.resize(pixels, shrunk, "area")), size)


def _nearest(pixels: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Take the pixel at the centre of each."""
    for axis in (0, 1):
        # Where a centre lies between two pixels, the last bit chooses: Pillow adds step to step, and TensorFlow makes a
        # division by a constant a product unless it may be by zero.
        step = tf.math.divide_no_nan(tf.cast(tf.shape(pixels)[axis], tf.float64), tf.cast(size[axis], tf.float64))
        places = tf.cumsum(tf.concat([[step / 2], tf.fill([size[axis] - 1], step)], axis=0))
        pixels = tf.gather(pixels, tf.cast(places, tf.int32), axis=axis)
    return pixels


RESIZERS = {KERAS: _linear, "bilinear": _antialiased, "area": _area, "nearest": _nearest}
"""What `tfviz.apps.files.INTERPOLATIONS` does, in a graph: integers in float32, of another height and width."""
