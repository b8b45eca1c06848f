"""Writes a comparison as CSV, Markdown or JSON.

CSV and Markdown hold the table; JSON holds the value of every image and all that is needed to repeat it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tfviz.apps.comparison.table import headings_of, sentences_of
from tfviz.apps.explanation import versions
from tfviz.apps.files import strict_json, write_file
from tfviz.printable import printable
from tfviz.results import pick
from tfviz.results.comparison import Findings
from tfviz.results.metrics import METRICS

COLUMNS = ("metric", "better", "row", "kind", "mean", "low", "high", "images", "rank", "like_best", "beaten_by", "why")
SCHEMA = 1


def write_comparison(found: Findings, path: Path) -> Path:
    """Write a comparison in the form that the ending of the path says, and return the path.

    Raises `TfvizError` for another ending, or if the file cannot be written.
    """
    write = pick("form of a comparison", path.suffix.lower(), WRITERS)
    write_file(path, write(found).encode())
    return path


def comparison_content(found: Findings) -> dict[str, Any]:
    """Return a comparison as plain data: values, summaries, agreement, options and what identifies the network."""
    results = found.results
    return {
        "schema": SCHEMA,
        "versions": versions(),
        "model": {"name": results.model, "fingerprint": results.fingerprint},
        "score": results.scored_by,
        "targets": results.targets,
        "methods": {
            row: {"options": results.options[row], "layer": results.layers.get(row), "collapse": found.collapses[row]}
            for row in found.methods
        },
        "baselines": found.baselines,
        "metrics": {metric: _metric_content(found, metric) for metric in found.metrics},
        "agreement": [{"metrics": pair, "kendall_tau": tau} for pair, tau in found.agreement.items()],
        "confidence": found.confidence,
        "resamples": found.resamples,
        "seed": found.seed,
        "passes": dict(zip(("asked", "run"), found.passes, strict=True)),
        "maps_again": dict(zip(("asked", "run"), found.maps, strict=True)),
        "rerun_images": np.flatnonzero(found.table.rerun),
        "warnings": found.warnings,
    }


def _metric_content(found: Findings, metric: str) -> dict[str, Any]:
    curves = found.table.curves.get(metric, {})
    return {
        "family": METRICS[metric].family,
        "better": found.table.about[metric].better,
        "options": found.table.options[metric],
        "values": found.table.values[metric],
        "summaries": {row: {**vars(each)} for row, each in found.summaries[metric].items()},
        "not_told_apart": found.alike(metric),
        "curves": {row: {"shares": each.shares, "scores": each.scores} for row, each in curves.items()},
    }


def _as_json(found: Findings) -> str:
    return strict_json(comparison_content(found))


def _as_csv(found: Findings) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for metric, rows in found.summaries.items():
        better = found.table.about[metric].better
        for row, each in rows.items():
            kind = "method" if row in found.methods else "baseline"
            numbers = [value if value == value else "" for value in (each.mean, each.low, each.high)]
            rank = each.rank if each.rank == each.rank else ""
            beaten = " ".join(each.beaten_by)
            about = (better, printable(row), kind, *numbers, each.count, rank, each.like_best, beaten)
            writer.writerow([metric, *about, printable(each.why)])
    return text.getvalue()


def _as_markdown(found: Findings) -> str:
    lines = [["method", *headings_of(found)], ["---", *["---:"] * len(found.metrics)]]
    for row in found.rows:
        cells = [found.summaries[metric][row] for metric in found.metrics]
        shown = [
            f"{each.mean_text}{each.marks}" + f" ({each.interval_text})" * bool(each.interval_text) for each in cells
        ]
        lines.append([row, *shown])
    table = "\n".join("| " + " | ".join(_cell(each) for each in line) + " |" for line in lines)
    return f"{table}\n\n" + "\n".join(f"- {_cell(each)}" for each in sentences_of(found)) + "\n"


def _cell(text: str) -> str:
    """Return a text that neither ends a cell nor is read as markup."""
    shown = printable(text)
    for mark in ("\\", "|", "*", "<", "`"):
        shown = shown.replace(mark, f"\\{mark}")
    return shown


WRITERS: dict[str, Callable[[Findings], str]] = {".csv": _as_csv, ".json": _as_json, ".md": _as_markdown}
