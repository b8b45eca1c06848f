"""What was measured, as a file of data and the page that is written from it alone, side by side in a folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmark import page
from benchmark.stamp import SAME, Stamp, moment, said, stamp
from benchmark.table import PLACE, Report, Row

JSON, MARKDOWN = "benchmark.json", "benchmark.md"
BESIDE = ("rounding", "throughput")
"""The parts that other scripts measure; each has a stamp of its own."""


class MixedError(Exception):
    """Rows of two machines or releases would stand in one table."""


def new(rounds: int | None = None) -> Report:
    """Return a report of this machine and release, with a run of so many rounds that holds no rows yet, or no run."""
    runs = [{**moment(), "rounds": rounds, "rows": []}] if rounds else []
    return {**stamp(), "note": "", "rates": {}, "runs": runs}


def read(folder: Path) -> Report:
    """Return the report that a folder holds, an empty one where there is none."""
    file = folder / JSON
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else new()


def added(earlier: Report, report: Report) -> Report:
    """Return both, without the earlier rows that were measured again.

    Raises `MixedError` where they are of two machines or releases.
    """
    refuse_mixture(earlier, report)
    again = {place(row) for run in report["runs"] for row in run["rows"]}
    runs = [{**run, "rows": [row for row in run["rows"] if place(row) not in again]} for run in earlier["runs"]]
    kept = [run for run in runs if run["rows"]]
    rates = {**earlier["rates"], **report["rates"]}
    return {**report, "note": earlier["note"] if kept else "", "rates": rates, "runs": kept + report["runs"]}


def refuse_mixture(earlier: Report, current: Stamp) -> None:
    """Raise `MixedError` where an earlier report has rows of another machine or release."""
    if earlier["runs"] and any(earlier[name] != current[name] for name in SAME):
        raise MixedError(
            f"the rows that are there are of another machine or release: {said(earlier)}; this is {said(current)}; "
            "measure everything anew without --add, or name another folder as --output"
        )


def place(row: Row) -> tuple[Any, ...]:
    """Return what a row is replaced by."""
    return tuple(row[name] for name in PLACE[:3])


def write(report: Report, folder: Path) -> str:
    """Write the data and the page of a report into a folder, with what other scripts put there; return the page."""
    found = read(folder)
    report = {**{name: found[name] for name in BESIDE if name in found}, **report}
    written = page.page(report)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON).write_text(text(report), encoding="utf-8")
    (folder / MARKDOWN).write_text(written, encoding="utf-8")
    return written


def put(name: str, part: dict[str, Any], folder: Path) -> None:
    """Put what another script measured now into the report of a folder, in place of its earlier numbers."""
    write({**read(folder), name: {**stamp(), **moment(), **part}}, folder)


def text(report: Report) -> str:
    """Return a report as JSON, a line a row."""
    rows = [row for each in report["runs"] for row in each["rows"]]
    numbered = iter(range(len(rows)))
    runs = [{**each, "rows": [f"row {next(numbered)}" for _ in each["rows"]]} for each in report["runs"]]
    written = json.dumps({**report, "runs": runs}, indent=1, ensure_ascii=False)
    return re.sub('"row ([0-9]+)"', lambda found: json.dumps(rows[int(found[1])], ensure_ascii=False), written) + "\n"
