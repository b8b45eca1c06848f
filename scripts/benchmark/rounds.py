"""Contenders timed one after the other in each round, so that a machine that changes its speed does so to all."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

Times = Mapping[str, float]


class Medians(NamedTuple):
    """What rounds say of two contenders: medians of both times, of their difference (milliseconds), of their ratio."""

    ours_ms: float
    theirs_ms: float
    difference_ms: float
    ratio: float


def alternate(runs: Mapping[str, Callable[[], float]], rounds: int) -> list[dict[str, float]]:
    """Return the milliseconds of every contender in each round; every other round goes in reverse."""
    names = list(runs)
    return [{name: runs[name]() for name in (names[::-1] if number % 2 else names)} for number in range(rounds)]


def medians(rounds: list[dict[str, float]], ours: str, theirs: str) -> Medians:
    """Return the medians of two contenders: the ratio's is that of the rounds' ratios."""
    pairs = [(times[ours], times[theirs]) for times in rounds]
    return medians_of(pairs)


def medians_of(pairs: list[tuple[float, float]]) -> Medians:
    """Return the medians of (our, their) milliseconds."""
    return Medians(
        statistics.median(first for first, _ in pairs),
        statistics.median(second for _, second in pairs),
        statistics.median(first - second for first, second in pairs),
        statistics.median(first / second for first, second in pairs),
    )
