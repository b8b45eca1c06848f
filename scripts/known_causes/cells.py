"""What the tables of the page have in common: cells, numbers and ranks as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import tfviz
from tfviz.results.comparison import BASELINES

Data = Mapping[str, Any]
ROWS = (*tfviz.METHODS, *BASELINES)
WORDS = (
    "family",
    "best",
    "SqueezeNet: verdict",
    "embedded: verdict",
    "most alike",
    "least alike",
    "options on SqueezeNet",
)
"""The columns that hold words."""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown; columns of words, and the first, are aligned to the left."""
    head = [*head]
    sides = ["---" if index == 0 or name in WORDS else "---:" for index, name in enumerate(head)]
    lines = [head, sides, *rows]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def mean_of(values: Iterable[float]) -> float:
    defined = [value for value in values if value == value]
    return float(np.mean(defined)) if defined else float("nan")


def number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.2f}"


def rank(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.1f}"


def ranked(order: np.ndarray) -> np.ndarray:
    """Return ranks, 1 for the best of those that have a value; ties share a mean rank."""
    better = (order[np.newaxis] > order[:, np.newaxis]).sum(axis=1)
    equal = (order[np.newaxis] == order[:, np.newaxis]).sum(axis=1)
    return np.where(np.isfinite(order), better + (equal + 1) / 2, np.nan)


def escaped(text: str) -> str:
    for mark in ("\\", "|", "*", "<", "`", "_"):
        text = text.replace(mark, f"\\{mark}")
    return text
