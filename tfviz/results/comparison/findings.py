"""What the values of a comparison say: a summary of each method by each metric, and how far metrics agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from tfviz.arrays import Doubles
from tfviz.errors import TfvizError
from tfviz.methods import Results
from tfviz.results.comparison.measuring import Measured
from tfviz.results.comparison.statistics import bootstrap_means, differ, interval, kendall_tau, ranks
from tfviz.results.comparison.summary import WON_BY_KNOWING_NOTHING, Summary
from tfviz.results.metrics import METRICS, Metric

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True, eq=False)
class Findings:
    """What metrics say of methods on the same N images, with baselines.

    Attributes
    ----------
    table : Measured
        `values[metric][row]`, float64 (N,), and the metrics' `options`, `curves`, and why values are `undefined`.
    results : Results
        What the methods found: maps, targets, options, layers.
    baselines : tuple of str
        The rows of the table that methods are compared with.
    collapses : dict by row
        How attributions became maps; None where they were maps.
    confidence, resamples, seed
        Of the intervals.
    passes : (int, int)
        How many images the metrics asked the network for, and how many were run: the others were shared.
    maps : (int, int)
        The same of the maps for which metrics asked methods again.
    warnings : tuple of str
    """

    table: Measured
    results: Results = field(repr=False)
    baselines: tuple[str, ...]
    collapses: Mapping[str, str | None]
    confidence: float
    resamples: int
    seed: int
    passes: tuple[int, int]
    maps: tuple[int, int]
    warnings: tuple[str, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods that are compared."""
        return tuple(self.results)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics."""
        return tuple(self.table.values)

    @property
    def rows(self) -> tuple[str, ...]:
        """The names of the methods, then those of the baselines."""
        return (*self.methods, *self.baselines)

    @cached_property
    def summaries(self) -> dict[str, dict[str, Summary]]:
        """What each metric says of each row, by the name of the metric and then of the row."""
        return {metric: self._summarised(metric) for metric in self.metrics}

    @cached_property
    def agreement(self) -> dict[tuple[str, str], float]:
        """Kendall's τ-b of the order in which each two metrics put the methods, -1..1; NaN if there is no order."""
        found = {}
        for first, second in combinations(self.metrics, 2):
            both = [[self.summaries[each][row].rank for row in self.methods] for each in (first, second)]
            found[first, second] = kendall_tau(*(np.array(each, np.float64) for each in both))
        return found

    def select(self, rows: Sequence[int]) -> Self:
        """Return the same about some of the images, by their indices: a subgroup, with intervals of its own."""
        index = np.asarray(rows, int)
        return replace(self, table=self.table.select(index), results=self.results.select(index.tolist()))

    def by(self, groups: Sequence[str]) -> dict[str, Self]:
        """Return the same about each group of the images, by its name; groups: that of each image.

        Raises `TfvizError` if there is not one for each image.
        """
        if isinstance(groups, str) or len(groups) != len(self.results.targets):
            raise TfvizError(f"expected a group for each of the {len(self.results.targets)} images, got {len(groups)}")
        index = {name: [row for row, each in enumerate(groups) if each == name] for name in dict.fromkeys(groups)}
        return {name: self.select(rows) for name, rows in index.items()}

    def alike(self, metric: str) -> list[tuple[str, str]]:
        """Return the pairs of methods that this metric cannot tell apart on these images: it may be chance."""
        apart = self._apart(metric)
        defined = [row for row in self.methods if np.isfinite(self.summaries[metric][row].rank)]
        index = {row: number for number, row in enumerate(self.rows)}
        return [(one, other) for one, other in combinations(defined, 2) if not apart[index[one], index[other]]]

    def must_beat(self, metric: str) -> bool:
        """Return whether a method should be better by this metric than a map that does not know the network."""
        return METRICS[metric].family not in WON_BY_KNOWING_NOTHING

    def _means(self, metric: str) -> Doubles:
        values = np.stack([self.table.values[metric][row] for row in self.rows])
        # An image without a value of any method, such as one that methods are not run again on, is none of the sample.
        measured = np.isfinite(values).any(axis=0)
        return bootstrap_means(values[:, measured] if measured.any() else values, self.resamples, self.seed)

    def _apart(self, metric: str) -> np.ndarray:
        """Return whether each two rows can be told apart, bool (M, M)."""
        return differ(self._means(metric), self.confidence)

    def _ordered(self, means: Mapping[str, float], better: Metric) -> tuple[dict[str, float], str]:
        """Return the rank of each method that has one, and the first of the best; empty if there is none."""
        found = ranks(np.array([*means.values()]), highest_first=better.better == "higher")
        order = {row: float(rank) for row, rank in zip(means, found, strict=True)}
        return order, min((row for row in order if np.isfinite(order[row])), key=order.__getitem__, default="")

    def _beaten_by(self, row: str, means: Mapping[str, float], better: Metric) -> tuple[str, ...]:
        """Return the baselines that are at least as good as a method."""
        known = [each for each in self.baselines if row in self.methods and np.isfinite(means[each])]
        return tuple(each for each in known if not better.is_better(means[row], means[each]))

    def _summarised(self, metric: str) -> dict[str, Summary]:
        better, found = self.table.about[metric], self.table.values[metric]
        defined = {row: values[np.isfinite(values)] for row, values in found.items()}
        means = {row: float(values.mean()) if values.size else float("nan") for row, values in defined.items()}
        lows, highs = interval(self._means(metric), self.confidence)
        is_partial = _partial(found)
        order, best = self._ordered({row: means[row] for row in self.methods if not is_partial[row]}, better)
        apart, index = self._apart(metric), {row: number for number, row in enumerate(self.rows)}
        return {
            row: Summary(
                mean=means[row],
                low=float(lows[index[row]]) if len(defined[row]) > 1 else float("nan"),
                high=float(highs[index[row]]) if len(defined[row]) > 1 else float("nan"),
                count=len(defined[row]),
                rank=float(order.get(row, float("nan"))),
                is_best=bool(best) and order.get(row) == order[best],
                like_best=best not in ("", row) and not (is_partial[row] or apart[index[row], index[best or row]]),
                beaten_by=self._beaten_by(row, means, better),
                why=self.table.undefined.get(metric, {}).get(row, ""),
                must_beat=self.must_beat(metric),
                is_partial=is_partial[row],
            )
            for row in self.rows
        }


def _partial(found: Mapping[str, Doubles]) -> dict[str, bool]:
    """Return of each row whether it has values, but of less than half of the images that any row has one of."""
    counts = {row: int(np.isfinite(values).sum()) for row, values in found.items()}
    measured = np.isfinite([*found.values()]).any(axis=0).sum()
    return {row: bool(0 < 2 * count < measured) for row, count in counts.items()}
