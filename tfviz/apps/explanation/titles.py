"""Words over the pictures of a figure: the class of each row, and what ran in each column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfviz.apps.files import class_name
from tfviz.methods import Results
from tfviz.methods.engine import INNER, INNER_OPTIONS, LAYER, method_of

SMALL = "<\N{NO-BREAK SPACE}0.001"


def row_titles(found: Results, class_names: Sequence[str] | None) -> list[str]:
    """Return a title per row: the class and its probability or, if there is none, the score."""
    return [_row_title(found, row, class_names) for row in range(len(found.targets))]


def column_titles(found: Results) -> dict[str, str]:
    """Return what ran for each result: its method, the methods within it, and the layer that was looked at.

    Such as `grad_cam at block5_conv3`, or `smooth_grad of grad_cam at block5_conv3`.
    """
    return {name: _column_title(found, name) for name in found.maps}


def _row_title(found: Results, row: int, class_names: Sequence[str] | None) -> str:
    """Return the class of a row and its probability or raw output; the score alone if it is not of a class."""
    if np.isnan(found.scores[row]):
        return "no score"
    score, target = f"{found.scores[row]:.3g}", int(found.targets[row])
    if found.head == "custom":
        return f"score {score}"
    name = class_name(target, class_names)
    if found.head != "none":
        probability = f"{found.probabilities[row, target]:.3f}"
        # 0.000 would look as if the class were impossible.
        return f"{name} {probability if float(probability) else SMALL}"
    value = f"raw\N{NO-BREAK SPACE}output\N{NO-BREAK SPACE}{score}"
    return f"{name} {value}" if found.has_classes else value


def _column_title(found: Results, name: str) -> str:
    """Return what ran for a result, of a method that may run another, which may run another."""
    words, options = method_of(name).name, found.options[name]
    while INNER in options:
        words, options = f"{words} of {options[INNER]}", options[INNER_OPTIONS]
    return f"{words} at {options[LAYER]}" if LAYER in options else words
