"""Draws means with their intervals, a chart for each metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfviz.results.checks import check_size
from tfviz.results.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN_INCHES, LINE_INCHES, MARGIN_INCHES, NAME_INCHES = 2.6, 0.24, 0.75, 1.6
MOST_COLUMNS = 3
POINTS = 8
METHOD, BASELINE = "#1f5fa8", "#8a8a8a"  # readable on white, also without colours: baselines are hollow
Interval = tuple[float, float, float, bool]


def plot_intervals(
    shown: Mapping[str, Mapping[str, Interval]],
    *,
    figsize: tuple[float, float] | None = None,
    pyplot: bool = True,
) -> Figure:
    """Return a matplotlib figure with a chart for each title: a line for each name, in the order given.

    shown: (mean, low, high, whether it is a baseline) by title and name; NaN is left out. figsize: (width, height) in
    inches. pyplot: as `plot` takes it.
    """
    check_size(figsize, None)
    columns = min(MOST_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    lines = max(map(len, shown.values()))
    size = (NAME_INCHES + COLUMN_INCHES * columns, rows * (MARGIN_INCHES + LINE_INCHES * lines))
    figure = new_figure(pyplot, figsize=figsize or size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for place in grid.flat[len(shown) :]:
        place.set_axis_off()
    for place, (title, found) in zip(grid.flat, shown.items(), strict=False):
        place.set_title(title, fontsize=POINTS + 1, parse_math=False)
        for height, (mean, low, high, is_baseline) in enumerate(found.values()):
            color = BASELINE if is_baseline else METHOD
            place.plot([low, high], [height, height], color=color, linewidth=2, solid_capstyle="butt")
            place.plot([mean], [height], "o", color=color, markersize=5, fillstyle="none" if is_baseline else "full")
        place.set_yticks(range(len(found)), list(found), fontsize=POINTS, parse_math=False)
        place.tick_params(axis="x", labelsize=POINTS)
        place.grid(axis="x", alpha=0.3)
        place.set_ylim(len(found) - 0.5, -0.5)
    return figure
