"""Finds regions of a picture, and tells an attribution by region. scikit-image and its SciPy are imported here alone.

Segments of several scales overlap, so a pixel that joins with one region leaves the others. Sums and counts of all
regions are kept up to date with sparse matrices, which makes all steps together as cheap as one sum. Means of a few
pixels are the largest, so a region joins only while it adds at least a number of them: without that, maps were specks.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 224  # pixels: what the sizes of regions are given for
SIGMA = 0.8  # pixels: the blur that Felzenszwalb takes against the noise of cameras
MOST_COLORS = 3  # that scikit-image takes without doubt

Array = NDArray[Any]


def missing_package() -> str:
    """Return what must be installed for regions, in words; empty if it is."""
    return "" if find_spec("skimage") else "xrai needs the package scikit-image: pip install scikit-image"


def find_regions(image: Array, scales: Sequence[float], smallest: int, dilation: float) -> Any:
    """Return the regions (R, H · W) of an image (H, W, C), sparse: 1 where a pixel belongs to a region, else 0.

    They are the segments of Felzenszwalb's graph at each of the scales, each widened by `dilation` pixels, so that they
    overlap; those of one scale cover the image. Sizes are those in a picture of `SIDE` pixels a side: in one of twice
    as many a scale and the `smallest` area count four times, and `dilation` twice.
    """
    from scipy import ndimage, sparse

    area = image.shape[0] * image.shape[1]
    share = area / SIDE**2
    radius = dilation * share**0.5
    regions: list[Array] = []
    for labels in _segment(image, [scale * share for scale in scales], round(smallest * share)):
        for label, place in enumerate(ndimage.find_objects(labels + 1)):
            regions.append(_widened(labels, label, place, radius))
    ends = np.cumsum([0, *(region.size for region in regions)])
    pixels = np.concatenate(regions)
    return sparse.csr_array((np.ones(pixels.size), pixels, ends), shape=(len(regions), area))


def grow(attribution: Array, regions: Any, smallest: float) -> Array:
    """Return an attribution (H · W,) told by region: every pixel has the mean of those that joined with it.

    The region with the highest mean over its pixels that are not covered yet joins next, as long as one has at least
    the `smallest` number of them; the pixels that are left then have their own mean. The results of all pixels add up
    to the sum of the attribution.
    """
    left = np.array(attribution, np.float64)
    found, is_left = np.zeros_like(left), np.ones(left.size, bool)
    by_pixel = regions.tocsc()
    sums, counts = regions @ left, np.diff(regions.indptr)
    while (joins := counts >= max(smallest, 1)).any():
        gains = np.full(counts.size, -np.inf)
        best = int(np.divide(sums, counts, out=gains, where=joins).argmax())
        pixels = regions.indices[regions.indptr[best] : regions.indptr[best + 1]]
        joining = pixels[is_left[pixels]]
        found[joining] = left[joining].mean()
        is_left[joining] = False
        # Each pixel leaves the regions that it belongs to once, so that all steps together cost what one sum does.
        belongs = by_pixel[:, joining]
        sums -= belongs @ left[joining]
        counts -= np.bincount(belongs.indices, minlength=counts.size)
    if is_left.any():
        found[is_left] = left[is_left].mean()
    return found


def _segment(image: Array, scales: Sequence[float], smallest: int) -> list[Array]:
    """Return the labels (H, W), from 0 on, of the segments of an image at each scale."""
    from skimage.segmentation import felzenszwalb

    # What the values of a network's input mean is not known: its darkest is 0, its brightest 1.
    lowest, span = image.min(), float(np.ptp(image))
    picture = (image - lowest) / (span or 1.0)
    # scikit-image warns of more channels with every call, and of their number alone. Those of the process are set back.
    with warnings.catch_warnings() if image.shape[2] > MOST_COLORS else contextlib.nullcontext():
        if image.shape[2] > MOST_COLORS:
            warnings.filterwarnings("ignore", "Got image with third dimension", RuntimeWarning)
        return [felzenszwalb(picture, scale=scale, sigma=SIGMA, min_size=smallest) for scale in scales]


def _widened(labels: Array, label: int, place: tuple[slice, slice], radius: float) -> Array:
    """Return the pixels (P,), numbered along the rows, no further than `radius` from those of a label in `place`."""
    from scipy import ndimage

    margin, (rows, columns) = int(radius), place
    top, left = max(0, rows.start - margin), max(0, columns.start - margin)
    inside = labels[top : rows.stop + margin, left : columns.stop + margin] == label
    row, column = np.nonzero(ndimage.distance_transform_edt(~inside) <= radius)
    pixels: Array = (row + top) * labels.shape[1] + column + left
    return pixels
