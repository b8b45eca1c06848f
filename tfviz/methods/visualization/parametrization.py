"""Parametrizations: what the ascent changes, and how an image is made of it.

`pixels` changes the image itself, in units of the pixel range, so that a recipe means the same under any preprocessing.
`fourier` changes the spectrum of decorrelated colours, scaled as the spectra of natural pictures, so that a step
changes all frequencies and colours in proportion. A sigmoid then keeps the image within the pixel range, which is why
black and white are only approached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfviz.methods.visualization.colors import Colors

SMALLEST = 1e-3
"""Black becomes this and white one minus it; a sigmoid reaches 0 and 1 only at infinity."""


@dataclass(frozen=True)
class Parametrization:
    """Parameters of images, as data.

    shape: of the parameters of an image (H, W, C). decode(parameters, colors, shape): the images (N, H, W, C) in the
    network's input space. encode(images, colors): their parameters.
    """

    shape: Callable[[Sequence[int]], tuple[int, ...]]
    decode: Callable[[tf.Tensor, Colors, Sequence[int]], tf.Tensor]
    encode: Callable[[tf.Tensor, Colors], tf.Tensor]


def frequencies(height: int, width: int) -> np.ndarray:
    """Return the spatial frequency (H, W // 2 + 1), in cycles per pixel, of each number in a half spectrum.

    The mean of the image counts as the lowest frequency there is.
    """
    lengths = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
    return np.asarray(np.maximum(lengths, 1 / max(height, width)))


def amplitudes(height: int, width: int) -> np.ndarray:
    """Return the standard deviation (H, W // 2 + 1) of the numbers of a half spectrum in pictures of variance 1.

    It falls as 1/frequency, as in natural pictures (Field 1987): a spectrum of unit normal numbers, times this, is a
    picture whose pixels have the variance 1.
    """
    falling = 1 / frequencies(height, width)
    # Columns that have a mirror column in the full spectrum stand for two of its numbers.
    own_mirror = np.isin(np.arange(falling.shape[1]), (0, width / 2))
    total = np.sum(np.square(falling) * np.where(own_mirror, 1, 2))
    # A column that is its own mirror loses half of its variance when the image is made real.
    return np.asarray(falling * np.where(own_mirror, np.sqrt(2), 1) * height * width / np.sqrt(2 * total))


def _decode_spectrum(spectrum: tf.Tensor, colors: Colors, shape: Sequence[int]) -> tf.Tensor:
    """Return the images of spectra (N, C, H, W // 2 + 1, 2): within the pixel range, the mean colour for zero.

    An inverse transform gives a plane for each independent colour, the root of the covariance mixes them into channels,
    and a sigmoid around the mean colour bounds these.
    """
    height, width, _ = shape
    scaled = spectrum * tf.constant(amplitudes(height, width)[..., np.newaxis], tf.float32)
    planes = tf.signal.irfft2d(tf.complex(*tf.unstack(scaled, axis=-1)), [height, width])
    # The slope of the sigmoid at the mean is mean · (1 − mean): small deviations stay what they are.
    deviations = tf.einsum("nchw,cd->nhwd", planes, colors.root / (colors.mean * (1 - colors.mean)))
    middle = tf.math.log(colors.mean / (1 - colors.mean))
    return colors.low + colors.span * tf.sigmoid(middle + deviations)


def _encode_spectrum(images: tf.Tensor, colors: Colors) -> tf.Tensor:
    """Return the spectra of images, the inverse of `_decode_spectrum`; values beyond the range are clipped."""
    shares = tf.clip_by_value((images - colors.low) / colors.span, SMALLEST, 1 - SMALLEST)
    middle = tf.math.log(colors.mean / (1 - colors.mean))
    deviations = (tf.math.log(shares / (1 - shares)) - middle) * colors.mean * (1 - colors.mean)
    spectrum = tf.signal.rfft2d(tf.einsum("nhwd,dc->nchw", deviations, tf.linalg.inv(colors.root)))
    scaled = tf.stack([tf.math.real(spectrum), tf.math.imag(spectrum)], axis=-1)
    height, width = images.shape[1:3]
    return scaled / tf.constant(amplitudes(height, width)[..., np.newaxis], tf.float32)


PARAMETRIZATIONS = {
    # The image itself, in units of the pixel range.
    "pixels": Parametrization(
        shape=tuple,
        decode=lambda pixels, colors, shape: pixels * colors.span,
        encode=lambda images, colors: images / colors.span,
    ),
    # Real and imaginary parts (C, H, W // 2 + 1, 2) of the spectra of decorrelated colours, in units of `amplitudes`.
    "fourier": Parametrization(
        shape=lambda shape: (shape[2], shape[0], shape[1] // 2 + 1, 2),
        decode=_decode_spectrum,
        encode=_encode_spectrum,
    ),
}
