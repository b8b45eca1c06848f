"""Holds what methods found: the arrays, and all that is needed to read them.

`Explanation` in `tfviz.apps.explanation` is this class with pictures and files. Results do not keep their model alive:
a stamp of the weights tells whether the fingerprint of the network may still be taken when they are saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tfviz.arrays import Floats, Indices
from tfviz.data_format import DataFormat
from tfviz.errors import UnknownMethodError
from tfviz.methods.engine.registry import METHODS
from tfviz.network.heads import are_of_classes
from tfviz.network.traced import NetworkOrigin

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class Results:
    """The results of methods for N rows: images or, if there are several targets of each, targets of images.

    It is also a container of its maps: `results["grad_cam"]`, `"grad_cam" in results`, `for name in results`.

    Attributes
    ----------
    images : float32 (N, H, W, C) or (N, C, H, W)
        As the network takes them; `data_format` says which.
    maps : {name: float32 array}
        The result of every method, by its name or, if it was given several layers, by `name@layer`: maps (N, H, W), or
        attributions of the shape of the images.
    targets : int (N,)
        The explained classes.
    scores : float32 (N,)
        The logit of each target.
    logits : float32 (N, K)
        Of all classes. Without a classifier they are NaN, as are scores and probabilities, and K is 1.
    probabilities : float32 (N, K)
        Of all classes; NaN if the scores are not of classes.
    options : {name: dict}
        All options of each method.
    layers : {name: str}
        The layer that a method looked at, of those that look at one.
    diagnostics : {name: {str: (N,)}}
        Numbers that say how far the results of a method can be trusted.
    warnings : tuple of str
        About all of these.
    targets_per_image : int
        How many rows in turn are of one image.
    zero_maps : {name: {int: str}}
        Of the methods whose map of a row is zero everywhere, why, by the row.
    data_format : DataFormat
        Of images and attributions, that of the model.
    model : str
        The model's name.
    head : str
        What the scores come from: `softmax`, `sigmoid`, `log_odds` (of what is made of several of these), `none` (the
        raw output is explained; its probabilities take several for logits) or `custom`.
    scored_by : str
        What the scores are, in words.
    origin : NetworkOrigin, optional
        The network that made it.
    class_names : tuple of str, optional
        In the order of the classes; None if the network knows none.
    has_classes : bool
        Whether the scores are those of classes, not a custom score or one raw output, as of a regression.
    fingerprint : str, optional
        A hash of what the network computed; see `tfviz.network.traced.fingerprint`. None, with a warning, if its
        weights have changed, or it is gone, before this is asked for or saved.
    """

    images: Floats
    maps: dict[str, Floats]
    targets: Indices
    scores: Floats
    logits: Floats
    probabilities: Floats
    options: dict[str, dict[str, Any]]
    layers: dict[str, str]
    diagnostics: dict[str, dict[str, np.ndarray]]
    warnings: tuple[str, ...]
    targets_per_image: int
    zero_maps: dict[str, dict[int, str]]
    data_format: DataFormat
    model: str
    head: str
    scored_by: str
    origin: NetworkOrigin | None = field(default=None, compare=False)
    class_names: tuple[str, ...] | None = None

    def __getitem__(self, name: str) -> np.ndarray:
        """Return what the method of that name found, one of `maps`; raise `UnknownMethodError` if there is none."""
        if name not in self:
            layers = [each for each in self.maps if each.partition("@")[0] == name]
            found = ", ".join(map(repr, layers or self.maps))
            otherwise = "it was not run" if name in [*METHODS] else "no such method"
            why = "there is one for each layer" if layers else otherwise
            raise UnknownMethodError(f"no map is called {name!r}: {why}; the maps are {found}")
        return self.maps[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of `maps`."""
        return iter(self.maps)

    def __contains__(self, name: object) -> bool:
        """Return whether one of `maps` has that name."""
        return isinstance(name, str) and name in self.maps

    @property
    def has_classes(self) -> bool:
        """Whether the scores are those of classes."""
        return are_of_classes(self.head, self.logits.shape[1])

    @property
    def fingerprint(self) -> str | None:
        """A hash of what the network computed, None if it changed or is gone."""
        return self.origin.fingerprint if self.origin is not None else None

    def select(self, rows: Sequence[int]) -> Self:
        """Return the results of some of the rows, by their indices, or by whether each is wanted."""
        index = np.arange(len(self.targets))[list(rows)]
        per_image = self.targets_per_image
        of_images = [index[start : start + per_image] // per_image for start in range(0, len(index), per_image)]
        are_whole = all(len(each) == per_image and len(set(each)) == 1 for each in of_images)
        parts: dict[str, Any] = {
            name: getattr(self, name)[index] for name in ("images", "targets", "scores", "logits", "probabilities")
        }
        diagnostics = {
            method: {name: numbers[index] for name, numbers in found.items()}
            for method, found in self.diagnostics.items()
        }
        zero_maps = {
            name: {new: why[old] for new, old in enumerate(index.tolist()) if old in why}
            for name, why in self.zero_maps.items()
        }
        maps = {name: values[index] for name, values in self.maps.items()}
        parts.update(maps=maps, diagnostics=diagnostics, zero_maps=zero_maps)
        return replace(self, targets_per_image=per_image if are_whole else 1, **parts)
