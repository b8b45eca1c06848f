"""Maps become numbers for the eye, and pictures: NumPy arrays in, NumPy arrays (or a matplotlib figure) out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfviz.results.colors import COLORMAPS
from tfviz.results.grid import montage
from tfviz.results.pictures import gradient_picture, to_picture
from tfviz.results.render import heatmap, mask, overlay
from tfviz.results.scale import collapse, normalise, normalise_gradient, resize

if TYPE_CHECKING:
    from tfviz.results.figure import plot

__all__ = [
    "COLORMAPS",
    "collapse",
    "gradient_picture",
    "heatmap",
    "mask",
    "montage",
    "normalise",
    "normalise_gradient",
    "overlay",
    "plot",
    "resize",
    "to_picture",
]


def __getattr__(name: str) -> Any:
    """Load `plot` at its first use: matplotlib takes longer to import than the rest of tfviz's start-up together."""
    if name == "plot":
        from tfviz.results.figure import plot

        return plot
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
