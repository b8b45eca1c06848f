"""Writes the page of the metrics from their registry: what each takes, how it is read, and when not to trust it."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfviz.results.metrics import Metric

SOURCE = re.compile(r"\b(?:arXiv|doi) (\S+?)(?=,|$)")
HEADINGS = ("Metric", "How to read it", "When not to trust it")


def page_of_metrics() -> str:
    """Return the page as Markdown: the families, and a table of the metrics of each."""
    import tfviz.results.metrics as face

    _, introduction, *_ = inspect.cleandoc(face.__doc__ or "").split("\n\n")
    more = (
        "{py:obj}`tfviz.compare` and `tfviz compare` put some of them side by side, with maps beside them that know "
        "nothing of the network. What each of them takes is told in {py:mod}`tfviz.results.metrics`."
    )
    sections = [_section(family, asks) for family, asks in face.FAMILIES.items()]
    return "\n\n".join(("# Metrics", introduction, more, *sections))


def _section(family: str, asks: str) -> str:
    """Return the part of the page on one family."""
    from tfviz.results.metrics import METRICS

    rows = [HEADINGS, *(tuple(_cells(each)) for each in METRICS.values() if each.family == family)]
    lines = [f"{'*' if not column else ' '} - {cell}" for row in rows for column, cell in enumerate(row)]
    table = ("```{list-table}", ":header-rows: 1", ":class: metrics", ":widths: 34 33 33", "", *lines, "```")
    return "\n".join((f"## {family.capitalize()}", "", f"{asks[0].upper()}{asks[1:]}.", "", *table))


def _cells(metric: Metric) -> Iterator[str]:
    """Yield what the columns say of a metric."""
    yield f"{{py:obj}}`{metric.name} <tfviz.results.metrics.{metric.name}>` <br> {linked_source(metric.paper)}"
    takes = f"takes `{metric.takes}`{', of classes' * metric.of_classes}"
    yield f"{metric.better} is better, {range_in_words(*metric.bounds)} <br> {takes} <br> costs {metric.cost}"
    yield metric.caution


def range_in_words(lowest: float, highest: float) -> str:
    """Return between which values a metric's lie."""
    if math.isinf(highest):
        return f"{lowest:g} and above"
    return f"{lowest:g}..{highest:g}"


def linked_source(paper: str) -> str:
    """Return a source whose number is a link to it."""
    places = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
    return SOURCE.sub(lambda found: f"[{found[0]}]({places[found[0].split()[0]]}{found[1]})", paper)
