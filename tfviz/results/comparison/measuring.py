"""Measures every row of a comparison by every metric. A row is a method or a baseline, with what it found.

A value that cannot be, such as the completeness of maps, is left out with its reason; but if a metric fails for every
row, that is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tfviz.arrays import Doubles
from tfviz.errors import TfvizError
from tfviz.progress import progress
from tfviz.results import Masks
from tfviz.results.comparison.baselines import Baseline
from tfviz.results.metrics import METRICS, Curves, Measurement, Metric, Subject, numbered

WithOptions = tuple[Metric, Mapping[str, Any]]
"""A metric with its options."""


@dataclass(frozen=True, eq=False)
class Row:
    """A method or baseline. found: what it found; maps: the same as maps (N, H, W), reduced in the way `how` names.

    method, options: how to run it again.
    """

    found: np.ndarray
    maps: Doubles
    how: str | None
    method: str | Baseline
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Measured:
    """What came of all metrics and rows, each by the name of the metric and then of the row.

    values: float64 (N,). undefined: why a value cannot be. curves: of those metrics that have some. options: all those
    of each metric, as they were used. about: what is known of each metric, and which way is better with these options.
    warnings: without repetitions. rerun: bool (N,), the images on which metrics that run methods again were measured;
    the values of the others are NaN, and belong to no mean.
    """

    values: dict[str, dict[str, Doubles]] = field(default_factory=dict)
    undefined: dict[str, dict[str, str]] = field(default_factory=dict)
    curves: dict[str, dict[str, Curves]] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    about: dict[str, Metric] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)
    rerun: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def add(self, metric: str, row: str, found: Measurement, general: tuple[str, ...]) -> None:
        """Take the measurement of a row; `general` are warnings that say nothing of the row."""
        self.values.setdefault(metric, {})[row] = found.values
        self.options[metric] = dict(found.options)
        self.about.setdefault(metric, METRICS[metric])
        if found.better:
            self.about[metric] = replace(METRICS[metric], better=found.better)
        if found.curves is not None:
            self.curves.setdefault(metric, {})[row] = found.curves
        self.warnings.update((each if each in general else f"{row}: {each}", None) for each in found.warnings)

    def select(self, index: np.ndarray) -> Measured:
        """Return what was measured of some of the images, by their indices."""
        values = {metric: {row: each[index] for row, each in rows.items()} for metric, rows in self.values.items()}
        curves = {
            metric: {row: replace(each, scores=each.scores[index]) for row, each in rows.items()}
            for metric, rows in self.curves.items()
        }
        return replace(self, values=values, curves=curves, rerun=self.rerun[index])


def measure(
    subject: Subject,
    rows: Mapping[str, Row],
    metrics: Mapping[str, WithOptions],
    rerun: np.ndarray,
    masks: Masks | None = None,
) -> Measured:
    """Return what all metrics, with the options beside them, measure of all rows; masks (N, H, W): the true places.

    rerun: bool (N,), the images on which metrics measure that run methods again. Raises the error of a metric that
    fails for every row.
    """
    table = Measured(rerun=rerun)
    with progress("comparing", len(metrics) * len(rows)) as advance:
        for name, chosen in metrics.items():
            for key, row in rows.items():
                try:
                    found = _measure(subject, row, chosen, masks, table.rerun)
                except TfvizError as error:
                    table.undefined.setdefault(name, {})[key] = str(error)
                    if len(table.undefined[name]) == len(rows):
                        raise
                    found = Measurement(name, np.full(len(subject), np.nan), options=chosen[1])
                table.add(name, key, found, subject.about_probabilities)
                advance(1)
    return table


def spread(count: int, wanted: int | None) -> np.ndarray:
    """Return which of N images are taken, bool (N,), at equal distances: neighbours are often of one class.

    wanted: how many; None: all.
    """
    taken = np.zeros(count, bool)
    taken[np.linspace(0, count - 1, min(count, wanted or count)).round().astype(int)] = True
    return taken


def _measure(subject: Subject, row: Row, chosen: WithOptions, masks: Masks | None, rerun: np.ndarray) -> Measurement:
    metric, options = chosen
    if metric.takes == "maps":
        return metric.compute(row.maps, **options)
    if metric.takes == "masks":
        return metric.compute(row.maps, masks, **options)
    shared = {"collapse": row.how, "batch_size": subject.batch_size, **options}
    if metric.takes == "network":
        return metric.compute(*_about(subject), row.found, **shared)
    again = {"options": row.options or None, **shared}
    if not metric.repeats:
        return metric.compute(*_about(subject), row.method, **again)
    numbers = np.flatnonzero(rerun)
    with numbered(numbers):
        about = _about(subject.select(numbers))
        found = metric.compute(*about, row.method, **again)
    return _among_all(found, rerun)


def _about(subject: Subject) -> tuple[Any, Any, Any]:
    """Return the network, the images and the targets as metrics take them."""
    return subject.network, subject.as_given(subject.images, np.arange(len(subject))), subject.targets


def _among_all(found: Measurement, rerun: np.ndarray) -> Measurement:
    """Return what was measured of some images as one of all, with NaN for the others."""

    def filled(part: Doubles) -> Doubles:
        values = np.full((len(rerun), *part.shape[1:]), np.nan)
        values[rerun] = part
        return values

    curves = None if found.curves is None else replace(found.curves, scores=filled(found.curves.scores))
    return replace(found, values=filled(found.values), curves=curves)
