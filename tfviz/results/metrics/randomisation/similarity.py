"""How alike two maps are: structural similarity, and the correlation of values or of their ranks.

Maps are compared by their absolute values, so that one which only changed its sign counts as the same (Adebayo 2018
reports both). A similarity is 1 for equal maps, and about 0 for maps that have nothing to do with each other, with one
reservation: structural similarity also credits what both leave empty, so that of two sparse maps is high wherever they
point.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from tfviz.arrays import Doubles
from tfviz.results.metrics.measuring import correlation, is_constant, ranks_of, scaled_as_quantus

WINDOW, DEVIATION = 11, 1.5  # pixels, of Wang 2004
NOT_COMPARED = "a map of it that is compared is the same everywhere"
STABILISERS = 0.01, 0.03  # its K1 and K2, parts of the range
PIXELS_OF_QUANTUS = 7  # in the window of scikit-image's default


def similarities(how: str, maps: Doubles, others: Doubles) -> Doubles:
    """Return how alike the maps (N, H, W) of each pair are, (N,) in -1..1; NaN if one is the same everywhere.

    how: one of `SIMILARITIES`.
    """
    found = SIMILARITIES[how](maps, others)
    return np.where(is_constant(maps) | is_constant(others), np.nan, found)


def _ssim(maps: Doubles, others: Doubles) -> Doubles:
    """Return the mean structural similarity (N,) of absolute maps, each divided by its largest value.

    Wang 2004, equation 13, with its Gaussian window of 11 pixels and a range of 1.
    """
    pairs = zip(maps, others, strict=True)
    return np.array([_index(_scaled(first), _scaled(second), _blurred, 1.0).mean() for first, second in pairs])


def _scaled(one_map: Doubles) -> Doubles:
    absolute = np.abs(one_map)
    scaled: Doubles = absolute / max(absolute.max(), np.finfo(np.float64).tiny)
    return scaled


def _blurred(values: Doubles) -> Doubles:
    return np.asarray(cv2.GaussianBlur(values, (WINDOW, WINDOW), DEVIATION, borderType=cv2.BORDER_REFLECT))


def _index(
    first: Doubles, second: Doubles, mean: Callable[[Doubles], Doubles], largest: float, bessel: float = 1.0
) -> Doubles:
    """Return the structural similarity around every pixel; `mean`: of what surrounds each, `largest`: their range."""
    luminance, contrast = ((part * largest) ** 2 for part in STABILISERS)
    mean_first, mean_second = mean(first), mean(second)
    variances = bessel * (mean(first**2) - mean_first**2 + mean(second**2) - mean_second**2)
    covariance = bessel * (mean(first * second) - mean_first * mean_second)
    alike = (2 * mean_first * mean_second + luminance) * (2 * covariance + contrast)
    return np.asarray(alike / ((mean_first**2 + mean_second**2 + luminance) * (variances + contrast)))


def _ssim_of_quantus(maps: Doubles, others: Doubles) -> Doubles:
    """Return what Quantus calls the structural similarity (N,): of maps that are laid out in one row of pixels.

    Signed, with a flat window of 7 pixels of that row. All maps are divided by the largest absolute value of the batch.
    """
    rows = [scaled_as_quantus(each).reshape(len(each), -1) for each in (maps, others)]
    bessel = PIXELS_OF_QUANTUS / (PIXELS_OF_QUANTUS - 1)
    found = []
    for first, second in zip(*rows, strict=True):
        largest = max(first.max(), second.max()) - min(first.min(), second.min())
        found.append(_index(first, second, _mean_of_row, largest, bessel).mean())
    return np.array(found)


def _mean_of_row(values: Doubles) -> Doubles:
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, PIXELS_OF_QUANTUS).mean(axis=1))


def _pearson(maps: Doubles, others: Doubles) -> Doubles:
    """Return the correlation (N,) of absolute maps."""
    return _correlation(*(_absolute_rows(each) for each in (maps, others)))


def _spearman(maps: Doubles, others: Doubles) -> Doubles:
    """Return the correlation (N,) of the ranks of absolute maps; equal values have the mean of their ranks."""
    return _correlation(*(ranks_of(_absolute_rows(each)) for each in (maps, others)))


def _correlation(first: Doubles, second: Doubles) -> Doubles:
    """Return Pearson's correlation (N,) of rows (N, n); 0 for a row of equal values."""
    return np.nan_to_num(correlation(first, second))


def _absolute_rows(maps: Doubles) -> Doubles:
    return np.abs(maps).reshape(len(maps), -1)


SIMILARITIES: dict[str, Callable[[Doubles, Doubles], Doubles]] = {
    "ssim": _ssim,
    "spearman": _spearman,
    "pearson": _pearson,
    "ssim_of_quantus": _ssim_of_quantus,
}
"""The similarity (N,) of two batches of maps (N, H, W), by name."""
