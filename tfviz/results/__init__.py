"""Turns what methods find into numbers for the eye, pictures and places: NumPy arrays in, NumPy arrays out.

No file beside this one knows a model or a file. A good order of reading: `checks` (what is accepted), `scale`
(normalise, collapse, resize, fuse), then pictures (`colors`, `pictures`, `render`, `highlight`, `outline`), then places
(`localize`, `places`, `evidence`), and last many pictures side by side (`text`, `grid`, `color_scale`, `note`,
`tiles`, `cells`, and `figure`, which alone needs matplotlib). Methods return signed, unscaled values; scaling for the
eye happens in this folder and nowhere else. The folder `metrics` stands on it: it measures maps, and runs networks.

A picture is uint8 RGB, (N, H, W, 3) or one (H, W, 3). Pictures of floats are taken as well where their white is beyond
doubt: 1 if all values are 0..1, and 255, as `keras.utils.img_to_array` returns them, if all are 0..255 and the largest
is at least 2. All pictures of a batch decide together. Anything else is refused; `to_picture` stretches it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfviz.errors import no_attribute
from tfviz.results.cells import LAYOUTS, as_titles
from tfviz.results.checks import (
    Masks,
    check_attributions,
    check_maps,
    check_masks,
    check_options,
    check_pictures,
    check_same_shape,
    check_scaled,
    options_of,
    pick,
)
from tfviz.results.color_scale import ColorScale, color_scales
from tfviz.results.colors import COLORMAPS, LUMINANCE
from tfviz.results.evidence import evidence_inside, supported_mask
from tfviz.results.grid import montage
from tfviz.results.highlight import Highlight, highlight
from tfviz.results.localize import (
    box_mask,
    component_boxes,
    grabcut_mask,
    largest_box,
    largest_component,
    mark_by_grabcut,
    mark_by_threshold,
    threshold_mask,
)
from tfviz.results.outline import outline
from tfviz.results.pictures import difference_picture, gradient_picture, grey_picture, to_picture
from tfviz.results.places import (
    BoxAccuracy,
    box_iou,
    energy_inside,
    mask_iou,
    max_box_accuracy,
    pointing_game,
    with_places,
)
from tfviz.results.render import check_look, heatmap, mask, overlay
from tfviz.results.scale import COLLAPSES, collapse, fuse, normalise, normalise_gradient, resize
from tfviz.results.tiles import tiles

if TYPE_CHECKING:
    from tfviz.results.charts import plot_intervals
    from tfviz.results.figure import plot

__all__ = [
    "COLORMAPS",
    "BoxAccuracy",
    "ColorScale",
    "Highlight",
    "box_iou",
    "box_mask",
    "collapse",
    "color_scales",
    "component_boxes",
    "difference_picture",
    "energy_inside",
    "evidence_inside",
    "fuse",
    "grabcut_mask",
    "gradient_picture",
    "grey_picture",
    "heatmap",
    "highlight",
    "largest_box",
    "largest_component",
    "mask",
    "mask_iou",
    "max_box_accuracy",
    "montage",
    "normalise",
    "normalise_gradient",
    "outline",
    "overlay",
    "plot",
    "plot_intervals",
    "pointing_game",
    "resize",
    "supported_mask",
    "threshold_mask",
    "tiles",
    "to_picture",
]


def _look_up(name: str) -> Any:
    """Load `plot`, `metrics` and `explain_func` at their first use.

    matplotlib takes longer to import than the rest of tfviz's start-up together; metrics import what stands here.
    """
    if name == "metrics":
        return import_module("tfviz.results.metrics")
    if name == "explain_func":
        return import_module("tfviz.results.metrics").explain_func
    if name == "plot":
        from tfviz.results.figure import plot

        return plot
    if name == "plot_intervals":
        from tfviz.results.charts import plot_intervals

        return plot_intervals
    raise no_attribute(__name__, name, [*__all__, "explain_func", "metrics"])


if not TYPE_CHECKING:
    # A type checker that saw it would take any misspelt name for Any.
    __getattr__ = _look_up


def __dir__() -> list[str]:
    return [*globals(), *__all__]
