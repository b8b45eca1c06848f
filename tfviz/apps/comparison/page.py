"""Shows a comparison in a notebook: its table, what a reader must know of it, and the warnings."""

from __future__ import annotations

from tfviz.apps.comparison.table import counted, headings_of, sentences_of
from tfviz.markup import CELL, SENTENCE, TABLE, Html, element, escaped, list_of, page_of, warnings_of
from tfviz.results.comparison import Findings

RIGHT = "text-align:right;padding:2px 10px;vertical-align:top"
QUIET = "opacity:.7;font-size:.85em"
MOST_ROWS = 60


def comparison_page(found: Findings) -> str:
    """Return the page of a comparison, of less than `tfviz.markup.PAGE_BYTES`."""
    heads = [element("th", escaped(each), style=RIGHT, scope="col") for each in ("", *headings_of(found))]
    lines = [element("tr", *heads)]
    for row in found.rows[:MOST_ROWS]:
        look = "italic" if row in found.baselines else "normal"
        name = element("th", escaped(row), style=f"{CELL};font-weight:normal;font-style:{look}", scope="row")
        cells = [_cell(found, metric, row) for metric in found.metrics]
        lines.append(element("tr", name, *cells))
    title = element(
        "p", element("b", escaped("Comparison")), escaped(f" by {found.results.model}"), style="margin:0 0 4px"
    )
    hidden = len(found.rows) - MOST_ROWS
    notes = [*sentences_of(found), *_about_hidden(hidden)]
    table = element("table", element("tbody", *lines), style=f"{TABLE};overflow-wrap:normal")
    return page_of(
        title,
        element("div", table, style="overflow-x:auto"),
        element("div", list_of([escaped(each, SENTENCE) for each in notes]), style=QUIET),
        *warnings_of(found.warnings),
    )


def _about_hidden(rows: int) -> list[str]:
    """Return what must be said of the rows that are too many for a page."""
    if rows < 1:
        return []
    return [f"{counted(rows, 'more row')} {'is' if rows == 1 else 'are'} not shown."]


def _cell(found: Findings, metric: str, row: str) -> Html:
    """Return the mean of a row, bold if it is the best, with its marks, and the interval below."""
    each = found.summaries[metric][row]
    mean = escaped(f"{each.mean_text} {each.marks}".strip())
    return element(
        "td",
        element("b", mean) if each.is_best else mean,
        element("div", escaped(each.interval_text), style=QUIET),
        style=RIGHT,
    )
