"""Defines what a metric is, and keeps the registry of all of them: their functions with what a reader should know.

A metric's function is called by users as it is written. `metric` puts it into the registry and emits the warnings of
its result; whoever runs many calls `Metric.compute`, which returns them as data.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Literal, ParamSpec

from tfviz.errors import TfvizError, emit_warnings, suggestion
from tfviz.results.metrics.measuring.measurement import Better, Measurement

Takes = Literal["maps", "masks", "network", "method"]
Arguments = ParamSpec("Arguments")

FAMILIES = {
    "faithfulness": "whether the pixels that a map points at decide the score",
    "robustness": "whether the map stays as it is while the image hardly changes",
    "localisation": "whether the map points at the true place",
    "complexity": "whether few pixels carry the map",
    "axioms": "whether the map keeps what it was derived from",
    "randomisation": "whether the map depends on what the network has learnt",
}
"""What the metrics of each family ask."""
GIVEN = {
    "maps": ("maps",),
    "masks": ("maps", "masks"),
    "network": ("model", "images", "targets", "maps"),
    "method": ("model", "images", "targets", "method"),
}
"""The arguments of a metric that are not options, by what it takes."""


@dataclass(frozen=True)
class Metric:
    """A way to measure maps, and what a reader should know of it.

    name, compute
        Its function, which here returns warnings as data.
    family, takes
        One of `FAMILIES`, and of `GIVEN`.
    better, bounds
        Whether a higher or a lower value is better, and the lowest and highest value that is possible, with the default
        options; a `Measurement` has those of its own.
    paper, cost, caution
        The source; the passes for one image; when not to trust the value.
    of_classes
        Whether the network must have classes: a custom score, or one raw output, will not do.
    """

    name: str
    compute: Callable[..., Measurement]
    family: str
    takes: Takes
    better: Better
    bounds: tuple[float, float]
    paper: str
    cost: str
    caution: str
    of_classes: bool = False

    @property
    def repeats(self) -> bool:
        """Whether it runs the method again and again, on changed images or with other weights."""
        return self.takes == "method" and self.family in ("robustness", "randomisation")

    @property
    def options(self) -> dict[str, Any]:
        """The default of every option by its name."""
        parameters = inspect.signature(self.compute).parameters.items()
        return {name: parameter.default for name, parameter in parameters if name not in GIVEN[self.takes]}

    def is_better(self, value: float, other: float) -> bool:
        """Return whether a value is better than another one; NaN is not."""
        return value > other if self.better == "higher" else value < other


METRICS: dict[str, Metric] = {}
"""Every metric by its name, as a `Metric`."""


def metric(
    **about: Any,
) -> Callable[[Callable[Arguments, Measurement]], Callable[Arguments, Measurement]]:
    """Register a function as a metric; `about` are the other fields of a `Metric`."""

    def register(compute: Callable[Arguments, Measurement]) -> Callable[Arguments, Measurement]:
        default = METRICS[compute.__name__] = Metric(compute.__name__, compute, **about)

        @wraps(compute)
        def measure(*arguments: Arguments.args, **options: Arguments.kwargs) -> Measurement:
            found = compute(*arguments, **options)
            emit_warnings(found.warnings)
            return replace(found, better=found.better or default.better, bounds=found.bounds or default.bounds)

        return measure

    return register


def find_metric(name: str) -> Metric:
    """Return the metric of that name; raise `TfvizError` with close matches."""
    if not isinstance(name, str) or name not in METRICS:
        hint = suggestion(name, METRICS, f"they are {', '.join(METRICS)}")
        raise TfvizError(f"no metric {name!r}; {hint}")
    return METRICS[name]
