"""Words over the pictures of a figure: the class of each row, and what ran in each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfviz.apps.files import class_name, resolve_target
from tfviz.errors import InvalidTargetsError, TfvizError
from tfviz.methods import Results
from tfviz.methods.engine import INNER, INNER_OPTIONS, LAYER, method_of

SMALL = "<\N{NO-BREAK SPACE}0.001"


def known_names(found: Results, class_names: Sequence[str] | None) -> Sequence[str] | None:
    """Return these class names or, if there are none, those of the network."""
    return found.class_names if class_names is None else class_names


def row_titles(found: Results, class_names: Sequence[str] | None, true: Sequence[int] | None = None) -> list[str]:
    """Return a title per row: the class and its probability or, if there is none, the score.

    true: the true class of each row; then the title names it, the predicted class and, if it is another, the explained.
    """
    if true is None:
        return [_row_title(found, row, class_names) for row in range(len(found.targets))]
    return [_title_with_true(found, row, class_names, each) for row, each in enumerate(true)]


def true_classes(found: Results, true: Sequence[int | str], class_names: Sequence[str] | None) -> list[int]:
    """Return the true class of each row, of labels of the images: indices, or names to be found in `class_names`.

    Raises `TfvizError` for another number of labels or scores that are not of classes, and `InvalidTargetsError` for a
    class that does not exist.
    """
    images = len(found.targets) // found.targets_per_image
    if isinstance(true, str) or len(true) != images:
        raise TfvizError(f"true must be a list of {images} labels, one per image, got {true!r}")
    if not found.has_classes:
        raise TfvizError("true labels are compared with classes, and these scores are not of classes")
    indices = [_class_index(label, class_names, found.probabilities.shape[1]) for label in true]
    return [index for index in indices for _ in range(found.targets_per_image)]


def _class_index(label: int | str, class_names: Sequence[str] | None, count: int) -> int:
    """Return the index of a class that is given by its index or name."""
    if isinstance(label, str) and class_names is None:
        raise InvalidTargetsError(f"true holds the name {label!r}, and there are no class_names to find it in")
    if isinstance(label, float | bool):
        raise InvalidTargetsError(f"true holds {label!r}; expected indices or names of classes")
    return resolve_target(str(label), class_names, count)


def image_titles(found: Results, class_names: Sequence[str] | None, true: Sequence[int | str] | None) -> list[str]:
    """Return a title per image, which names its true class; empty where there are no `true` labels."""
    per_image = found.targets_per_image
    if true is None:
        return [""] * (len(found.targets) // per_image)
    return [f"true {class_name(index, class_names)}" for index in true_classes(found, true, class_names)[::per_image]]


def column_titles(found: Results) -> dict[str, str]:
    """Return what ran for each result: its method, the methods within it, and the layer that was looked at.

    Such as `grad_cam at block5_conv3`, or `smooth_grad of grad_cam at block5_conv3`.
    """
    return {name: _column_title(found, name) for name in found.maps}


def _row_title(found: Results, row: int, class_names: Sequence[str] | None) -> str:
    """Return the class of a row and its probability or raw output; the score alone if it is not of a class."""
    if np.isnan(found.scores[row]):
        return "no score"
    if found.head == "custom" or not found.has_classes:
        score = f"{found.scores[row]:.3g}"
        return f"score {score}" if found.head == "custom" else _raw(score)
    return _valued(found, row, class_names, int(found.targets[row]))


def _title_with_true(found: Results, row: int, class_names: Sequence[str] | None, true: int) -> str:
    """Return the true, the predicted and the explained class of a row, a line each; those that are the same share it.

    The values are those of the predicted and of the explained class.
    """
    explained, predicted = int(found.targets[row]), _predicted(found, row)
    words: dict[int, list[str]] = {}
    for index, word in ((true, "true"), (predicted, "predicted"), (explained, "explained")):
        words.setdefault(index, []).append(word)
    if explained == predicted:
        # What is explained unless something else is said.
        words[explained].remove("explained")
    lines = []
    for index, named in words.items():
        shown = class_name(index, class_names) if named == ["true"] else _valued(found, row, class_names, index)
        lines.append(f"{' and '.join(named)} {shown}")
    return ",\n".join(lines)


def _predicted(found: Results, row: int) -> int:
    """Return the class of the highest probability, by the logits where several probabilities are 1."""
    probabilities, logits = found.probabilities[row], found.logits[row]
    among = np.flatnonzero(probabilities == probabilities.max())
    return int(among[np.argmax(logits[among])] if len(logits) == len(probabilities) else among[0])


def _valued(found: Results, row: int, class_names: Sequence[str] | None, index: int) -> str:
    """Return a class and its probability or, of a network without a softmax or sigmoid, its raw output."""
    name = class_name(index, class_names)
    if found.head == "none":
        return f"{name} {_raw(f'{found.logits[row, index]:.3g}')}"
    probability = f"{found.probabilities[row, index]:.3f}"
    # 0.000 would look as if the class were impossible.
    return f"{name} {probability if float(probability) else SMALL}"


def _raw(value: str) -> str:
    return f"raw\N{NO-BREAK SPACE}output\N{NO-BREAK SPACE}{value}"


def methods_within(found: Results, name: str) -> tuple[list[str], Mapping[str, Any]]:
    """Return what ran for a result: its method, the one that it runs, and so on; and the options of the innermost."""
    names, options = [method_of(name).name], found.options[name]
    while INNER in options:
        names, options = [*names, options[INNER]], options[INNER_OPTIONS]
    return names, options


def _column_title(found: Results, name: str) -> str:
    names, options = methods_within(found, name)
    words = " of ".join(names)
    return f"{words} at {options[LAYER]}" if LAYER in options else words
