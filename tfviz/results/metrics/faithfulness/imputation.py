"""Linear imputation: removed pixels become the weighted mean of their eight neighbours, removed ones among them.

A pixel that was painted over shows by its colour alone that it was removed, and the shape of what was removed tells of
the class. Where each removed pixel is the mean of its neighbours, 1/6 of each beside it and 1/12 of each across a
corner, nothing of the mask is left but what is smooth (Rong 2022, arXiv 2202.00449, section 4.1). Outside of the image
are no neighbours; the others then count more.

That is a linear system with an unknown for each removed pixel, symmetric and positive definite. It is solved by
conjugate gradients. In a hole of some hundred pixels in width, a value would take as many iterations to get across, so
that residuals are also averaged over ever larger cells and corrected there, in all sizes at once (Bramble, Pasciak, Xu,
"Parallel multilevel preconditioners", 1990): 30 to 60 iterations solve it for every size and shape. Only what is kept
of the precision of the solution is in float64; the corrections are in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tfviz.arrays import Doubles, Floats

# 1/6 beside a pixel, 1/12 across a corner, and 1/3 for itself, which is taken away again.
LINE = np.array([1.0, 2.0, 1.0])
ITSELF = 1 / 3
# The work of a correction in a cell of any size, by itself and for each kept neighbour of a pixel in it: measured on
# holes of all kinds, from 128 to 227 pixels.
WORK, WORK_OF_KEPT = 0.2, 1.2
SMALLEST = 8  # pixels: no cells are larger than what makes an image as small as that
MOST_ITERATIONS = 1000


def imputed(image: Floats, removed: np.ndarray, precision: float = 1e-10) -> Doubles:
    """Return an image (H, W, C) in which the pixels that are removed, bool (H, W), are the means of their neighbours.

    precision: how far a pixel may be from the weighted mean of its neighbours, as a share of the image's range. If
    every pixel is removed, each becomes the image's mean colour.
    """
    middle = image.mean(axis=(0, 1), dtype=np.float64)
    if removed.all():
        return np.broadcast_to(middle, image.shape).copy()
    holes = np.repeat(removed[..., np.newaxis].astype(np.float64), image.shape[-1], axis=-1)
    kept = (image - middle) * (1 - holes)
    if removed.any():
        kept += _solution(_neighbours(kept) * holes, holes, precision * float(np.ptp(image)))
    filled: Doubles = kept + middle
    return filled


def _neighbours(values: Doubles) -> Doubles:
    """Return the weighted sum over the neighbours of each pixel, with 1/3 of itself, of (H, W, C)."""
    found = cv2.sepFilter2D(values, -1, LINE / 12, LINE, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(found).reshape(values.shape)


def _solution(wanted: Doubles, holes: Doubles, precision: float) -> Doubles:
    """Return values (H, W, C), 0 outside of holes, so that in these a pixel's weights less its neighbours is wanted."""
    weights, cells = _neighbours(np.ones_like(holes)), Cells.of(holes)
    found, left = np.zeros_like(wanted), wanted.copy()
    way, size, last = np.zeros_like(wanted), np.ones(wanted.shape[-1]), np.zeros_like(wanted)
    for _ in range(MOST_ITERATIONS):
        if max(left.max(), -left.min()) <= precision:
            break
        better = cells.corrected(left.astype(np.float32))
        # By how much the residual changed, since corrections are not quite symmetric at the image's border.
        way *= -_products(last, better) / size
        way += better
        size = _not_zero(_products(left, better))
        after = weights * way
        after -= _neighbours(way)
        after *= holes
        step = size / _not_zero(_products(way, after))
        found += step * way
        last = step * after
        left -= last
    return found


def _products(first: np.ndarray, second: np.ndarray) -> Doubles:
    """Return the sum of products (C,) of each channel."""
    found: Doubles = np.einsum("ijc,ijc->c", first, second)
    return found


def _not_zero(values: Doubles) -> Doubles:
    """Return values with 1 in place of 0: a channel that is solved stays as it is."""
    return np.where(values == 0, 1.0, values)


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of several sizes, from single pixels on, each twice as wide as the last.

    inverses: float32 (h, w, C) for each size, one over the work of a correction of each cell.
    """

    inverses: list[Floats]

    @classmethod
    def of(cls, holes: Doubles) -> Cells:
        """Return the cells of holes, 1 in them and 0 elsewhere, (H, W, C)."""
        own = _neighbours(np.ones_like(holes)) - ITSELF
        kept = (_neighbours(1 - holes) * holes).astype(np.float32)
        inverses, area = [(holes / own).astype(np.float32)], 1
        while min(kept.shape[:2]) > SMALLEST:
            kept, area = _halved(kept), 4 * area
            inverses.append((area / (WORK + WORK_OF_KEPT * area * kept)).astype(np.float32))
        return cls(inverses)

    def corrected(self, left: Floats) -> Floats:
        """Return the sum of the corrections of all sizes, (H, W, C), of what is left."""
        averages = [left]
        for _ in self.inverses[1:]:
            averages.append(_halved(averages[-1]))
        found = np.zeros_like(averages[-1])
        for average, inverse in zip(averages[::-1], self.inverses[::-1], strict=True):
            if found.shape != average.shape:
                found = cv2.pyrUp(found, dstsize=average.shape[1::-1]).reshape(average.shape)
            found += np.multiply(average, inverse, out=average)
        found *= self.inverses[0] != 0
        return found


def _halved(values: Floats) -> Floats:
    height, width, channels = values.shape
    return np.asarray(cv2.pyrDown(values)).reshape((height + 1) // 2, (width + 1) // 2, channels)
