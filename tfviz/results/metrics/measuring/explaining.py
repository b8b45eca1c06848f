"""A method that a metric runs again: on changed images, for other targets, or on the network with other weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, Floats, Indices
from tfviz.errors import TfvizError
from tfviz.methods import Results, find_method, run_methods
from tfviz.methods.engine import sign_of
from tfviz.network.traced import TracedNetwork
from tfviz.results.metrics.measuring.remembering import sharing
from tfviz.results.metrics.measuring.subject import Subject

Explain = Callable[[Any, Any, Any], ArrayLike]
"""A method of the user's own: takes a network, images and targets, and returns maps or attributions."""


@dataclass(frozen=True)
class Explaining:
    """A method with its options, run on images that were made of those of a subject.

    method: the name of one of `METHODS`, or a function of the user's own. collapse: how attributions become maps, as
    metrics take it.
    """

    subject: Subject
    method: str | Explain
    options: Mapping[str, Any] = field(default_factory=dict)
    collapse: str | None = None

    def __post_init__(self) -> None:
        """Raise `UnknownMethodError` for an unknown method or option, and `TfvizError` for what is neither."""
        if isinstance(self.method, str):
            find_method(self.method).complete(self.options)
        elif not callable(self.method):
            raise TfvizError(f"method is {self.method!r}, expected the name of a method or a function that explains")
        elif self.options:
            raise TfvizError("options are those of a method that is named; a function has its own")

    @property
    def name(self) -> str:
        """The name of the method, or of the function."""
        return self.method if isinstance(self.method, str) else getattr(self.method, "__name__", "function")

    @property
    def how(self) -> str:
        """How attributions become maps."""
        if self.collapse is None and isinstance(self.method, str):
            complete = find_method(self.method).complete(self.options)
            return collapse_of(self.method, complete)
        return self.collapse or "max_abs"

    def found(
        self, images: Floats, rows: np.ndarray, targets: Indices | None = None, network: TracedNetwork | None = None
    ) -> np.ndarray:
        """Return what the method finds in images (n, H, W, C) made of those of the rows: (n, H, W) or (n, H, W, C).

        targets: (n,), those of the rows if they are not given. network: another one, with the same inputs. Attributions
        have the data format of the network.
        """
        network = network or self.subject.network
        wanted = self.subject.targets[rows] if targets is None else targets
        given = self.subject.as_given(images, rows)
        if isinstance(self.method, str):
            # A custom score has no classes, and so no targets.
            known = wanted if network.head.has_classes else None

            def run(chosen: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Floats]:
                found: Results = run_methods(network, chosen, given, known, batch_size=self.subject.batch_size)
                return {method: found[method] for method in chosen}  # raises for one of several layers

            own, shared = (self.method, self.options), sharing()
            return (
                run(dict([own]))[self.method] if shared is None else shared.maps.found(network, given, wanted, own, run)
            )
        return np.asarray(self.method(network, given, wanted))

    def maps(
        self, images: Floats, rows: np.ndarray, targets: Indices | None = None, network: TracedNetwork | None = None
    ) -> Doubles:
        """Return the same as maps (n, H, W)."""
        found = self.found(images, rows, targets, network)
        return self.subject.maps(found, self.how, len(rows))[0]


def collapse_of(method: str, options: Mapping[str, Any]) -> str:
    """Return how a method's attributions become maps: with their sign if it means evidence; see `Metric`."""
    return "sum" if sign_of(method, options) == "evidence" else "max_abs"
