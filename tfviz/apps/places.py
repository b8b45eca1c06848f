"""How the places that maps mark are found, as a user names it."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.errors import TfvizError, TfvizWarning, resembling
from tfviz.results import grabcut_mask, largest_component, threshold_mask

WAYS: dict[str, Callable[..., NDArray[np.bool_]]] = {"grabcut": grabcut_mask, "threshold": threshold_mask}


@dataclass(frozen=True)
class Finder:
    """A way to find places with its options, of which those that are None are not given.

    Raises
    ------
    TfvizError
        There is no such way, it has no such option, or the option is out of range.
    """

    how: str
    given: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.how not in WAYS:
            close = resembling(self.how, WAYS, 1)
            hint = f"did you mean {close}? " if close else ""
            raise TfvizError(f"--how {self.how} is no way to find a place; {hint}there are: {', '.join(WAYS)}")
        for name, value in self.given.items():
            if value is not None and name not in _defaults(self.how):
                others = " or ".join(how for how in WAYS if name in _defaults(how))
                raise TfvizError(f"--{name} is an option of --how {others}, not of {self.how}")
        # What is out of range is said before a model is opened.
        self(np.zeros((1, 2, 2, 3), np.uint8), np.eye(2, dtype=np.float32)[np.newaxis])

    @property
    def options(self) -> dict[str, Any]:
        """The options, complete."""
        return _defaults(self.how) | {name: value for name, value in self.given.items() if value is not None}

    def __call__(self, pictures: NDArray[np.uint8], maps: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return masks (N, H, W), each of one component or empty, of pictures (N, H, W, 3) and maps (N, H, W)."""
        with warnings.catch_warnings():
            # An empty mask is reported with the name of its file.
            warnings.simplefilter("ignore", TfvizWarning)
            if self.how == "grabcut":
                return grabcut_mask(pictures, maps, **self.options)
            return largest_component(threshold_mask(maps, **self.options))


def _defaults(how: str) -> dict[str, Any]:
    parameters = inspect.signature(WAYS[how]).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}
