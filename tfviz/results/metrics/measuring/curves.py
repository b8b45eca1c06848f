"""How a score runs while pixels are taken away or given back, and how a notebook draws that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tfviz.arrays import Doubles
from tfviz.markup import Html, element, escaped, page_of
from tfviz.results.metrics.measuring.correlation import mean_of_known

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 220, 44, 8, 8, 38
MOST_DRAWN = 50
TICKS = 5
LINE = {"fill": "none", "stroke": "currentColor"}


@dataclass(frozen=True, eq=False)
class Curves:
    """How a score runs while pixels are taken away or given back: a line for each image.

    shares: (P,), how much was changed, 0..1. scores: (N, P). x, y: in words, what the two are. A notebook draws a thin
    line for each image, of the first 50, and a thick one for the mean of all.
    """

    shares: Doubles
    scores: Doubles
    x: str
    y: str

    def _repr_html_(self) -> str:
        """Return the picture that a notebook shows by this name."""
        return page_of(self.picture())

    def picture(self) -> Html:
        """Return the lines as an SVG picture in the colours of the page around it."""
        low, high = self._range()
        parts = [*self._ticks(low, high), *self._names()]
        for scores in self.scores[:MOST_DRAWN]:
            parts.append(self._line(scores, low, high, **{"stroke-opacity": 0.3, "stroke-width": 1}))
        parts.append(self._line(self._mean(), low, high, **{"stroke-width": 2.5}))
        about = f"{self.y} by {self.x}: the mean of {len(self.scores)} images, thick, and each of them"
        shape = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "width": WIDTH, "style": "max-width:100%;height:auto"}
        return element("svg", element("title", escaped(about)), *parts, **shape, role="img", **{"aria-label": about})

    def _range(self) -> tuple[float, float]:
        """Return the least and the largest score that is drawn: 0..1 for probabilities."""
        found = self.scores[np.isfinite(self.scores)]
        low, high = float(found.min(initial=0.0)), float(found.max(initial=0.0))
        return (0.0, 1.0) if low >= 0 and 0.5 < high <= 1 else (low, high if high > low else low + 1)

    def _mean(self) -> Doubles:
        """Return the mean (P,) of the scores that are defined; NaN where none is."""
        return mean_of_known(self.scores.T)

    def _line(self, scores: Doubles, low: float, high: float, **look: object) -> Html:
        """Return the line of the scores that are defined."""
        pairs = [pair for pair in zip(self.shares, scores, strict=True) if np.isfinite(pair[1])]
        points = [f"{self._across(x):.1f},{_up(y, low, high):.1f}" for x, y in pairs]
        return element("polyline", points=" ".join(points), **LINE, **look)

    def _across(self, share: float) -> float:
        first, last = float(self.shares[0]), float(self.shares[-1])
        return LEFT + (WIDTH - LEFT - RIGHT) * (share - first) / ((last - first) or 1)

    def _ticks(self, low: float, high: float) -> Iterator[Html]:
        """Yield lines and numbers at equal steps of both axes."""
        for score in np.linspace(low, high, TICKS):
            height = f"{_up(score, low, high):.1f}"
            yield element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=height, y2=height, **LINE, **{"stroke-opacity": 0.15})
            yield _text(f"{score:.3g}", LEFT - 4, float(height) + 4, "end")
        for share in np.linspace(float(self.shares[0]), float(self.shares[-1]), TICKS):
            yield _text(f"{share:.3g}", self._across(share), HEIGHT - BOTTOM + 14, "middle")

    def _names(self) -> Iterator[Html]:
        middle = (LEFT + WIDTH - RIGHT) / 2
        yield _text(f"{self.y} by {self.x}", middle, HEIGHT - 6, "middle")


def _up(score: float, low: float, high: float) -> float:
    """Return the height of a score in the picture, from its top."""
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (score - low) / (high - low)


def _text(text: str, x: float, y: float, anchor: str) -> Html:
    look = {"font-size": 11, "fill": "currentColor", "text-anchor": anchor}
    return element("text", escaped(text), x=f"{x:.1f}", y=f"{y:.1f}", **look)
