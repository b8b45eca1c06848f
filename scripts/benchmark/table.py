"""The rows as a table, with what must be reached beside what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmark.environments import PEERS
from benchmark.measure import FLOOR, FORWARD, TAPE, TENSORFLOW_PEER
from benchmark.plan import METHODS

Row = dict[str, Any]
Report = dict[str, Any]
NO_REPORT: Report = {"rates": {}, "rows": []}
JSON, MARKDOWN = "benchmark.json", "benchmark.md"
PLACE = ("network", "batch", "what", "against")
ORDER = {name: number for number, name in enumerate(METHODS)}
COLUMNS = (
    *PLACE,
    *("ratio", "target", "reached", "ours", "theirs", "difference"),
    *("memory", "their memory", "same numbers", "note"),
)
CONTENDERS = (FLOOR, FORWARD, TAPE, *PEERS)
SIDE_BY_SIDE = (*PLACE[:3], "ms", *CONTENDERS, "MB")
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


def merged(earlier: list[Row], rows: list[Row]) -> list[Row]:
    """Return the rows of two runs in the order of the plan, without those that were measured again."""
    again = {tuple(row[name] for name in PLACE[:3]) for row in rows}
    kept = [row for row in earlier if tuple(row[name] for name in PLACE[:3]) not in again]
    networks = list(dict.fromkeys(row["network"] for row in earlier + rows))

    def place(row: Row) -> tuple[int, ...]:
        is_method = row["what"] in METHODS
        return networks.index(row["network"]), not is_method, *((row["batch"], ORDER[row["what"]]) if is_method else ())

    return sorted(kept + rows, key=place)


def judged(row: Row) -> Row:
    """Return a row with its target and whether it is reached."""
    target = target_of(row)
    if target is None or row.get("ratio") is None:
        return {**row, "target": target, "reached": None}
    return {**row, "target": target, "reached": row["ratio"] <= target}


def read(folder: Path) -> Report:
    """Return the report that a folder holds."""
    return json.loads((folder / JSON).read_text()) if (folder / JSON).exists() else NO_REPORT


def write(report: Report, earlier: Report, folder: Path) -> str:
    """Write `benchmark.json` and `benchmark.md`, of a run and an earlier one, into a folder, and return the latter."""
    rows = [judged(row) for row in merged(earlier["rows"], report["rows"])]
    report = {**report, "rates": {**earlier["rates"], **report["rates"]}, "rows": rows}
    folder.mkdir(parents=True, exist_ok=True)
    written = markdown(report)
    (folder / JSON).write_text(json.dumps(report, indent=1) + "\n")
    (folder / MARKDOWN).write_text(written)
    return written


def markdown(report: Report) -> str:
    """Return the report as Markdown: what is not reached, the ratios side by side, then every row."""
    rows = report["rows"]
    asked = [row for row in rows if row["reached"] is not None]
    reached = sum(row["reached"] for row in asked)
    versions = sorted({row["version"] for row in rows if row["version"]})
    lines = [
        f"{report['date']}, {report['machine']}; medians of {report['rounds']} alternating rounds.",
        f"Machine's rate: {', '.join(f'{name} {rate:.0f}' for name, rate in report['rates'].items())} billion "
        "multiply-adds a second.",
        *(f"Peers: {'; '.join(versions)}." for _ in range(bool(versions))),
        "",
        f"Of {len(asked)} targets {reached} are reached; not reached:",
        "",
        *lines_of([row for row in asked if not row["reached"]]),
        "",
        "Ratios, ours / theirs; we lose where they are bold:",
        "",
        *overview(rows),
        "",
        "All rows:",
        "",
        *lines_of(rows),
    ]
    return "\n".join(lines) + "\n"


def lines_of(rows: list[Row]) -> list[str]:
    """Return the lines of a table."""
    return [line(COLUMNS), line(["---"] * len(COLUMNS)), *(line(cells(row)) for row in rows)]


def overview(rows: list[Row]) -> list[str]:
    """Return the lines of a table of the ratios, a method's against all contenders side by side."""
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        if row["against"] in CONTENDERS and row.get("ratio") is not None:
            network, batch, what = (str(row[name]) for name in PLACE[:3])
            found.setdefault((network, batch, what), {})[row["against"]] = row
    lines = [line(SIDE_BY_SIDE), line(["---"] * len(SIDE_BY_SIDE))]
    for place, against in found.items():
        ours = next(iter(against.values()))
        ratios = [shown(name, against[name]["ratio"]) if name in against else "" for name in CONTENDERS]
        lines.append(line([*place, number(ours["ours_ms"], "{:.1f}"), *ratios, number(ours.get("ours_mb"), "{:.0f}")]))
    return lines


def shown(against: str, ratio: float) -> str:
    """Return a ratio as text, bold where we lose: nothing is faster than the floor and the forward pass alone."""
    text = f"{ratio:.2f}"
    return f"**{text}**" if ratio > 1 and against not in (FLOOR, FORWARD) else text


def line(values: Any) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(map(str, values))} |"


def cells(row: Row) -> list[str]:
    """Return what stands in the columns of one row."""
    times = [number(row.get(name), "{:.1f} ms") for name in ("ours_ms", "theirs_ms", "difference_ms")]
    memory = [number(row.get(name), "{:.0f} MB") for name in ("ours_mb", "theirs_mb")]
    said = {True: "yes", False: "**no**", None: ""}[row["reached"]]
    ratio, target = number(row.get("ratio"), "{:.2f}"), number(row["target"], "≤ {:.2f}")
    place = [str(row[name]) for name in PLACE]
    return [*place, ratio, target, said, *times, *memory, row.get("same", ""), row.get("note", "")]


def number(value: float | None, shape: str) -> str:
    """Return a number as text, nothing for none."""
    return "" if value is None else shape.format(value)
