"""The page: prose that is written by hand, and tables between markers that are made of the data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from known_causes import photograph_tables as photographs, truth_tables as known

TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "made": photographs.made,
    "options": photographs.options,
    "legend": photographs.legend,
    "families": photographs.families,
    "alike": photographs.alike,
    "agreement": photographs.agreement,
    "ranks": known.ranks,
    "sanity": photographs.sanity,
    "truth": known.truth,
    "preference": known.preference,
    "orders": known.orders,
    "cost": photographs.cost,
}
"""What stands between the markers of the page, by name."""
NAME = "trust_on_photographs"
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, data: Mapping[str, Any]) -> str:
    """Return a page with every block made anew; raise `ValueError` unless each table has one."""
    named = [found[1] for found in BLOCK.findall(page)]
    if sorted(named) != sorted(TABLES):
        raise ValueError(f"the page has the tables {named}, expected one each of {[*TABLES]}")
    return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]](data)}\n\n{found[3]}", page)


def prose_of(page: str) -> str:
    """Return what is written by hand."""
    return BLOCK.sub("", page)


def paths(folder: Path) -> tuple[Path, Path]:
    """Return where the data and the page lie."""
    return folder / f"{NAME}.json", folder / f"{NAME}.md"
