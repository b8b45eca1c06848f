"""Finds the places that maps mark, in the way that a user names.

A way is a function of `tfviz.results`, and its options are read from the signature. They are checked when a `Finder` is
made, by a trial on a picture of 2x2 pixels, so that a mistake is reported before a model is opened. Of several
components the largest is the place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.errors import TfvizError, suggestion
from tfviz.results import (
    COLLAPSES,
    collapse,
    evidence_inside,
    grabcut_mask,
    largest_component,
    mark_by_grabcut,
    mark_by_threshold,
    pick,
    threshold_mask,
)

WAYS: dict[str, Callable[..., NDArray[np.bool_]]] = {"grabcut": grabcut_mask, "threshold": threshold_mask}


REDUCTION = "max_abs"
"""For a class that is in the picture, the largest absolute value is the better guide, the more so the sparser a map."""


@dataclass(frozen=True)
class MarkedPlaces:
    """Where maps mark something. masks: (N, H, W), each of one component or empty. opposed: bool (N,), which of
    the empty ones would have surrounded as much evidence against the class as for it, or more.
    """

    masks: NDArray[np.bool_]
    opposed: NDArray[np.bool_]


@dataclass(frozen=True)
class Finder:
    """A way to find places with its options; those that are None count as not given.

    reduction: how attributions become one number a pixel, as `tfviz.results.collapse` takes it.

    Raises
    ------
    TfvizError
        The way does not exist, it does not have an option, or an option is out of range.
    """

    how: str
    given: Mapping[str, Any]
    reduction: str = REDUCTION

    def __post_init__(self) -> None:
        """Raise `TfvizError` for a way, option or value that does not exist; the values are tried on a picture."""
        if self.how not in WAYS:
            hint = suggestion(self.how, WAYS, f"there are: {', '.join(WAYS)}", always=True, count=1)
            raise TfvizError(f"--how {self.how} is not a way to find a place; {hint}")
        for name, value in self.given.items():
            if value is not None and name not in _defaults(self.how):
                ways = " or ".join(how for how in WAYS if name in _defaults(how))
                raise TfvizError(f"--{name} is an option of --how {ways}, not of {self.how}")
        pick("reduction (--reduce)", self.reduction, COLLAPSES)
        self._masks(np.zeros((1, 2, 2, 3), np.uint8), np.eye(2, dtype=np.float32)[np.newaxis])

    @property
    def options(self) -> dict[str, Any]:
        """The options, complete."""
        return _defaults(self.how) | {name: value for name, value in self.given.items() if value is not None}

    def map_of(self, found: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return maps (N, H, W) of what a method found: maps, or attributions (N, H, W, C)."""
        return collapse(found, self.reduction) if found.ndim == 4 else found

    def __call__(
        self,
        pictures: NDArray[np.uint8],
        maps: NDArray[np.float32],
        evidence: NDArray[np.float32] | None = None,
    ) -> MarkedPlaces:
        """Return the places in pictures (N, H, W, 3) that maps (N, H, W) mark.

        evidence: the results of a method whose sign means that. A place that would surround no more of it for the class
        than against it is not marked.
        """
        masks = self._masks(pictures, maps)
        opposed = np.zeros(len(masks), bool)
        if evidence is not None:
            opposed = masks.any(axis=(1, 2)) & (evidence_inside(evidence, masks) <= 0)
        return MarkedPlaces(masks & ~opposed[:, np.newaxis, np.newaxis], opposed)

    def _masks(self, pictures: NDArray[np.uint8], maps: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return the masks (N, H, W), bool, each of one component or empty."""
        # Without the warnings: an empty mask is reported with the name of its file.
        if self.how == "grabcut":
            return mark_by_grabcut(pictures, maps, **self.options).masks
        return largest_component(mark_by_threshold(maps, **self.options).masks)


def _defaults(how: str) -> dict[str, Any]:
    """Return the options of a way with their defaults, by name; pictures and maps, which have none, are left out."""
    parameters = inspect.signature(WAYS[how]).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}
