"""Makes of docstrings what is easier to read on a page; nothing of their words is changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

STARTS = re.compile(r"(?:^|(?<=[.;] ))((?:\w+, )*[a-z]\w*): ")
"""Where a sentence, or a part of one, begins with the names of attributes: `scores: (N,). logits, heads: (N, K).`"""


def with_attributes(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a class's docstring with each paragraph of attributes as a list of them."""
    for paragraph in "\n".join(lines).split("\n\n"):
        sentence = " ".join(paragraph.split("\n"))
        _, *found = STARTS.split(sentence) if STARTS.match(sentence) else [""]
        if not found:
            yield from (*paragraph.split("\n"), "")
        for names, text in zip(found[::2], found[1::2], strict=True):
            yield from (names, f"    {text.rstrip(' ;')}", "")
