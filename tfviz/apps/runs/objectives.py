"""Reads objectives as they are written on the command line: `class:tabby`, or `2*channel:conv:3+layer:conv2`.

A term is a kind, a colon and what that kind needs. Names of layers and classes may hold colons and pluses themselves,
so a plus separates terms only if a kind follows it, and numbers are split off from the right. There is no minus between
terms, as names may hold that, too: a term is subtracted by a negative weight, `+-1*layer:conv2`. Brackets, and products
of terms, are left to Python.

Checked here are the form, the name of a class and the file of a direction; whether a layer and a channel exist is found
by the ascent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tfviz.apps.files import class_name
from tfviz.apps.model import Setup
from tfviz.errors import InvalidTargetsError
from tfviz.methods.visualization import Channel, Class, Direction, Layer, Neuron, Objective

Number = TypeVar("Number", int, float)

_TERM = r"(?:(?P<weight>[-+]?[0-9.]+(?:e[-+]?[0-9]+)?)\s*\*\s*)?(?P<kind>class|channel|neuron|direction|layer):"
# A plus between terms; names of classes and layers may hold other ones.
_PLUS = re.compile(r"\s*\+\s*(?=" + re.sub(r"\?P<\w+>", "?:", _TERM) + ")")
FORMS = (
    "class:NAME, channel:LAYER:NUMBER, neuron:LAYER:NUMBER or neuron:LAYER:NUMBER:ROW,COLUMN, "
    "direction:LAYER:FILE.npy, layer:LAYER, or a sum such as 2*channel:LAYER:3+layer:LAYER"
)


@dataclass(frozen=True)
class NamedObjective:
    """An objective, and its name in pictures and file names."""

    name: str
    objective: Objective


def read_objective(text: str, setup: Setup) -> NamedObjective:
    """Return the objective that a user wrote; raise `InvalidTargetsError` if it is not one.

    A single class, without a weight, is called by its name; everything else as it was written.
    """
    terms = [_read_term(part, setup) for part in _PLUS.split(text.strip())]
    (objective, *rest) = terms
    if not rest and isinstance(objective, Class) and isinstance(objective.target, int):
        return NamedObjective(class_name(objective.target, setup.class_names), objective)
    return NamedObjective(text.strip(), reduce(add, rest, objective))


def _read_term(text: str, setup: Setup) -> Objective:
    """Return one term with its weight, the number before `*`, if it has one."""
    found = re.match(_TERM, text)
    if not found:
        raise InvalidTargetsError(f"{text!r} is not an objective; expected {FORMS}")
    term = _KINDS[found["kind"]](text[found.end() :], setup)
    return term if found["weight"] is None else _number(found["weight"], float) * term


def _read_class(text: str, setup: Setup) -> Objective:
    return Class(setup.targets([text])[0])


def _read_channel(text: str, setup: Setup) -> Objective:
    layer, number = _split(text)
    return Channel(layer, _number(number, int))


def _read_neuron(text: str, setup: Setup) -> Objective:
    """Return the neuron of `LAYER:NUMBER:ROW,COLUMN`, or that in the centre of `LAYER:NUMBER`."""
    layer, number = _split(text)
    if "," not in number:
        return Neuron(layer, _number(number, int))
    row, _, column = number.partition(",")
    layer, number = _split(layer)
    return Neuron(layer, _number(number, int), _number(row, int), _number(column, int))


def _read_direction(text: str, setup: Setup) -> Objective:
    """Return the direction of `LAYER:FILE.npy`, a vector with a number for each channel of the layer."""
    layer, path = _split(text)
    try:
        # Mapped first, since a header may ask for more than the file holds.
        vector: Any = np.array(np.load(Path(path).expanduser(), allow_pickle=False, mmap_mode="r"))
        return Direction(layer, vector)
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, InvalidTargetsError):
            raise
        raise InvalidTargetsError(f"the direction {path!r} cannot be read as an .npy file: {error}") from error


def _read_layer(text: str, setup: Setup) -> Objective:
    return Layer(text)


def _split(text: str) -> tuple[str, str]:
    """Return a layer, whose name may hold colons, and what follows it."""
    layer, _, last = text.rpartition(":")
    if not layer or not last:
        raise InvalidTargetsError(f"{text!r} does not name a layer and a part of it; expected {FORMS}")
    return layer, last


def _number(text: str, kind: Callable[[str], Number]) -> Number:
    """Return a text as a number, by int or float; raise `InvalidTargetsError` if it is not one."""
    try:
        return kind(text)
    except ValueError as error:
        raise InvalidTargetsError(f"{text!r} is not a number; expected {FORMS}") from error


_KINDS: dict[str, Callable[[str, Setup], Objective]] = {
    "class": _read_class,
    "channel": _read_channel,
    "neuron": _read_neuron,
    "direction": _read_direction,
    "layer": _read_layer,
}
