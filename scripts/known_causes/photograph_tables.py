"""The tables of the page that are about photographs, made of its data alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tfviz
from known_causes.cells import ROWS, Data, escaped, listed, mean_of, number, table
from known_causes.summaries import order_of, tau
from tfviz.results.comparison import LEGEND, number_text
from tfviz.results.metrics import FAMILIES, METRICS

ARROWS = {"higher": "↑", "lower": "↓"}
MOST_COLUMNS = 4
HARDLY = 0.3  # `tfviz.results.metrics.SanityVerdict` has its reason


def families(data: Data) -> str:
    """Return a table for each family of what its metrics say of the photographs, of a few metrics each."""
    case, parts = data["cases"]["photographs"], []
    for family, asks in FAMILIES.items():
        every = [name for name in case["metrics"] if METRICS[name].family == family]
        names = [name for name in every if case["metrics"][name]["cells"]]
        parts.append(f"### {family.capitalize()}: {asks}")
        for start in range(0, len(names), MOST_COLUMNS):
            parts.append(of_metrics(case, names[start : start + MOST_COLUMNS]))
        parts += _missing(case, [name for name in every if name not in names])
    return "\n\n".join(parts)


def of_metrics(case: Data, names: list[str]) -> str:
    """Return the table of some metrics: the mean with its marks, and the interval; then why some values are missing."""
    head = ["method", *(f"`{name}` {ARROWS[METRICS[name].better]}" for name in names)]
    rows = [[_name(row), *(_cell(case["metrics"][name]["cells"].get(row)) for name in names)] for row in ROWS]
    return "\n\n".join([table(head, rows), *_missing(case, names)])


def _name(row: str) -> str:
    return f"`{row}`" if row in tfviz.METHODS else f"*{row}*"


def _cell(cell: list[Any] | None) -> str:
    if cell is None or cell[0] is None:
        return "–"
    mean, low, high, marks = cell
    shown = f"**{number_text(mean)}**" if "*" in marks else number_text(mean)
    rest = marks.replace("*", "")
    interval = "" if low is None else f" ({number_text(low)} to {number_text(high)})"
    return f"{shown}{f' {rest}' if rest else ''}{interval}"


def _missing(case: Data, names: list[str]) -> Iterable[str]:
    """Yield why values are missing, each reason once."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for name in names:
        found = case["metrics"][name]
        missing = {"": found["error"]} if found["error"] else found["undefined"]
        for row in ("", *ROWS):
            if why := missing.get(row):
                reasons.setdefault(why, {}).setdefault(name, []).append(row)
    for why, metrics in reasons.items():
        rows = [row for row in next(iter(metrics.values())) if row]
        yield f"No {listed(metrics)}{f' of {listed(rows)}' if rows else ''}: {escaped(why)}."


def legend(data: Data) -> str:
    """Return what the marks mean."""
    best, *others = LEGEND.items()
    marks = [f"**bold**: {best[1]}", *(f"`{mark}`: {meaning}" for mark, meaning in others)]
    return (
        "; ".join(marks) + ". Intervals hold 95 % of 2,000 resamples of the photographs. ↑: higher is better, ↓: lower."
    )


def measured(data: Data) -> Iterable[tuple[str, Any]]:
    """Yield the metrics that say something of photographs, and what they say."""
    return ((name, found) for name, found in data["cases"]["photographs"]["metrics"].items() if found["cells"])


def alike(data: Data) -> str:
    """Return for each metric its best method, those like it, undecided pairs, and methods that a baseline equals."""
    rows = []
    for name, found in measured(data):
        marks = {row: cell[3] for row, cell in found["cells"].items()}
        best = [row for row in marks if "*" in marks[row]]
        like = sum("=" in each for each in marks.values())
        below = sum("!" in each for each in marks.values())
        cells = (listed(best) or "–", f"{like}", f"{found['alike']} of {found['pairs']}", f"{below}")
        rows.append([f"`{name}`", *cells, f"{found['images']}"])
    return table(
        ["metric", "best", "like it", "pairs not told apart", "no better than a baseline", "photographs"], rows
    )


def agreement(data: Data) -> str:
    """Return the mean agreement of the metrics of each two families, and for each metric the most and least alike."""
    case = data["cases"]["photographs"]
    names = [name for name, found in case["metrics"].items() if found["cells"]]
    found = {(one, other): _between(case, one, other) for one in names for other in names if one != other}
    present = [family for family in FAMILIES if any(METRICS[name].family == family for name in names)]
    rows = []
    for family in present:
        means = [mean_of(v for (a, b), v in found.items() if _families(a, b) == {family, other}) for other in present]
        rows.append([family, *map(number, means)])
    pairs = []
    for name in names:
        own = {b: v for (a, b), v in found.items() if a == name and v == v}
        ends = [max(own, key=own.__getitem__), min(own, key=own.__getitem__)] if own else []
        pairs.append([f"`{name}`", *(f"`{each}` {own[each]:.2f}" for each in ends)])
    parts = [table(["Kendall's τ, mean of pairs", *present], rows)]
    return "\n\n".join([*parts, table(["metric", "most alike", "least alike"], [each for each in pairs if each[1:]])])


def _between(case: Data, one: str, other: str) -> float:
    methods = tuple(tfviz.METHODS)
    return tau(order_of(case, one, methods), order_of(case, other, methods))


def _families(one: str, other: str) -> set[str]:
    return {METRICS[one].family, METRICS[other].family}


def sanity(data: Data) -> str:
    """Return what random weights leave of the likeness of each method's maps, on two networks."""
    cases = [data["cases"][name]["sanity"]["verdicts"] for name in ("photographs", "embedded")]
    rows = []
    for method in tfviz.METHODS:
        left = [each.get(method, [None])[0] for each in cases]
        said = {None: "–", True: "depends", False: "**hardly**"}
        verdicts = [said[None if value is None else value < HARDLY] for value in left]
        rows.append([f"`{method}`", *(cell for pair in zip(map(number, left), verdicts, strict=True) for cell in pair)])
    return table(["method", "SqueezeNet: left", "SqueezeNet: verdict", "embedded: left", "embedded: verdict"], rows)


def cost(data: Data) -> str:
    """Return for each metric the images, the time, and how many scores were asked for and run."""
    rows = []
    for name, found in measured(data):
        counts = [f"{each:,}" for each in found["counts"]]
        rows.append([f"`{name}`", f"{found['images']}", f"{found['seconds']:,}", *counts])
    head = ["metric", "photographs", "seconds", "scores asked for", "run", "maps asked for", "found"]
    return table(head, rows)


def made(data: Data) -> str:
    """Return what the numbers are of."""
    cases = data["cases"]
    counts = {name: case["images"] for name, case in cases.items()}
    layer = cases["photographs"]["layer"]
    few = max(
        found["images"] for name, found in cases["photographs"]["metrics"].items() if METRICS[name].takes == "method"
    )
    return (
        f"Measured on {data['date']}, {data['said']}: {counts['photographs']} photographs by SqueezeNet, {few} of them "
        f"for metrics that run a method again; {counts['embedded']} pictures by the embedded network and "
        f"{counts['planted']} by the planted one. CAMs of SqueezeNet look at `{layer}`."
    )


def options(data: Data) -> str:
    """Return the options in which methods differ from their defaults."""
    found = data["cases"]["photographs"]["methods"]
    rows = [
        [f"`{name}`", ", ".join(f"{key} {value}" for key, value in own.items())] for name, own in found.items() if own
    ]
    return table(["method", "options on SqueezeNet"], rows)
