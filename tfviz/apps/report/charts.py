"""The geometry of the drawings in a report: lines of curves, and bars of intervals, as numbers for SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tfviz.apps.report.sections import ReportedCell, ReportedCurve, ReportedCurves, ReportedTable

WIDTH, HEIGHT = 300, 190
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 10, 32
"""Room beside the axes for their numbers and names."""
TICKS = 5
BAR = 100


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its place in the drawing, and its number."""

    place: float
    label: str


@dataclass(frozen=True)
class Chart:
    """The curves of one picture. lines: the name of each method, and its points as SVG writes them."""

    picture: str
    lines: tuple[tuple[str, str], ...]
    across: tuple[Tick, ...]
    upwards: tuple[Tick, ...]


@dataclass(frozen=True)
class Bar:
    """The interval of a cell in a drawing `BAR` units wide: where it begins, how wide it is, where its value lies."""

    begin: float
    width: float
    value: float


def charts_of(curves: ReportedCurves) -> Iterator[Chart]:
    """Yield a chart for each picture, all with the same axes, so that they can be compared."""
    points = [point for curve in curves.curves for point in curve.points]
    if not points:
        return
    across, upwards = (_range([point[axis] for point in points]) for axis in (0, 1))
    for picture in dict.fromkeys(curve.picture for curve in curves.curves):
        own = [curve for curve in curves.curves if curve.picture == picture]
        lines = tuple((curve.method, _points(curve, across, upwards)) for curve in own)
        yield Chart(picture, lines, _ticks(across, LEFT, WIDTH - RIGHT), _ticks(upwards, HEIGHT - BOTTOM, TOP))


def bars_of(table: ReportedTable) -> list[list[Bar | None]]:
    """Return the bar of each cell of a table by row and column, those of a column in one scale; None where none is."""
    columns = [[row.cells[column] for row in table.rows] for column in range(len(table.header) - 1)]
    drawn = [_bars(column) for column in columns]
    return [list(bars) for bars in zip(*drawn, strict=True)]


def _bars(cells: Sequence[ReportedCell]) -> list[Bar | None]:
    numbers = [number for cell in cells for number in (cell.value, cell.low, cell.high) if number is not None]
    if not numbers:
        return [None] * len(cells)
    low, high = _range(numbers)
    return [_bar(cell, low, high) for cell in cells]


def _bar(cell: ReportedCell, low: float, high: float) -> Bar | None:
    if cell.value is None or cell.low is None or cell.high is None:
        return None
    begin, end, value = (BAR * (number - low) / (high - low) for number in (cell.low, cell.high, cell.value))
    return Bar(round(begin, 1), round(end - begin, 1), round(value, 1))


def _range(numbers: Sequence[float]) -> tuple[float, float]:
    """Return the least and the largest number, and 0..1 if all lie between these; never an empty range."""
    low, high = min(numbers), max(numbers)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _points(curve: ReportedCurve, across: tuple[float, float], upwards: tuple[float, float]) -> str:
    places = [
        (_placed(x, across, LEFT, WIDTH - RIGHT), _placed(y, upwards, HEIGHT - BOTTOM, TOP)) for x, y in curve.points
    ]
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def _ticks(numbers: tuple[float, float], begin: float, end: float) -> tuple[Tick, ...]:
    low, high = numbers
    marks = [low + (high - low) * number / (TICKS - 1) for number in range(TICKS)]
    return tuple(Tick(_placed(mark, numbers, begin, end), f"{mark:.3g}") for mark in marks)


def _placed(number: float, numbers: tuple[float, float], begin: float, end: float) -> float:
    """Return where a number lies between `begin` and `end`, which stand for the ends of a range."""
    low, high = numbers
    return round(begin + (end - begin) * (number - low) / (high - low), 1)
