"""What the command prints: tables for a terminal of any width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfviz.apps.command.outcome import Outcome, Scored
from tfviz.methods import METHODS
from tfviz.network.traced import TracedNetwork

MOST_LINES = 40
MOST_FILES = 10
MARK = "*"


def print_outcome(outcome: Outcome, manifest: Path | None) -> None:
    """Print the classes of the images, what was explained and where the files are."""
    explanation = outcome.explanation
    if explanation is None:
        return
    is_raw = explanation.head == "none"
    Console().print(_classes_table(outcome.listed, is_raw))
    hidden = len(outcome.listed) - MOST_LINES
    more = f" ({hidden} more lines are not shown)" if hidden > 0 else ""
    lines = [f"{MARK} explained; the score is {explanation.scored_by}{more}"]
    for layer in dict.fromkeys(explanation.layers.values()):
        methods = " and ".join(name for name, looked_at in explanation.layers.items() if looked_at == layer)
        default = ", the default" if layer == outcome.setup.network.default_layer else ""
        lines.append(f"{methods}: layer {layer}{default}")
    written = [str(path) for path in outcome.pictures]
    if len(written) > MOST_FILES:
        written = [f"{len(written)} pictures in {outcome.request.output}"]
    print(*lines, *written, *([str(manifest)] if manifest else []), sep="\n")


def print_layers(network: TracedNetwork) -> None:
    """Print the layers with a spatial map, and mark the default."""
    table = _table("layer", "height × width × channels", "")
    for name, shape in network.layers.items():
        default = "default" if name == network.default_layer else ""
        table.add_row(Text(name, overflow="fold"), " × ".join(str(size or "?") for size in shape), default)
    Console().print(table)


def print_methods() -> None:
    """Print what there is to know of every method."""
    table = _table("method", "needs and cost", "source and caution")
    table.columns[0].no_wrap = True
    table.show_lines = True
    for method in METHODS.values():
        table.add_row(
            f"{method.name}\n{method.result}", f"{method.needs}\n{method.cost}", f"{method.paper}\n{method.caution}"
        )
    Console().print(table)


def _classes_table(listed: Sequence[Scored], is_raw: bool) -> Table:
    table = _table("image", "class", *(("raw output", "its softmax") if is_raw else ("logit", "probability")), "")
    for column in table.columns[2:4]:
        column.justify = "right"
    image = None
    for line in listed[:MOST_LINES]:
        shown = "" if line.image == image else line.image
        image = line.image
        numbers = (f"{line.score:.3f}", f"{line.probability:.4f}")
        table.add_row(Text(shown, overflow="fold"), Text(line.name), *numbers, MARK if line.explained else "")
    return table


def _table(*headers: str) -> Table:
    return Table(*headers, box=box.SIMPLE_HEAD, pad_edge=False)
