"""The result of a metric: a number for each image, how it was measured and, of some, the curve that it sums up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tfviz.arrays import Doubles


@dataclass(frozen=True, eq=False)
class Curves:
    """How a score runs while pixels are taken away or given back: a line for each image.

    shares: (P,), how much was changed, 0..1. scores: (N, P). x, y: in words, what the two are.
    """

    shares: Doubles
    scores: Doubles
    x: str
    y: str


@dataclass(frozen=True, eq=False)
class Measurement:
    """The result of a metric; NumPy takes it for its `values`, as in `np.mean(measurement)`.

    metric: its name. values: float64 (N,), a number for each image, NaN where it is not defined. collapse: how
    attributions became maps, see `tfviz.results.collapse`; None if maps were given or nothing was reduced. options:
    all of the metric's own, those that `like` chose included. curves: what the values sum up, if anything. warnings:
    those about the values; the metric's function emits them.
    """

    metric: str
    values: Doubles
    collapse: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    curves: Curves | None = None
    warnings: tuple[str, ...] = ()

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
        return float(self.values)
