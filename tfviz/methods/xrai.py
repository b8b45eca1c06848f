"""XRAI: integrated gradients told by the regions of the picture.

Attributions are summed over channels, so that the map keeps the completeness of integrated gradients. Regions that add
fewer than 50 pixels do not join, as in the authors' code: means of a few pixels are the largest, and maps were specks.
Black and white are the smallest and largest value of each channel of the image, since the input space of the network is
not known. Regions are found on the host (`on_host`), so XRAI can neither be exported nor run inside another method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import TfvizError
from tfviz.methods.baselines import check_baseline
from tfviz.methods.engine import SIDE, Diagnosed, Loop, find_regions, grow, integer, method, missing_package, number
from tfviz.methods.integrated_gradients import BASELINE, WAY, ZERO_WAY, Way, integrate, judge_completeness
from tfviz.network.passes import Passes

SCALES = (50, 100, 150, 250, 500, 1200)


def _check(shape: tuple[int, ...], options: Mapping[str, Any]) -> None:
    """Raise if a baseline does not fit the image, or an option that the host reads is out of range."""
    check_baseline(shape, options)
    _scales(options["scales"])
    integer("smallest_segment", options["smallest_segment"], 0)
    integer("smallest_addition", options["smallest_addition"], 0)
    number("dilation", options["dilation"], 0)


def _scales(scales: Any) -> list[float]:
    """Return the scales, which may be given as one number."""
    given = [scales] if np.ndim(scales) == 0 else list(scales)
    if not given:
        raise TfvizError("scales is empty; expected one or more numbers above 0")
    return [number("one of the scales", each, above=0) for each in given]


def _by_region(image: np.ndarray, attributions: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Return the maps (k, H, W) of an image (H, W, C) and k attributions (H, W) of its pixels."""
    if not np.isfinite(attributions).all():
        return attributions  # as they are refused by `run_methods`
    regions = find_regions(image, _scales(options["scales"]), options["smallest_segment"], options["dilation"])
    smallest = options["smallest_addition"] * image[..., 0].size / SIDE**2
    grown = [grow(each.ravel(), regions, smallest).reshape(each.shape) for each in attributions]
    return np.stack(grown).astype(np.float32)


@method(
    result="map",
    sign="evidence",
    paper="Kapishnikov 2019, arXiv 1906.02825",
    needs="any differentiable network; scikit-image",
    cost="1 forward, 1 backward for each step and baseline, 100 by default; regions on the host",
    caution="sees no more than the regions that colours make: what has no edge is merged with its surroundings",
    when_zero=ZERO_WAY,
    shown_from="positive",
    check=_check,
    arguments=WAY,
    given_images=frozenset({BASELINE}),
    for_host=frozenset({"scales", "smallest_segment", "smallest_addition", "dilation"}),
    judge=judge_completeness("xrai"),
    on_host=_by_region,
    missing=missing_package,
)
def xrai(
    passes: Passes,
    *,
    baseline: Any = ("black", "white"),
    steps: int = 50,
    seed: int = 0,
    scales: Any = SCALES,
    smallest_segment: int = 20,
    smallest_addition: int = 50,
    dilation: float = 5,
) -> Loop:
    """Return the mean attribution of the region with which each pixel is added, signed, (N, H, W) [1]_.

    The attribution is the sum over the channels of `integrated_gradients`, whose `baseline`, `steps`, `seed` and
    `completeness_gap` are as there. The regions are the segments of Felzenszwalb's graph at several scales [2]_, which
    overlap; the one with the highest mean attribution of the pixels that are not covered yet is added, until all are
    covered or no region has `smallest_addition` of them: the rest counts as one region, so that no map is made of
    slivers. The map sums to the attribution, in units of the logit; pictures show what speaks for the class. Each image
    is segmented with its minimum as 0 and its maximum as 1; scales, like areas, grow with its area.

    Parameters
    ----------
    scales
        Of the segmentations, all above 0, for a picture of 224x224: larger ones give larger segments.
    smallest_segment
        Pixels, of a picture of 224x224, below which a segment is joined to another.
    smallest_addition
        Pixels, of a picture of 224x224, that a segment must add (50 in the authors' own code).
    dilation
        Pixels, of a picture of 224x224, by which every segment is widened, since attributions lie on edges, as the
        borders of segments do.

    References
    ----------
    .. [1] Kapishnikov, Bolukbasi, Viégas, Terry, "XRAI: Better Attributions Through Regions", 2019, arXiv 1906.02825,
       section 3.
    .. [2] Felzenszwalb, Huttenlocher, "Efficient Graph-Based Image Segmentation", International Journal of Computer
       Vision, 2004, doi 10.1023/B:VISI.0000022288.19776.77.
    """
    loop = integrate(passes, Way(baseline, steps, seed))

    def finish(state: Any) -> Diagnosed:
        found: Any = loop.finish(state)
        return Diagnosed(tf.reduce_sum(found.result, axis=-1), found.diagnostics)

    return replace(loop, finish=finish)
