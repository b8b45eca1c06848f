"""The colours of pictures: what black and white are to a network, and how the channels of a pixel are correlated.

The channels of pictures are correlated. The square root of their covariance turns independent channels into such ones,
so that an ascent can change the independent ones and still make the colours of pictures. Without statistics the
channels count as independent and evenly distributed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfviz.arrays import Doubles
from tfviz.errors import InvalidImagesError
from tfviz.methods.engine import check_pixel_range

SMALLEST_SHARE = 1e-3
"""Share of the largest variance that every colour has at least: of grey pictures the root would have no inverse."""
PALEST = 0.01
"""Least distance, in parts of the pixel range, of the mean colour from black and white, where the logit is infinite."""


@dataclass(frozen=True)
class ColorStatistics:
    """Mean (C,) and covariance (C, C) of the colours of pixels, black as 0 and white as 1."""

    mean: Doubles
    covariance: Doubles

    def __post_init__(self) -> None:
        """Raise `InvalidImagesError` unless they are finite numbers of these shapes."""
        try:
            mean, covariance = (np.asarray(each, np.float64) for each in (self.mean, self.covariance))
        except (TypeError, ValueError) as error:
            raise InvalidImagesError("the color statistics are not numbers, expected arrays (C,) and (C, C)") from error
        if mean.ndim != 1 or covariance.shape != 2 * mean.shape:
            raise InvalidImagesError(
                f"the color statistics have a mean {mean.shape} and a covariance {covariance.shape}, expected (C,) and "
                "(C, C)"
            )
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise InvalidImagesError("the color statistics hold NaN or infinity")

    @property
    def root(self) -> np.ndarray:
        """The symmetric square root (C, C) of the covariance."""
        variances, axes = np.linalg.eigh(self.covariance)
        deviations = np.sqrt(np.maximum(variances, SMALLEST_SHARE * variances.max()))
        return np.asarray((axes * deviations) @ axes.T, np.float32)


class Colors(NamedTuple):
    """The input of black and of white (C,), the mean colour (C,) in 0..1, and the root (C, C) of the covariance."""

    low: tf.Tensor
    high: tf.Tensor
    mean: tf.Tensor
    root: tf.Tensor

    @property
    def span(self) -> tf.Tensor:
        """The pixel range (C,)."""
        return self.high - self.low

    @property
    def middle(self) -> tf.Tensor:
        """The input (C,) of the mean colour."""
        return self.low + self.span * self.mean


def color_statistics(images: Any, pixel_range: tuple[Any, Any] = (0, 255)) -> ColorStatistics:
    """Return the statistics of the colours in images (N, H, W, C), as `feature_visualization` takes them.

    Parameters
    ----------
    images
        Pictures of the kind that the network was trained on, with the channels in the network's order: uint8, or its
        preprocessed input.
    pixel_range
        What black and white are in these images: two numbers, or two arrays (C,).

    Returns
    -------
    ColorStatistics
        Mean and covariance of single pixels, with black as 0 and white as 1.

    Raises
    ------
    InvalidImagesError
        The images have another shape, leave the pixel range by more than 1 %, or have only one colour; or the range is
        invalid.
    """
    values = np.asarray(images)
    if values.ndim != 4 or values.size == 0:
        raise InvalidImagesError(f"images have the shape {values.shape}, expected (N, height, width, channels)")
    low, high = check_pixel_range(pixel_range, values.shape[3])
    colors = (values.reshape(-1, values.shape[3]).astype(np.float64) - low) / (high - low)
    if not np.isfinite(colors).all() or colors.min() < -0.01 or colors.max() > 1.01:
        raise InvalidImagesError(f"the images hold values outside of the pixel range {pixel_range!r}")
    covariance = np.atleast_2d(np.cov(colors, rowvar=False))
    if not covariance.any():
        raise InvalidImagesError("the images have only one colour, expected pictures")
    return ColorStatistics(colors.mean(axis=0), covariance)


def find_colors(pixel_range: tuple[Any, Any], channels: int, statistics: ColorStatistics | None) -> Colors:
    """Return the colours of a network's images; without statistics the channels are independent."""
    low, high = check_pixel_range(pixel_range, channels)
    # The variance of evenly distributed numbers in 0..1 is 1/12.
    statistics = ColorStatistics(np.full(channels, 0.5), np.eye(channels) / 12) if statistics is None else statistics
    if not isinstance(statistics, ColorStatistics):
        raise InvalidImagesError(
            f"color_statistics is of type {type(statistics).__name__}, expected what tfviz.color_statistics(images) "
            "returns"
        )
    if len(statistics.mean) != channels:
        raise InvalidImagesError(
            f"the color statistics are of {len(statistics.mean)} channels, the network's images have {channels}"
        )
    # The sigmoid that keeps colours in range reaches neither black nor white.
    mean = np.clip(statistics.mean, PALEST, 1 - PALEST)
    return Colors(*(tf.constant(each, tf.float32) for each in (low, high, mean, statistics.root)))
