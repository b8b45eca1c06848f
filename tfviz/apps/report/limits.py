"""The measured limits of each method in a card: how far it was found to hold on the pictures of the report.

Completeness is what the method says of its own maps: the part of the score's change that they do not account for.
Stability is what the comparison found by a metric of robustness, beside its baselines; sanity is the verdict on random
weights. Then there are the metrics by which a map that does not know the network is as good, and the groups of pictures
on which the method differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tfviz.apps.report.sections import ReportedCell, ReportedTable, Sections

COMPLETENESS = "completeness_gap"
"""The diagnostic by which a method tells how far its maps are from adding up to the score."""
STABILITY = "robustness"


def limits_of(method: str, diagnostics: Mapping[str, Mapping[str, float]], sections: Sections) -> dict[str, Any]:
    """Return the measured limits of a method as plain data; null where nothing was measured.

    diagnostics: the median and the largest of each number that the method has of its maps.
    """
    return {
        "completeness": diagnostics.get(COMPLETENESS),
        "stability": _stability(method, sections),
        "sanity": next((asdict(each) for each in sections.sanity if each.subject == method), None),
        "no_better_by": None if sections.comparison is None else _marked(method, sections),
        "subgroups": [*_differing(method, sections.subgroups)] if sections.subgroups else None,
    }


def _stability(method: str, sections: Sections) -> dict[str, Any] | None:
    """Return the number by the first metric of robustness, and those of the baselines."""
    if sections.comparison is None:
        return None
    rows = {row.name: row.cells for row in sections.comparison.rows}
    for column, metric in enumerate(sections.metrics):
        if metric.family == STABILITY and method in rows:
            own = rows[method][column]
            beside = {row.name: row.cells[column].value for row in sections.comparison.rows if row.is_baseline}
            return {"metric": metric.name, "better": metric.better, **_numbers(own), "baselines": beside}
    return None


def _numbers(cell: ReportedCell) -> dict[str, float | None]:
    return {"value": cell.value, "low": cell.low, "high": cell.high}


def _marked(method: str, sections: Sections) -> list[str]:
    """Return the metrics by which a method is no better than a map that does not know the network."""
    rows = [row for row in (sections.comparison.rows if sections.comparison else ()) if row.name == method]
    return [
        metric.name
        for row in rows
        for metric, cell in zip(sections.metrics, row.cells, strict=True)
        if cell.mark and cell.value is not None
    ]


def _differing(method: str, tables: Sequence[ReportedTable]) -> Iterator[dict[str, str]]:
    """Yield what is marked of a method in the tables about groups of pictures."""
    for table in tables:
        if table.subject == method:
            for row in table.rows:
                for title, cell in zip(table.header[1:], row.cells, strict=True):
                    if cell.mark:
                        yield {"by": table.header[0], "group": row.name, "metric": title, "mark": cell.mark}
