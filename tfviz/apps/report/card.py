"""The explanation card: what a report says, as data that a program can check and as plain text.

It has a field for each thing that must be documented of explanations that others rely on (EU AI Act, Article 13(3)(b)
and (d)): which model, which methods and what they mean, how far they were measured to hold, how they are known to fail,
how to repeat them. What nobody measured is null, and what only a person can say, the method that is relied on and why,
is left open to be filled in. `explanation_card.schema.json` describes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from tfviz.apps.report.facts import MethodFacts
from tfviz.apps.report.limits import limits_of
from tfviz.apps.report.page import Report
from tfviz.apps.report.pictures import ReportedMap
from tfviz.printable import printable

CARD_SCHEMA = 1
PARTS = ("comparison", "metrics", "sanity", "subgroups")


def card_of(report: Report) -> dict[str, Any]:
    """Return the card of a report as plain data, which `explanation_card.schema.json` describes."""
    identity = asdict(report.identity)
    sections = asdict(report.sections)
    return {
        "schema": CARD_SCHEMA,
        "made_by": "tfviz report",
        "made": identity.pop("made"),
        "command": identity.pop("command"),
        "versions": identity.pop("versions"),
        "model": {"name": identity.pop("model"), **identity},
        "intended": {"method": None, "reason": None},
        "methods": [_method(report, facts) for facts in report.methods],
        "pictures": [
            {
                "name": each.name,
                "sha256_begins": each.digest,
                "predicted": each.predicted,
                "true": each.true,
                "warnings": list(each.remarks),
            }
            for each in report.pictures
        ],
        "failed": dict(report.failed),
        "warnings": list(report.doubts),
        "measured": {**{name: sections[name] or None for name in PARTS}, "missing": sections["missing"]},
    }


def _method(report: Report, facts: MethodFacts) -> dict[str, Any]:
    """Return what a card says of a method: its meaning, its known failures, and what came of it on the pictures."""
    found = [
        each
        for picture in report.pictures
        for target in picture.targets
        for each in target.maps
        if each.method == facts.name
    ]
    numbers = _summary(found)
    return {
        "name": facts.name,
        "title": facts.title,
        "means": facts.sign,
        "shown_as": facts.reduced or None,
        "known_failures": facts.caution,
        "zero_means": facts.zero,
        "source": facts.paper,
        "options": list(facts.options),
        "maps": len(found),
        "zero_maps": sum(each.values is None for each in found),
        "maps_with_notes": sum(bool(each.notes) for each in found),
        "diagnostics": numbers,
        "limits": limits_of(facts.name, numbers, report.sections),
    }


def _summary(found: Sequence[ReportedMap]) -> dict[str, dict[str, float]]:
    """Return the median and the largest of each diagnostic over the maps that have it."""
    names = dict.fromkeys(name for each in found for name in each.diagnostics)
    numbers = {name: [each.diagnostics[name] for each in found if name in each.diagnostics] for name in names}
    return {name: {"median": float(np.median(each)), "largest": max(each)} for name, each in numbers.items()}


def card_json(card: Mapping[str, Any]) -> bytes:
    """Return the JSON file of a card."""
    return f"{json.dumps(_plain(card), indent=2, ensure_ascii=False, allow_nan=False)}\n".encode()


def _plain(value: Any) -> Any:
    """Return data as strict JSON holds it: printable texts, and null for a number that is not finite."""
    if isinstance(value, Mapping):
        return {printable(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return printable(value) if isinstance(value, str) else value
