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
from tfviz.results.metrics import Curves, Measurement, Metric, Subject


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
    of each metric, as they were used. warnings: without repetitions.
    """

    values: dict[str, dict[str, Doubles]] = field(default_factory=dict)
    undefined: dict[str, dict[str, str]] = field(default_factory=dict)
    curves: dict[str, dict[str, Curves]] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)

    def add(self, metric: str, row: str, found: Measurement, general: tuple[str, ...]) -> None:
        """Take the measurement of a row; `general` are warnings that say nothing of the row."""
        self.values.setdefault(metric, {})[row] = found.values
        self.options[metric] = dict(found.options)
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
        return replace(self, values=values, curves=curves)


def measure(
    subject: Subject,
    rows: Mapping[str, Row],
    metrics: Mapping[str, tuple[Metric, Mapping[str, Any]]],
    masks: Masks | None = None,
) -> Measured:
    """Return what all metrics, with the options beside them, measure of all rows; masks (N, H, W): the true places.

    Raises the error of a metric that fails for every row.
    """
    table = Measured()
    with progress("comparing", len(metrics) * len(rows)) as advance:
        for name, (metric, options) in metrics.items():
            for key, row in rows.items():
                try:
                    found = _measure(subject, row, metric, options, masks)
                except TfvizError as error:
                    table.undefined.setdefault(name, {})[key] = str(error)
                    if len(table.undefined[name]) == len(rows):
                        raise
                    found = Measurement(name, np.full(len(subject), np.nan), options=options)
                table.add(name, key, found, subject.about_probabilities)
                advance(1)
    return table


def _measure(
    subject: Subject, row: Row, metric: Metric, options: Mapping[str, Any], masks: Masks | None
) -> Measurement:
    if metric.takes == "maps":
        return metric.compute(row.maps, **options)
    if metric.takes == "masks":
        return metric.compute(row.maps, masks, **options)
    about = (subject.network, subject.as_given(subject.images, np.arange(len(subject))), subject.targets)
    shared = {"collapse": row.how, "batch_size": subject.batch_size, **options}
    if metric.takes == "network":
        return metric.compute(*about, row.found, **shared)
    return metric.compute(*about, row.method, **{"options": row.options or None, **shared})
