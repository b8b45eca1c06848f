"""Reads class names from files, and finds the class that a user of the command line means.

Files come in the forms that Keras and TensorFlow use: a name per line, or JSON as a list or by index.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfviz.apps.files.json_texts import read_json
from tfviz.class_names import find_class
from tfviz.demo import imagenet_class_names
from tfviz.errors import InvalidTargetsError, one_line
from tfviz.paths import special_kind
from tfviz.printable import printable


def read_labels(path: str | Path, *, num_classes: int | None = None) -> list[str]:
    """Read the class names, in the order of the classes, from a UTF-8 text file with one name a line or a JSON file.

    JSON may hold a list of names, ``{"0": name}``, ``{"0": [identifier, name]}`` (as Keras' imagenet_class_index.json)
    or ``{name: 0}`` (the ``class_indices`` of a Keras generator).

    Parameters
    ----------
    path
        The file; its suffix says whether it is JSON.
    num_classes
        How many names the model needs; not compared where None.

    Raises
    ------
    InvalidTargetsError
        The file cannot be read, is not of one of these forms, leaves out a name, or does not
        hold `num_classes` names.
    """
    path = Path(path)
    if kind := special_kind(path):
        raise InvalidTargetsError(f"class names {path} cannot be read: it {kind}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        names = _from_json(read_json(text)) if path.suffix.lower() == ".json" else _from_lines(text)
    except OSError as error:
        raise InvalidTargetsError(f"class names {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise InvalidTargetsError(
            f"class names {path}: {one_line(error)}; expected one name a line, or a JSON list"
        ) from error
    if num_classes not in (None, len(names)):
        raise InvalidTargetsError(f"{path} holds {len(names)} class names, but the model has {num_classes} classes")
    return names


def _from_lines(text: str) -> list[str]:
    """Return the names, one a line; raise `ValueError` if there are none, or a line before the last name is blank.

    Left out, a blank line would give every class after it the name of the next.
    """
    names = [line.strip() for line in text.rstrip().splitlines()]
    if not names:
        raise ValueError("the file is empty")
    if "" in names:
        raise ValueError(f"line {names.index('') + 1} is blank")
    return names


def _from_json(data: Any) -> list[str]:
    """Return the names in the order of the classes, from any of the forms of `read_labels`.

    In a dictionary, keys are indices unless all values are integers. Indices must be 0, 1, 2 and so on, each once, in
    any order. Raises `TypeError`, `ValueError` or `LookupError` with a reason that follows the file's name.
    """
    if not isinstance(data, dict | list):
        raise TypeError(f"it holds {type(data).__name__}")
    if isinstance(data, dict):
        has_indices = all(isinstance(index, int) for index in data.values())
        pairs = [(index, name) for name, index in data.items()] if has_indices else data.items()
        by_index = {int(index): name for index, name in pairs}
        if len(by_index) < len(data):
            raise LookupError("several names have one index")
        missing = next((index for index in range(len(by_index)) if index not in by_index), None)
        if missing is not None:
            raise LookupError(f"class {missing} of {len(by_index)} has no name")
        data = [by_index[index] for index in range(len(by_index))]
    names = [name[1] if isinstance(name, list) else name for name in data]
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError("its entries are not names")
    return names


def class_name(target: int, class_names: Sequence[str] | None) -> str:
    """Return what a class is called, printable: `class 7` where it has no name."""
    return (
        printable(class_names[target]) if class_names is not None and target < len(class_names) else f"class {target}"
    )


def imagenet_labels() -> list[str]:
    """The 1,000 ImageNet class names, from the file that Keras keeps once it decoded predictions, else our own list."""
    try:
        return read_labels(keras_cache() / "imagenet_class_index.json", num_classes=1000)
    except InvalidTargetsError:
        return imagenet_class_names()


def keras_cache() -> Path:
    """The folder in which Keras looks for what it would otherwise download."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def resolve_target(text: str, names: Sequence[str] | None, num_classes: int) -> int:
    """The class index that a user means by an index or a class name, as `find_class` compares it.

    An index comes before a name made of digits.

    Parameters
    ----------
    text
        What the user typed.
    names
        The class names in the order of the classes; None where they are unknown.
    num_classes
        The indices allowed are 0 to `num_classes` - 1.

    Raises
    ------
    InvalidTargetsError
        The index is out of range, or the name is unknown or that of several classes.
    """
    if re.fullmatch(r"[+-]?\d+", text.strip()):
        return _check_index(int(text), num_classes)
    if names is None:
        raise InvalidTargetsError(
            f"no class names to find {text!r} in; give an index below {num_classes} or --labels FILE"
        )
    return _check_index(find_class(text, names), num_classes)


def _check_index(index: int, num_classes: int) -> int:
    if not 0 <= index < num_classes:
        raise InvalidTargetsError(
            f"target {index} is out of range: the model has {num_classes} classes, 0 to {num_classes - 1}"
        )
    return index
