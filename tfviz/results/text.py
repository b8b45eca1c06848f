"""Breaks titles and captions into few lines.

A class name can be long, such as a list of synonyms, while the score, which must stay, is the last word of a caption.
So a caption that is too long loses the words before its last one.
"""

from __future__ import annotations

import textwrap

ELLIPSIS = "..."


def wrap(text: str, width: int, lines: int = 3) -> list[str]:
    """Break a text into at most `lines` lines of `width` characters; one that is too long loses words before its last.

    Words that belong together are joined by no-break spaces. A text of several lines is broken line by line.
    """
    if "\n" in text:
        return [line for part in text.split("\n") for line in wrap(part, width, lines)]
    words = text.split(" ")
    for kept in range(len(words), 0, -1):
        shortened = words if kept == len(words) else [*words[: kept - 1], ELLIPSIS, words[-1]]
        broken = textwrap.wrap(" ".join(shortened), width)
        if len(broken) <= lines:
            return broken
    return textwrap.wrap(text, width)[:lines]
