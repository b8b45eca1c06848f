"""Builds HTML for notebooks out of names of strangers: everything is escaped, and no part grows without end.

Only what `element` and `escaped` return counts as HTML, so a text that was not escaped does not pass the type checker.
Styles stand at the elements, because a notebook shares one page among all its outputs, and colours are inherited from
it, since it may be light or dark. There are no scripts and nothing that would be loaded from elsewhere.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, NewType

import numpy as np

from tfviz.printable import printable

Html = NewType("Html", str)

PAGE_BYTES = 300_000
"""A page takes less, whatever it is about: notebooks are mailed, compared and kept by git."""
LIST_BYTES = 12_000
LONGEST, SENTENCE = 200, 400  # characters of a name, and of a sentence
EMPTY_ELEMENTS = frozenset({"br", "img"})
TABLE, CELL = "border:none;margin:4px 0", "text-align:left;padding:1px 12px 1px 0"


def escaped(text: object, longest: int = LONGEST) -> Html:
    """Return a text as HTML in one line, printable, and shortened to `longest` characters."""
    # Cut before and after, since what is not visible becomes longer, and a text may have no end.
    shown = printable(str(text)[: longest + 1])
    return Html(html.escape(shown if len(shown) <= longest else f"{shown[: longest - 1]}…"))


def element(tag: str, *content: Html, **attributes: object) -> Html:
    """Return an HTML element with this content; the values of its attributes are escaped."""
    opening = "".join(f' {name}="{html.escape(str(value))}"' for name, value in attributes.items())
    return Html(f"<{tag}{opening}>{''.join(content)}" + ("" if tag in EMPTY_ELEMENTS else f"</{tag}>"))


def page_of(*parts: Html) -> str:
    """Return the page of these parts; long words are broken, so that it may be narrow."""
    return element("div", *parts, style="max-width:100%;overflow-wrap:anywhere;line-height:1.4")


def warnings_of(messages: Sequence[str]) -> list[Html]:
    """Return a marked list of messages as a part of a page; no part if there are none."""
    if not messages:
        return []
    title, items = element("b", escaped("Warnings")), list_of([escaped(each, SENTENCE) for each in messages])
    return [element("div", title, items, style="border-left:3px solid #d08700;padding-left:8px;margin:6px 0")]


def table_of(rows: Iterable[Sequence[Html]], most_bytes: int = PAGE_BYTES, weight: str = "bold") -> Html:
    """Return a table of the first rows that take `most_bytes` at most, and how many more there are.

    It has no header; its first column, in letters of a `weight`, names the others.
    """
    lines = []
    for first, *others in rows:
        cells = [element("td", each, style=CELL) for each in others]
        lines.append(element("tr", element("th", first, style=f"{CELL};font-weight:{weight}", scope="row"), *cells))
    lines = _first_of(lines, most_bytes, lambda rest: element("tr", element("td", rest, style=CELL)))
    return element("table", element("tbody", *lines, style="vertical-align:top"), style=TABLE)


def list_of(items: Sequence[Html], most_bytes: int = LIST_BYTES) -> Html:
    """Return a bulleted list of the first items that take `most_bytes` at most, and how many more there are."""
    item = partial(element, "li")
    return element("ul", *_first_of([*map(item, items)], most_bytes, item), style="margin:4px 0;padding-left:20px")


def lines_of(items: Sequence[Html], most_bytes: int = LIST_BYTES) -> Html:
    """Return the first items that take `most_bytes` at most, a line each, and how many more there are."""
    line = partial(element, "div")
    return Html("".join(_first_of([*map(line, items)], most_bytes, line)))


def _first_of(parts: Sequence[Html], most_bytes: int, more: Callable[[Html], Html]) -> list[Html]:
    """Return the first parts that take `most_bytes` at most; if some are left, their number in what `more` makes."""
    kept = sum(total <= most_bytes for total in accumulate(len(each.encode()) for each in parts))
    return [*parts[:kept], *([more(escaped(f"and {len(parts) - kept} more"))] if kept < len(parts) else [])]


def changed_options(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    """Yield `name=value` for the options that are not as their defaults; one without a default counts as changed."""
    for name, value in options.items():
        described = _described(value)
        if name not in defaults or described != _described(defaults[name]):
            yield f"{name}={described}"


def _described(value: Any) -> str:
    """Return an option as it would be typed, as far as it is short: of arrays the shape, of functions the name."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"array {value.shape}"
    if isinstance(value, np.generic | np.ndarray):
        return repr(value.item())
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name!r}: {_described(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_described, value)) + "]"
    # The text of an object that can be called often holds its address, which differs from run to run.
    return str(getattr(value, "__qualname__", type(value).__name__)) if callable(value) else repr(value)
