"""Makes the measured parts of a report: the table and curves of a comparison, and the sanity verdicts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tfviz.apps.comparison import headings_of, sentences_of
from tfviz.apps.report.sections import (
    Judgement,
    ReportedCell,
    ReportedCurve,
    ReportedCurves,
    ReportedMetric,
    ReportedRow,
    ReportedTable,
    ReportedVerdict,
)
from tfviz.results.comparison import LEGEND, NO_BETTER, Findings, Summary
from tfviz.results.metrics import FAMILIES, METRICS, SanityVerdict

IMAGE_NUMBERS = re.compile(r"\bimage ((?:\d+, )*\d+)")
"""How warnings of metrics name images."""
MOST_CURVED = 20
"""The pictures whose curves are drawn."""
CAPTION = (
    "The mean of each metric over the pictures, with its interval. No metric says alone which map to believe: look "
    "where several agree, and whether a method is better than maps that do not know the network."
)


def comparison_table(found: Findings, warnings: Iterable[str]) -> ReportedTable:
    """Return the table of all methods, baselines below them; warnings: what must be said of its numbers."""
    rows = [
        ReportedRow(
            row,
            tuple(_cell(found.summaries[metric][row]) for metric in found.metrics),
            is_baseline=row in found.baselines,
        )
        for row in found.rows
    ]
    about = [f"{metric}: {FAMILIES[METRICS[metric].family]}; {METRICS[metric].caution}." for metric in found.metrics]
    notes = (*sentences_of(found, with_marks=False), *about, *(f"{each}." for each in warnings))
    return ReportedTable("Methods compared", CAPTION, ("method", *headings_of(found)), tuple(rows), notes)


def metrics_of(found: Findings) -> Iterator[ReportedMetric]:
    """Yield the metrics of a comparison, in the order of its columns."""
    for name in found.metrics:
        about = found.table.about[name]
        asks, must_beat = FAMILIES[about.family], found.must_beat(name)
        yield ReportedMetric(name, about.family, asks, about.better, must_beat, about.caution, about.paper)


def with_picture_names(warning: str, pictures: Sequence[str]) -> str:
    """Return a warning with the names of pictures in place of the numbers of images."""
    return IMAGE_NUMBERS.sub(lambda found: ", ".join(pictures[int(each)] for each in found[1].split(", ")), warning)


def curves_of(found: Findings, pictures: Sequence[str]) -> Iterator[ReportedCurves]:
    """Yield the curves of each metric that has some; pictures: the names of the images."""
    for metric, rows in found.table.curves.items():
        curves = [
            ReportedCurve(row, name, tuple(zip(each.shares.tolist(), each.scores[index].tolist(), strict=True)))
            for index, name in enumerate(pictures[:MOST_CURVED])
            for row, each in rows.items()
            if row in found.methods or row == found.baselines[0]
        ]
        first = next(iter(rows.values()))
        better = found.table.about[metric].better.capitalize()
        caption = f"{better} is better: the area below a curve is the value in the table."
        yield ReportedCurves(metric, caption, first.x, first.y, tuple(curves))


def verdicts_of(verdicts: Iterable[SanityVerdict]) -> Iterator[ReportedVerdict]:
    """Yield what random weights leave of the maps of each method."""
    for each in verdicts:
        judgement: Judgement = "not tested" if each.depends is None else "passed" if each.depends else "doubtful"
        yield ReportedVerdict(each.method, judgement, f"{each.sentence}.")


def untested(method: str, why: str) -> ReportedVerdict:
    """Return the verdict on a method that could not be tried."""
    return ReportedVerdict(method, "not tested", f"{why}.")


def _cell(each: Summary) -> ReportedCell:
    """Return the mean of a row, with its interval; marked if a baseline is as good."""
    if not each.is_defined:
        return ReportedCell(None, mark=each.why)
    low, high = (None, None) if each.low != each.low else (each.low, each.high)
    return ReportedCell(each.mean, low, high, LEGEND[NO_BETTER] if each.is_no_better else "")
