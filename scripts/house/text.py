"""Lines of text of a known size, in the font that comes with matplotlib, so that every machine breaks them alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

FAMILY = "DejaVu Sans"
INK, FAINT = "#1A1A1A", "#5A5A5A"
LEADING = 1.25  # height of a line by the size of its type


@dataclass(frozen=True)
class Text:
    """Words of one size, colour and weight."""

    words: str
    size: float
    color: str = INK
    weight: str = "normal"

    @property
    def height(self) -> float:
        return self.size * LEADING

    @property
    def width(self) -> float:
        return self._width(self.words)

    def wrapped(self, width: float) -> list[Text]:
        """Return the lines that the words take, each as wide as `width` at most."""
        lines = [""]
        for word in self.words.split():
            parts = [word] if self._width(word) <= width else re.findall(r"[^_.]+[_.,]*", word)
            for glue, part in zip([" ", *[""] * len(parts)], parts, strict=False):
                longer = f"{lines[-1]}{glue}{part}".strip()
                if self._width(longer) <= width:
                    lines[-1] = longer
                else:
                    lines.append(part)
        return [replace(self, words=line) for line in lines if line]

    def _width(self, words: str) -> float:
        return _width(words, self.weight) * self.size


def height_of(lines: Iterable[Text]) -> float:
    """Return the height of lines below each other."""
    return sum(line.height for line in lines)


@cache
def _width(words: str, weight: str) -> float:
    """Return the width of a line by the size of its type."""
    font = FontProperties(family=FAMILY, weight=weight, size=100)
    return float(text_to_path.get_text_width_height_descent(words, font, ismath=False)[0]) / 100
