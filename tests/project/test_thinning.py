"""What is left for the day reaches every row and every column."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from support.day_and_night import COLLECTED, REASONS, left_over, table, without_reason
from support.places import ROOT
from support.thinning import by_day, every, first_of_each, spread


@pytest.mark.parametrize("rows, columns, each", [(24, 12, 2), (24, 5, 1), (3, 2, 1), (4, 4, 2), (2, 7, 1), (11, 11, 3)])
def test_every_row_and_column_is_reached_alike(rows, columns, each):
    found = spread(range(rows), range(columns), each)
    assert set(found) < set(itertools.product(range(rows), range(columns))) and len(found) == len(set(found))
    of_rows, of_columns = (Counter(pair[side] for pair in found) for side in (0, 1))
    assert len(of_rows) == rows and len(of_columns) == columns and min(of_rows.values()) >= each
    assert max(of_columns.values()) - min(of_columns.values()) <= 1


def test_a_pair_that_comes_twice_is_said():
    with pytest.raises(AssertionError, match="a pair came twice"):
        spread(range(2), range(2), 3)


def test_what_is_not_chosen_is_slow():
    found = by_day(["a", "b"], iter(["b"])) + by_day([("a", 1), ("b", 2)], {("a", 1)})
    assert [each.values for each in found] == [("a",), ("b",), ("a", 1), ("b", 2)]
    assert [bool(each.marks) for each in found] == [True, False, False, True]


def test_what_is_chosen_must_be_a_case():
    with pytest.raises(AssertionError, match=r"chosen, but no case: \['c'\]"):
        by_day(["a"], ["c"])


def test_the_first_of_each_row_and_column():
    pairs = [("a", 1), ("a", 2), ("b", 1), ("c", 1), ("c", 2), ("d", 1)]
    assert first_of_each(pairs, 1) == [("a", 1), ("a", 2), ("b", 1), ("c", 1), ("d", 1)]
    assert first_of_each(pairs, 2) == pairs and first_of_each([], 2) == []


def test_every_nth_is_from_the_first_on():
    assert every(range(7), 3) == [0, 3, 6] and every({"a": 1, "b": 2}, 1) == ["a", "b"]


def test_every_slow_test_has_a_reason_and_no_reason_is_left_over(request):
    """Of the files that were collected: all of them, where the whole suite runs."""
    day, slow = request.config.stash[COLLECTED]
    assert not without_reason(slow) and not left_over(day, slow)
    assert all((ROOT / "tests" / key.partition("::")[0]).is_file() for key in REASONS)


def test_a_reason_is_that_of_a_function_or_of_its_file(monkeypatch):
    monkeypatch.setattr("support.day_and_night.REASONS", {"a.py": "long", "a.py::test_b": "longer", "c.py": "old"})
    day, slow = ["tests/a.py::test_a", "tests/c.py::test_c", "tests/d.py::test_d"], ["tests/a.py::test_b[1-a.py::x]"]
    assert without_reason([*slow, "tests/a.py::test_c", "tests/d.py::test_d"]) == ["tests/d.py::test_d"]
    assert left_over(day, slow) == {"c.py"} and not left_over(day[:1], slow)
    assert left_over(day, ["tests/a.py::test_d"]) == {"a.py::test_b", "c.py"}
    assert [line.split() for line in table(day, slow)][1:] == [
        ["a.py", "1", "0", "long"],
        ["a.py::test_b", "0", "1", "longer"],
        ["c.py", "1", "0", "old"],
        ["d.py", "1", "0"],
        ["all", "3", "1"],
    ]
