"""The result of `compare`: a table that can be printed, shown in a notebook, saved and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfviz.apps.comparison.page import comparison_page
from tfviz.apps.comparison.table import as_text
from tfviz.apps.comparison.writing import write_comparison
from tfviz.results import plot_intervals
from tfviz.results.comparison import Findings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Comparison(Findings):
    """What metrics say of methods on the same N images, with baselines beside them; made by `tfviz.compare`.

    Its attributes are those of `tfviz.results.comparison.Findings`: the values of all images are in
    `table.values[metric][row]`, what they say in `summaries[metric][row]` and `agreement`.
    """

    def save(self, path: str | Path) -> Path:
        """Write the table as ``.csv``, ``.md`` or, with the values of all images and all options, ``.json``.

        Raises `TfvizError` for another ending, or if it cannot be written; a file that exists is replaced.
        """
        return write_comparison(self, Path(path))

    def plot(self, *, figsize: tuple[float, float] | None = None, pyplot: bool = True) -> Figure:
        """Return a matplotlib figure: for each metric the means of all rows with their intervals.

        figsize: (width, height) in inches. pyplot: whether pyplot knows the figure, as `tfviz.results.plot` takes it.
        """
        shown = {
            f"{metric} ({self.table.about[metric].better} is better)": {
                row: (each.mean, each.low, each.high, row in self.baselines) for row, each in found.items()
            }
            for metric, found in self.summaries.items()
        }
        return plot_intervals(shown, figsize=figsize, pyplot=pyplot)

    def __str__(self) -> str:
        """Return the table as text, as it is printed."""
        return as_text(self)

    def _repr_html_(self) -> str:
        """Return the page that a notebook shows by this name."""
        return comparison_page(self)
