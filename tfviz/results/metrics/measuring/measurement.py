"""The result of a metric: a number for each image, how it was measured and, of some, the curve that it sums up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from tfviz.arrays import Doubles
from tfviz.markup import SENTENCE, changed_options, element, escaped, page_of, table_of, warnings_of
from tfviz.results.metrics.measuring.curves import Curves

Better = Literal["higher", "lower"]
MOST_SHOWN = 20


@dataclass(frozen=True, eq=False)
class Measurement:
    """The result of a metric; NumPy takes it for its `values`, as in `np.mean(measurement)`.

    metric: its name. values: float64 (N,), a number for each image, NaN where it is not defined. collapse: how
    attributions became maps, see `tfviz.results.collapse`; None if maps were given or nothing was reduced. options: all
    of the metric's own, those that `like` chose included. curves: what the values sum up, if anything. warnings: those
    about the values; the metric's function emits them. better, bounds: whether a higher or a lower value is better, and
    the lowest and highest one that is possible, with these options; None, of `Metric.compute`, is as `Metric` says. A
    custom score, which takes the place of a probability, may be beyond them.
    """

    metric: str
    values: Doubles
    collapse: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    curves: Curves | None = None
    warnings: tuple[str, ...] = ()
    better: Better | None = None
    bounds: tuple[float, float] | None = None

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Return the values, as NumPy's functions ask for them."""
        return np.array(self.values, dtype=dtype, copy=True if copy is None else copy)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.values)

    def __iter__(self) -> Iterator[float]:
        """Iterate over the values of the images."""
        return iter(self.values.tolist())

    def __getitem__(self, index: Any) -> Any:
        """Return the value of an image, or those that NumPy's indices choose."""
        return self.values[index]

    def __float__(self) -> float:
        """Return the value of a single image."""
        return float(self.values.item())

    def _repr_html_(self) -> str:
        """Return the page that a notebook shows by this name: the mean, the values of the first images, the curves."""
        values = np.atleast_1d(self.values)
        defined = values[np.isfinite(values)]
        mean = f"{defined.mean():.4g}" if defined.size else "not defined"
        how = f"; {self.better} is better" if self.better else ""
        how += f"; attributions reduced by {self.collapse}" if self.collapse else ""
        options = ", ".join(changed_options(self.options, {}))
        rows = [(escaped(f"image {index}"), escaped(f"{value:.4g}")) for index, value in enumerate(values[:MOST_SHOWN])]
        hidden = f"{len(values) - MOST_SHOWN} more images are not shown." if len(values) > MOST_SHOWN else ""
        return page_of(
            element(
                "p", element("b", escaped(self.metric)), escaped(f": {mean}, the mean of {defined.size} images{how}")
            ),
            element("p", escaped(options, SENTENCE), style="opacity:.7;font-size:.85em;margin:0"),
            *([self.curves.picture()] if self.curves is not None else []),
            table_of(rows, weight="normal"),
            element("p", escaped(hidden)),
            *warnings_of(self.warnings),
        )
