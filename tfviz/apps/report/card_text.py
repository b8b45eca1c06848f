"""The explanation card as plain text: Markdown that shows every text of strangers as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfviz.apps.comparison import counted
from tfviz.apps.report.facts import Identity
from tfviz.printable import printable

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|&~])")
"""Characters that Markdown, or HTML within it, gives a meaning."""
NOT_MEASURED = "not measured"


def card_text(card: Mapping[str, Any], identity: Identity) -> bytes:
    """Return the Markdown file of a card; identity: that of its report."""
    return ("\n".join(_lines(card, identity)) + "\n").encode()


def _lines(card: Mapping[str, Any], identity: Identity) -> Iterator[str]:
    yield "<!-- tfviz report -->"
    yield f"# Explanation card: {_text(identity.model)}"
    made = f"Made {identity.made_in_words} by tfviz {card['versions']['tfviz']}"
    yield f"\n{_text(made)}; a page with all maps lies beside it."
    yield "\n## The model\n"
    yield from _items(dict(identity.rows_of_network()))
    yield "\n## The method that is relied on, and why\n"
    yield from _items({name: each or "to be filled in" for name, each in card["intended"].items()})
    yield "\n## Methods, how they are known to fail, and how far they were found to hold"
    for each in card["methods"]:
        yield from _method_lines(each)
    yield "\n## What was measured"
    yield from _measured_lines(card["measured"])
    warnings = [each for picture in card["pictures"] for each in picture["warnings"]]
    if said := [*card["warnings"], *warnings, *card["failed"].values()]:
        yield "\n## Warnings\n"
        yield from (f"- {_text(each)}" for each in said)
    yield "\n## How to repeat it\n"
    yield f"    {printable(card['command'])}\n"
    yield from _items(card["versions"])
    yield from (f"- {_text(each['name'])}: SHA-256 {each['sha256_begins']}…" for each in card["pictures"])


def _method_lines(method: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n### {_text(method['title'])}\n"
    about = {"means": method["means"], "known failures": method["known_failures"], "source": method["source"]}
    yield from _items({**about, "options": ", ".join(method["options"]) or "none"})
    maps, zero, noted = method["maps"], method["zero_maps"], method["maps_with_notes"]
    yield f"- on these pictures: {counted(maps, 'map')}, {zero} of them zero everywhere, {noted} with a note"
    for name, numbers in method["diagnostics"].items():
        yield f"- {_text(name.replace('_', ' '))}: {_median(numbers)}"
    yield from _items(dict(_limits(method["limits"])))


def _limits(limits: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each measured limit of a method in words, after its name."""
    yield "completeness", _median(limits["completeness"]) if limits["completeness"] else f"{NOT_MEASURED} by the method"
    stability, sanity = limits["stability"], limits["sanity"]
    if stability is None:
        yield "stability", NOT_MEASURED
    else:
        beside = ", ".join(f"{name} {_number(value)}" for name, value in stability["baselines"].items())
        better = f"{stability['better']} is better" + (f"; beside it {beside}" if beside else "")
        yield "stability", f"{stability['metric']} {_cell({**stability, 'mark': ''})}, {better}"
    yield "sanity", f"{sanity['judgement']}: {sanity['reason']}" if sanity else NOT_MEASURED
    worse, groups = limits["no_better_by"], limits["subgroups"]
    if worse is not None:
        yield "no better than a map that does not know the network by", ", ".join(worse) or "none of the metrics"
    if groups is not None:
        found = [f"{each['metric']} where {each['by']} is '{each['group']}': {each['mark']}" for each in groups]
        yield "marked of groups of pictures", "; ".join(found) or "none"


def _measured_lines(measured: Mapping[str, Any]) -> Iterator[str]:
    comparison, subgroups = measured["comparison"], measured["subgroups"]
    for title, part in (("comparison", comparison), ("sanity", measured["sanity"]), ("subgroups", subgroups)):
        if not part:
            yield f"\n- {title}: {_text(measured['missing'].get(title, NOT_MEASURED))}"
    metrics = measured["metrics"] or ()
    about = {each["name"]: f"{each['family']}, {each['better']} is better; {each['source']}" for each in metrics}
    yield from ("", *_items(about)) if about else ()
    for table in [*([comparison] if comparison else []), *(subgroups or ())]:
        yield from _table_lines(table)


def _table_lines(table: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n### {_text(table['title'])}\n"
    if table["caption"]:
        yield f"{_text(table['caption'])}\n"
    yield _line(table["header"])
    yield _line(["---"] + ["---:"] * (len(table["header"]) - 1), is_text=False)
    for row in table["rows"]:
        name = f"{row['name']} (baseline)" if row["is_baseline"] else row["name"]
        yield _line([name, *map(_cell, row["cells"])])
    if table["notes"]:
        yield ""
        yield from (f"- {_text(each)}" for each in table["notes"])


def _line(cells: Sequence[str], *, is_text: bool = True) -> str:
    return f"| {' | '.join(_text(each) if is_text else each for each in cells)} |"


def _cell(cell: Mapping[str, Any]) -> str:
    """Return a number, its interval if there is one, and what must be said of it."""
    between = "" if cell["low"] is None else f" ({_number(cell['low'])} to {_number(cell['high'])})"
    return f"{_number(cell['value'])}{between}" + (f", {cell['mark']}" if cell["mark"] else "")


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.4g}"


def _median(numbers: Mapping[str, float]) -> str:
    return f"median {_number(numbers['median'])}, largest {_number(numbers['largest'])}"


def _items(facts: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"- {_text(name)}: {_text(value)}" for name, value in facts.items())


def _text(value: Any) -> str:
    """Return a text that Markdown shows as it is."""
    return SPECIAL.sub(r"\\\1", printable(value))
