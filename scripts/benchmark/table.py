"""The rows as tables, with what must be reached beside what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from typing import Any

from benchmark.environments import PEERS
from benchmark.measure import FLOOR, FORWARD, TAPE, TENSORFLOW_PEER
from benchmark.plan import METHODS, NETWORKS

Row = dict[str, Any]
Report = dict[str, Any]
PLACE = ("network", "batch", "what", "against")
ORDER = {name: number for number, name in enumerate(METHODS)}
COLUMNS = (
    *PLACE,
    *("ratio", "target", "reached", "ours", "theirs", "difference"),
    *("memory", "their memory", "same numbers", "note"),
)
CONTENDERS = (FLOOR, FORWARD, TAPE, *PEERS)
SIDE_BY_SIDE = ("batch", "what", "ms", *CONTENDERS, "MB")
TAPE_TARGETS = {("squeezenet", 1): 0.70, ("squeezenet", 8): 0.75, ("vgg16", 1): 0.80, ("vgg16", 8): 0.80}
TAPE_OF_NETWORK = {"resnet50": 0.95, "mobilenetv2": 0.95}
CAPTUM = {"squeezenet": 0.85, "vgg16": 1.0}
OF_PEER = {"tf-keras-vis": 0.5, "xplique": 0.5}
OF_WHAT = {
    "saliency alone": 1.5,
    "100 compiled gradients": 1.1,
    "3 warm calls + 1 s": 1.0,
    "0.1 s": 1.0,
    "0.5 s": 1.0,
}


def target_of(row: Row) -> float | None:
    """Return the ratio that a row must not exceed, None where nothing was asked."""
    network, batch, what, against = row["network"], row["batch"], row["what"], row["against"]
    small = batch in (1, 8)
    if against == TAPE and what in ("gradient", "saliency"):
        return TAPE_TARGETS.get((network, batch), TAPE_OF_NETWORK.get(network, 1.0))
    if against == FORWARD:
        return 1.15 if what == "grad_cam" and small else None
    if against in OF_WHAT:
        return OF_WHAT[against] if against != "3 warm calls + 1 s" or network == "vgg16" else None
    if against.startswith("gradient, an image"):
        return 1.1
    if against.startswith("an image of"):
        return 1.05 if "memory" in what else 1.1
    if against == "captum":
        return CAPTUM.get(network) if small else None
    if against.startswith(TENSORFLOW_PEER):
        return 0.75 if small else None
    return OF_PEER.get(against) if small else None


def judged(row: Row) -> Row:
    """Return a row with its target and whether it is reached."""
    target = target_of(row)
    if target is None or row.get("ratio") is None:
        return {**row, "target": target, "reached": None}
    return {**row, "target": target, "reached": row["ratio"] <= target}


def rows_of(report: Report) -> list[Row]:
    """Return the judged rows of all runs in the order of the plan."""
    rows = [row for run in report["runs"] for row in run["rows"]]
    networks = list(dict.fromkeys([*NETWORKS, *(row["network"] for row in rows)]))

    def place(row: Row) -> tuple[int, ...]:
        is_method = row["what"] in METHODS
        return networks.index(row["network"]), not is_method, *((row["batch"], ORDER[row["what"]]) if is_method else ())

    return [judged(row) for row in sorted(rows, key=place)]


def lines_of(rows: Iterable[Row], columns: tuple[str, ...] = COLUMNS) -> list[str]:
    """Return the lines of a table of rows."""
    return table(columns, ([cells(row)[name] for name in columns] for row in rows))


def table(titles: Iterable[str], lines: Iterable[Iterable[Any]]) -> list[str]:
    """Return the lines of a table."""
    titles = list(titles)
    return [line(titles), line(["---"] * len(titles)), *map(line, lines)]


def overview(rows: list[Row]) -> list[str]:
    """Return the lines of a table of a network's ratios, a method's against all contenders side by side."""
    found: dict[tuple[Any, str], dict[str, Row]] = {}
    for row in rows:
        if row["against"] in CONTENDERS and row.get("ratio") is not None:
            found.setdefault((row["batch"], row["what"]), {})[row["against"]] = row
    lines = []
    for place, against in found.items():
        ours = next(iter(against.values()))
        ratios = [shown(name, against[name]["ratio"]) if name in against else "" for name in CONTENDERS]
        lines.append([*place, number(ours["ours_ms"], "{:.1f}"), *ratios, number(ours.get("ours_mb"), "{:.0f}")])
    return table(SIDE_BY_SIDE, lines)


def is_lost(row: Row) -> bool:
    """Return whether a contender was faster that did the same work: not the floor, nor the forward pass alone."""
    return row["against"] in CONTENDERS[2:] and row.get("ratio") is not None and row["ratio"] > 1


def shown(against: str, ratio: float) -> str:
    """Return a ratio as text, bold where we lose."""
    return f"**{ratio:.2f}**" if is_lost({"against": against, "ratio": ratio}) else f"{ratio:.2f}"


def line(values: Iterable[Any]) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(map(str, values))} |"


def cells(row: Row) -> dict[str, str]:
    """Return what stands in the columns of one row."""
    times = [number(row.get(name), "{:.1f} ms") for name in ("ours_ms", "theirs_ms", "difference_ms")]
    memory = [number(row.get(name), "{:.0f} MB") for name in ("ours_mb", "theirs_mb")]
    said = {True: "yes", False: "**no**", None: ""}[row["reached"]]
    ratio, target = number(row.get("ratio"), "{:.2f}"), number(row["target"], "≤ {:.2f}")
    found = [*(str(row[name]) for name in PLACE), ratio, target, said, *times, *memory]
    return dict(zip(COLUMNS, [*found, row.get("same", ""), row.get("note", "")], strict=True))


def paragraph(words: str) -> list[str]:
    """Return the lines of words, those of an item of a list indented."""
    indent = "  " if words.startswith("- ") else ""
    return wrap(words, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def number(value: float | None, shape: str) -> str:
    """Return a number as text, nothing for none."""
    return "" if value is None else shape.format(value)
