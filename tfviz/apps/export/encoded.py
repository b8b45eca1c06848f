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
from tfviz.apps.files import CROP_FRACTION, check_fit
from tfviz.apps.model import Preprocessing
from tfviz.results import LUMINANCE


@dataclass(frozen=True)
class Decoder:
    """Makes images from encoded files.

    size: height and width of the network's images. fit: one of `tfviz.apps.files.WAYS_TO_FIT`.
    """

    preprocessing: Preprocessing
    size: tuple[int, int]
    fit: str

    def __post_init__(self) -> None:
        check_fit(self.fit)

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
        pixels, size = tf.cast(picture, tf.float32), tf.constant(self.size)
        if self.fit == "stretch":
            return _resized(pixels, size)

        def cropped() -> tf.Tensor:
            sides, wanted = tf.cast(tf.shape(pixels)[:2], tf.float64), tf.cast(size, tf.float64)
            scale = tf.reduce_max(wanted / (CROP_FRACTION * sides))
            kept = _centre(pixels, tf.cast(tf.math.ceil(4 * wanted / scale), tf.int32))
            resized = tf.round(tf.cast(tf.shape(kept)[:2], tf.float64) * scale)
            return _centre(_resized(kept, tf.cast(resized, tf.int32)), size)

        # A picture that already has that size was made for the network.
        fits = tf.reduce_all(tf.shape(pixels)[:2] == size)
        return tf.ensure_shape(tf.cond(fits, lambda: pixels, cropped), [*self.size, 3])

    def _preprocessed(self, pixels: tf.Tensor) -> tf.Tensor:
        """Return the network's image of a picture: on the straight line from the input of black to that of white."""
        order = self.preprocessing.order
        if order == "grey":
            pixels = tf.round(tf.reduce_sum(pixels * LUMINANCE, axis=-1, keepdims=True))
        low, high = self.preprocessing.pixel_range
        slope = (high.astype(np.float64) - low) / 255
        return (pixels[..., ::-1] if order == "bgr" else pixels) * slope.astype(np.float32) + low


def _resized(pixels: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Return pixels of another height and width: sides shrink by area, then grow by linear interpolation."""
    shrunk = tf.minimum(tf.shape(pixels)[:2], size)
    smaller = tf.round(tf.image.resize(pixels, shrunk, "area"))
    return tf.round(tf.image.resize(smaller, size, "bilinear"))


def _centre(pixels: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Return the centre of pixels, of at most that size."""
    kept = tf.minimum(tf.shape(pixels)[:2], size)
    top, left = tf.unstack((tf.shape(pixels)[:2] - kept) // 2)
    return pixels[top : top + kept[0], left : left + kept[1]]
