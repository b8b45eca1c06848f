"""Breaks titles and captions into few lines.

A class name can be long, such as a list of synonyms, while the score, which must stay, is the last word of a caption.
So a caption that is too long loses the words before its last one.
"""

from __future__ import annotations

import re
import textwrap

ELLIPSIS = "..."


class _PathWrapper(textwrap.TextWrapper):
    """Breaks lines at spaces, and after slashes: the path of a layer is one long word."""

    wordsep_re = re.compile(r"( +|[^ /]*/)")


def wrap(text: str, width: int, lines: int = 3) -> list[str]:
    """Break a text into at most `lines` lines of `width` characters; one that is too long loses words before its last.

    Words that belong together are joined by no-break spaces. A text of several lines is broken line by line. If it is
    too long, a word that is longer than a line, such as the path of a layer, loses its middle first.
    """
    if "\n" in text:
        return [line for part in text.split("\n") for line in wrap(part, width, lines)]
    words = text.split(" ")
    if len(_broken(text, width)) > lines:
        words = [_without_middle(word, width) for word in words]
    for kept in range(len(words), 0, -1):
        shortened = words if kept == len(words) else [*words[: kept - 1], ELLIPSIS, words[-1]]
        broken = _broken(" ".join(shortened), width)
        if len(broken) <= lines:
            return broken
    return _broken(" ".join(words), width)[:lines]


def _broken(text: str, width: int) -> list[str]:
    return (_PathWrapper if "/" in text else textwrap.TextWrapper)(width).wrap(text)


def _without_middle(word: str, width: int) -> str:
    """Return a word that fits into a line; there must be room for more than the ellipsis."""
    kept = width - len(ELLIPSIS)
    return word if len(word) <= width or kept < 2 else f"{word[: kept // 2]}{ELLIPSIS}{word[kept // 2 - kept :]}"
