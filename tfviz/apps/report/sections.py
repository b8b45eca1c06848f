"""The parts of a report that other tools measure: tables, curves and verdicts, as plain data.

Whoever compares methods, draws their curves or tests them fills these in; a part without data is left out of the page.
Numbers are shown as they are given, so that nothing is measured, averaged or judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Judgement = Literal["passed", "doubtful", "failed", "not tested"]


@dataclass(frozen=True)
class ReportedCell:
    """A number of a table, and the interval that it lies in.

    value: None if there is none, which is shown as a dash. low, high: the ends of its interval, both None if it is not
    known. mark: what must be said of the number, such as "below its baseline"; empty for nothing.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    mark: str = ""


@dataclass(frozen=True)
class ReportedRow:
    """A row of a table: its name and a cell for each column. is_baseline: whether others are compared with it."""

    name: str
    cells: tuple[ReportedCell, ...]
    is_baseline: bool = False


@dataclass(frozen=True)
class ReportedTable:
    """A table of numbers.

    title, caption: what it is about, and how to read it, empty if there is nothing to say. header: the title of the
    column of names, then of each other. notes: sentences below it. subject: the method that all rows are about; empty
    for none.
    """

    title: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[ReportedRow, ...]
    notes: tuple[str, ...] = ()
    subject: str = ""


@dataclass(frozen=True)
class ReportedMetric:
    """What a reader must know of a metric that is a column of the comparison.

    family, asks: what the metrics of its family have in common. better: "higher" or "lower". must_beat: whether to be
    no better than a map that does not know the network is a verdict. caution: when not to trust it.
    """

    name: str
    family: str
    asks: str
    better: str
    must_beat: bool
    caution: str
    source: str


@dataclass(frozen=True)
class ReportedCurve:
    """The curve of a method on a picture: points (x, y) from left to right."""

    method: str
    picture: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class ReportedCurves:
    """Curves of one kind, such as deletion: a chart for each picture, with a line for each method.

    caption: how to read them. horizontal, vertical: what the axes show.
    """

    title: str
    caption: str
    horizontal: str
    vertical: str
    curves: tuple[ReportedCurve, ...]


@dataclass(frozen=True)
class ReportedVerdict:
    """What a test found of a method or the network: its subject, the judgement, and the numbers and words for it."""

    subject: str
    judgement: Judgement
    reason: str


@dataclass(frozen=True)
class Sections:
    """The measured parts of a report; those that are None or empty are left out.

    comparison: methods by metrics. curves: of each kind. sanity: verdicts on methods and network. subgroups: tables for
    each grouping of the pictures. metrics: those of the columns of the comparison. missing: why a part that belongs to
    a report is not there, in a sentence, by its name. warnings: about the numbers of methods.
    """

    comparison: ReportedTable | None = None
    curves: tuple[ReportedCurves, ...] = ()
    sanity: tuple[ReportedVerdict, ...] = ()
    subgroups: tuple[ReportedTable, ...] = ()
    metrics: tuple[ReportedMetric, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
