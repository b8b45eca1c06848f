"""Prints the results of commands as tables for a terminal of any width.

Cells fold instead of being cut, and every text is made printable, since names come from files and models. Long tables
and lists of files end early with the number of lines that are not shown: everything is in the manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tfviz.apps.explanation import Explanation
from tfviz.apps.files import replacing
from tfviz.apps.runs.outcome import Outcome, Scored
from tfviz.data_format import DataFormat
from tfviz.methods import METHODS
from tfviz.methods.engine import OF_INNER, PRECISION_ERROR, SIGNS
from tfviz.network.replay import FULL
from tfviz.network.traced import TracedNetwork
from tfviz.printable import printable
from tfviz.terminal import tell

MOST_LINES = 40
MOST_FILES = 10
MARK = "*"
EDGES = ("left", "top", "right", "bottom")


def print_outcome(outcome: Outcome, manifest: Path | None) -> None:
    """Print the classes of the images, what was explained and where the files are; nothing if no image was explained.

    manifest: the path of the manifest, None if there is none.
    """
    if outcome.explanation is None:
        return
    Console().print(_classes_table(outcome.listed, outcome.explanation))
    by, score = outcome.setup.network.name, outcome.explanation.scored_by
    summary = f"{MARK} explained, by {by}; the score is {score}{_hidden(outcome.listed)}"
    _print_files(outcome, summary, manifest)


def print_places(outcome: Outcome, manifest: Path | None) -> None:
    """Print the boxes that the methods mark for the targets of the images, and where the files are."""
    lines = [(entry, *found) for entry in outcome.entries for found in entry["boxes"].items()]
    if not lines or outcome.explanation is None:
        return
    has_classes = outcome.explanation.has_classes
    table = _table("image", *(["class"] if has_classes else []), "method", *EDGES)
    for column in table.columns[-len(EDGES) :]:
        column.justify = "right"
    for entry, method, edges in lines[:MOST_LINES]:
        names = [_cell(outcome.numbered(entry["target"]))] if has_classes else []
        shown = map(str, edges or ["none"])
        table.add_row(_cell(Path(entry["image"]).stem), *names, method, *shown)
    Console().print(table)
    height, width = outcome.setup.size
    unit = f"pixels of the picture of {height}x{width} that the network sees; right and bottom are the first outside"
    _print_files(outcome, f"{unit}{_hidden(lines)}", manifest)


def print_layers(network: TracedNetwork) -> None:
    """Print the layers with a spatial map, and mark the default."""
    table = _table("layer", "height × width × channels", "")
    for name, shape in network.layers.items():
        default = "default" if name == network.default_layer else ""
        table.add_row(_cell(name), " × ".join(str(size or "?") for size in shape), default)
    Console().print(table)
    if lines := _about_images(network):
        tell(*lines)


def print_methods() -> None:
    """Print a table of every method: what it needs, costs and means."""
    table = _table("method", "needs and cost", "source, sign and caution")
    table.columns[0].no_wrap = True
    table.show_lines = True
    for method in METHODS.values():
        table.add_row(
            f"{method.name}\n{method.result}",
            f"{method.needs}\n{method.cost}",
            f"{method.paper}\n{SIGNS[method.sign] if method.sign else OF_INNER}\n{method.caution}",
        )
    Console().print(table)


def _about_images(network: TracedNetwork) -> list[str]:
    """Return lines about images that are not what a user would expect: decoded by the network, or channels first."""
    lines = [f"images are explained as {network.cut} decodes them (--cut chooses another)"] if network.cut else []
    if network.data_format == DataFormat.CHANNELS_FIRST:
        lines.append("the network takes channels first, as do arrays of its images (--data-format changes that)")
    return lines


def _hidden(lines: Sequence[object]) -> str:
    """Return how many lines a table leaves out, worded to follow its summary; empty if none."""
    return f" ({len(lines) - MOST_LINES} more lines are not shown)" if len(lines) > MOST_LINES else ""


def _print_files(outcome: Outcome, summary: str, manifest: Path | None) -> None:
    """Print a summary of a table, the layers that were looked at, and where the files are."""
    layers = outcome.explanation.layers if outcome.explanation else {}
    lines = [summary, *_about_images(outcome.setup.network), *_about_precision(outcome)]
    for layer in dict.fromkeys(layers.values()):
        methods = ", ".join(name for name, looked_at in layers.items() if looked_at == layer)
        default = ", the default" if layer == outcome.setup.network.default_layer else ""
        lines.append(f"{methods}: layer {layer}{default}")
    written = [str(path) for path in outcome.pictures]
    if len(written) > MOST_FILES:
        written = [f"{len(written)} pictures in {outcome.request.output}"]
    replaced = replacing(outcome.found_there)
    tell(*lines, *written, *([manifest] if manifest else []), *([replaced] if replaced else []))


def _about_precision(outcome: Outcome) -> list[str]:
    """Return the cost of a reduced precision: the largest error of each method over the images that were compared."""
    precision = outcome.setup.network.running.precision
    if precision == FULL:
        return []
    errors: dict[str, float] = {}
    for entry in outcome.entries:
        for method, numbers in entry["diagnostics"].items():
            errors[method] = float(np.fmax(errors.get(method, 0), numbers.get(PRECISION_ERROR, 0)))
    shown = ", ".join(f"{method} {error:.1%}" for method, error in errors.items())
    return [f"run in {precision}; difference from float32 (relative L2): {shown}"]


def print_rows(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of texts; the columns after the second hold numbers, and are aligned to the right."""
    table = _table(*headers)
    for column in table.columns[2:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*map(_cell, row))
    Console().print(table)


def _classes_table(listed: Sequence[Scored], explanation: Explanation) -> Table:
    """Return the table of the classes of images, an image's name before the first of its lines only.

    A network without a final softmax or sigmoid has raw outputs in place of logits, and what their softmax would be.
    """
    is_raw, has_classes = explanation.head == "none", explanation.has_classes
    logit = "log odds" if explanation.head == "log_odds" else "logit"
    headers = ("class", "raw output", "its softmax") if is_raw else ("class", logit, "probability")
    table = _table("image", *(headers if has_classes else ["raw output"]), "")
    for column in table.columns[2 if has_classes else 1 : -1]:
        column.justify = "right"
    image = None
    for line in listed[:MOST_LINES]:
        shown = "" if line.image == image else line.image
        image = line.image
        score = _number(line.score, 3) if line.score == line.score else "none"
        mark = " ".join(word for word, holds in ((MARK, line.explained), ("true", line.true)) if holds)
        cells = (line.name, score, _number(line.probability, 4)) if has_classes else (score,)
        table.add_row(_cell(shown), *map(_cell, cells), mark)
    return table


def _number(value: float, decimals: int) -> str:
    """Return a number with so many decimals; one that would be shown as zero, and is not, with two digits."""
    text = f"{value:.{decimals}f}"
    return f"{value:.1e}" if value and not float(text) else text


def _cell(text: str) -> Text:
    """Return a text that folds if its column is narrow, and is not read as markup."""
    return Text(printable(text), overflow="fold")


def _table(*headers: str) -> Table:
    """Return an empty table with these headers, and one line below them."""
    return Table(*(escape(printable(each)) for each in headers), box=box.SIMPLE_HEAD, pad_edge=False)
