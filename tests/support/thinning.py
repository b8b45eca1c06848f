"""Which of many cases that are alike run by day: the others are `slow`, and wait for scripts/nightly.

`python -m pytest --day-and-night` shows how many of each file they are, and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest


def spread(rows: Iterable[Any], columns: Iterable[Any], each: int = 1) -> list[tuple[Any, Any]]:
    """Return so few pairs that every row is in `each` of them, and every column in as many as every other or one less.

    A row's columns follow each other, and the next row goes on where it ended: a pair stays where it is as long as what
    comes before it does. Where there are more columns than that reaches, the rows are gone through again.
    """
    rows, columns = list(rows), list(columns)
    count = max(each * len(rows), len(columns))
    found = [(rows[place // each % len(rows)], columns[place % len(columns)]) for place in range(count)]
    assert len(set(found)) == count, "a pair came twice: choose another `each`"
    return found


def by_day(cases: Iterable[Any], chosen: Iterable[Any]) -> list[Any]:
    """Return cases for `parametrize`, each a value or a tuple of them, with those that are not `chosen` slow."""
    cases, chosen = list(cases), list(chosen)
    unknown = [each for each in chosen if each not in cases]
    assert not unknown, f"chosen, but no case: {unknown}"
    return [
        pytest.param(*(each if isinstance(each, tuple) else (each,)), marks=[pytest.mark.slow] * (each not in chosen))
        for each in cases
    ]


def every(cases: Iterable[Any], nth: int) -> list[Any]:
    """Return each nth case, from the first on."""
    return list(cases)[::nth]


def first_of_each(pairs: Iterable[tuple[Any, Any]], columns: int) -> list[tuple[Any, Any]]:
    """Return the first pair of every row, and the first so many of every column."""
    rows, seen, found = set(), Counter(), []
    for row, column in pairs:
        if row not in rows or seen[column] < columns:
            found.append((row, column))
        rows.add(row)
        seen[column] += 1
    return found
