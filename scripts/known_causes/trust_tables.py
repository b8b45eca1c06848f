"""The tables of notebooks/trust_on_photographs.md, made of its data alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

import tfviz
from known_causes.summaries import order_of, tau, truth_of
from tfviz.results.comparison import BASELINES, LEGEND, number_text
from tfviz.results.metrics import FAMILIES, METRICS

Data = Mapping[str, Any]
ROWS = (*tfviz.METHODS, *BASELINES)
ARROWS = {"higher": "↑", "lower": "↓"}
MOST_COLUMNS = 4
WORDS = (
    "family",
    "best",
    "SqueezeNet: verdict",
    "embedded: verdict",
    "most alike",
    "least alike",
    "options on SqueezeNet",
)
HARDLY = 0.3  # `tfviz.results.metrics.SanityVerdict` has its reason


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown; columns of words, and the first, are aligned to the left."""
    head = [*head]
    sides = ["---" if index == 0 or name in WORDS else "---:" for index, name in enumerate(head)]
    lines = [head, sides, *rows]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)


def families(data: Data) -> str:
    """Return a table for each family of what its metrics say of the photographs, of a few metrics each."""
    case, parts = data["cases"]["photographs"], []
    for family, asks in FAMILIES.items():
        names = [name for name in case["metrics"] if METRICS[name].family == family]
        parts.append(f"### {family.capitalize()}: {asks}")
        for start in range(0, len(names), MOST_COLUMNS):
            parts.append(of_metrics(case, names[start : start + MOST_COLUMNS]))
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
        yield f"No {_list(metrics)}{f' of {_list(rows)}' if rows else ''}: {_escaped(why)}."


def _escaped(text: str) -> str:
    for mark in ("\\", "|", "*", "<", "`", "_"):
        text = text.replace(mark, f"\\{mark}")
    return text


def legend(data: Data) -> str:
    """Return what the marks mean."""
    best, *others = LEGEND.items()
    marks = [f"**bold**: {best[1]}", *(f"`{mark}`: {meaning}" for mark, meaning in others)]
    return (
        "; ".join(marks) + ". Intervals hold 95 % of 2,000 resamples of the photographs. ↑: higher is better, ↓: lower."
    )


def alike(data: Data) -> str:
    """Return for each metric its best method, those like it, undecided pairs, and methods that a baseline equals."""
    rows = []
    for name, found in data["cases"]["photographs"]["metrics"].items():
        marks = {row: cell[3] for row, cell in found["cells"].items()}
        best = [row for row in marks if "*" in marks[row]]
        like = sum("=" in each for each in marks.values())
        below = sum("!" in each for each in marks.values())
        cells = (_list(best) or "–", f"{like}", f"{found['alike']} of {found['pairs']}", f"{below}")
        rows.append([f"`{name}`", *cells, f"{found['images']}"])
    return table(
        ["metric", "best", "like it", "pairs not told apart", "no better than a baseline", "photographs"], rows
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def agreement(data: Data) -> str:
    """Return the mean agreement of the metrics of each two families, and for each metric the most and least alike."""
    case = data["cases"]["photographs"]
    names = [name for name, found in case["metrics"].items() if found["cells"]]
    found = {(one, other): _between(case, one, other) for one in names for other in names if one != other}
    present = [family for family in FAMILIES if any(METRICS[name].family == family for name in names)]
    rows = []
    for family in present:
        means = [_mean(v for (a, b), v in found.items() if _families(a, b) == {family, other}) for other in present]
        rows.append([family, *map(_number, means)])
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


def _mean(values: Iterable[float]) -> float:
    defined = [value for value in values if value == value]
    return float(np.mean(defined)) if defined else float("nan")


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.2f}"


def sanity(data: Data) -> str:
    """Return what random weights leave of the likeness of each method's maps, on two networks."""
    cases = [data["cases"][name]["sanity"]["verdicts"] for name in ("photographs", "embedded")]
    rows = []
    for method in tfviz.METHODS:
        left = [each.get(method, [None])[0] for each in cases]
        said = {None: "–", True: "depends", False: "**hardly**"}
        verdicts = [said[None if value is None else value < HARDLY] for value in left]
        rows.append(
            [f"`{method}`", *(cell for pair in zip(map(_number, left), verdicts, strict=True) for cell in pair)]
        )
    return table(["method", "SqueezeNet: left", "SqueezeNet: verdict", "embedded: left", "embedded: verdict"], rows)


def truth(data: Data) -> str:
    """Return what the metrics of masks say of all methods on the embedded network."""
    case = data["cases"]["embedded"]
    names = [name for name, metric in METRICS.items() if metric.takes == "masks" and name in case["metrics"]]
    return of_metrics(case, names)


def preference(data: Data) -> str:
    """Return how often each metric prefers the true map: the mean over the false ones, and the one it likes most."""
    found = data["preference"]
    rows = []
    for name in next(iter(found.values()))["metrics"]:
        cells = [_preferred(each["metrics"][name]) for each in found.values()]
        rows.append([f"`{name}`", METRICS[name].family, *(cell for pair in cells for cell in pair)])
    head = (cell for case in found for cell in (case, f"least: {case}"))
    return table(["metric", "family", *head], rows)


def _preferred(shares: Mapping[str, float | None] | str) -> tuple[str, str]:
    if isinstance(shares, str):
        return "–", "–"
    defined = {name: share for name, share in shares.items() if share is not None}
    if not defined:
        return "–", "–"
    worst = min(defined, key=defined.__getitem__)
    return f"{np.mean([*defined.values()]):.2f}", f"{defined[worst]:.2f} {worst.replace('_', ' ')}"


def orders(data: Data) -> str:
    """Return for each metric how far its order is that of the true masks, and that of photographs the same."""
    cases, methods = data["cases"], tuple(tfviz.METHODS)
    rows = []
    for name in METRICS:
        found = {key: order_of(case, name, methods) for key, case in cases.items()}
        known = [tau(found[key], truth_of(cases[key], methods)) for key in ("embedded", "planted")]
        every = tau(order_of(cases["embedded"], name, ROWS), truth_of(cases["embedded"], ROWS))
        across = tau(found["photographs"], found["embedded"])
        carried = tau(found["photographs"], truth_of(cases["embedded"], methods))
        rows.append([f"`{name}`", METRICS[name].family, *map(_number, (*known, every, across, carried))])
    head = ["embedded", "planted", "embedded, with baselines", "photographs and embedded", "photographs and masks"]
    return table(["metric", "family", *head], rows)


def ranks(data: Data) -> str:
    """Return the mean rank of each method by the metrics of each family on photographs, and by the masks elsewhere."""
    case, methods = data["cases"]["photographs"], tuple(tfviz.METHODS)
    columns = {}
    for family in FAMILIES:
        names = [name for name, metric in METRICS.items() if metric.family == family and name in case["metrics"]]
        found = [_ranked(order_of(case, name, methods)) for name in names]
        columns[family] = np.array([_mean(each) for each in zip(*found, strict=True)])
    for key in ("embedded", "planted"):
        columns[f"masks, {key}"] = _ranked(truth_of(data["cases"][key], methods))
    rows = [[f"`{row}`", *(_rank(each[index]) for each in columns.values())] for index, row in enumerate(methods)]
    return table(["method", *columns], rows)


def _rank(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.1f}"


def _ranked(order: np.ndarray) -> np.ndarray:
    """Return ranks, 1 for the best of those that have a value; ties share a mean rank."""
    better = (order[np.newaxis] > order[:, np.newaxis]).sum(axis=1)
    equal = (order[np.newaxis] == order[:, np.newaxis]).sum(axis=1)
    return np.where(np.isfinite(order), better + (equal + 1) / 2, np.nan)


def cost(data: Data) -> str:
    """Return for each metric the images, the time, and how many scores were asked for and run."""
    rows = []
    for name, found in data["cases"]["photographs"]["metrics"].items():
        counts = [f"{each:,}" for each in found["counts"]]
        rows.append([f"`{name}`", f"{found['images']}", f"{found['seconds']:,}", *counts])
    head = ["metric", "photographs", "seconds", "scores asked for", "run", "maps asked for", "found"]
    return table(head, rows)


def made(data: Data) -> str:
    """Return what the numbers are of."""
    cases = data["cases"]
    counts = {name: case["images"] for name, case in cases.items()}
    few = max(
        found["images"] for name, found in cases["photographs"]["metrics"].items() if METRICS[name].takes == "method"
    )
    return (
        f"Measured on {data['date']}, {data['said']}: {counts['photographs']} photographs by SqueezeNet, {few} of them "
        f"for metrics that run a method again; {counts['embedded']} pictures by the embedded network and "
        f"{counts['planted']} by the planted one. Layer of the CAMs on SqueezeNet: `{cases['photographs']['default_layer']}`."
    )


def options(data: Data) -> str:
    """Return the options in which methods differ from their defaults."""
    found = data["cases"]["photographs"]["methods"]
    rows = [
        [f"`{name}`", ", ".join(f"{key} {value}" for key, value in own.items())] for name, own in found.items() if own
    ]
    return table(["method", "options on SqueezeNet"], rows)


TABLES: dict[str, Callable[[Data], str]] = {
    each.__name__: each
    for each in (made, options, legend, families, alike, agreement, ranks, sanity, truth, preference, orders, cost)
}
"""What stands between the markers of the page, by name."""
