"""Names and numbers of outputs, which a model may nest in dictionaries and lists.

An output that is nested has a path for a name, such as `scores/0`. A name that stands for a whole list is never taken
for its first output, nor is a number taken for a place in the order of `tf.nest.flatten`, of which the user knows
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def output_paths(nested: Any) -> list[str]:
    """Return the names of nested outputs, by their keys and numbers, in the order of `tf.nest.flatten`.

    Those of `{"boxes": x, "scores": [y, z]}` are `boxes`, `scores/0` and `scores/1`; that of a single tensor is `0`.
    """
    return ["/".join(path) or "0" for path in _paths(nested)]


def find_outputs(name: str | int, names: Sequence[str], nested: Any) -> list[int]:
    """Return the places of the outputs with a name or number: usually one, several if it names a list of them.

    names: of all outputs; nested: these as the model nests them. The number 1 is the output `output_1` or `1`, if one
    has that name, else the second, unless outputs are nested: then it would be open what is counted.
    """
    # An export of Keras numbers its outputs in their names, which sort otherwise than numbers.
    for wanted in (f"output_{name}", str(name)):
        found = [place for place, each in enumerate(names) if each == wanted]
        if found:
            return found
    paths = list(_paths(nested))
    prefixes = [{"/".join(path[:depth]) for depth in range(1, len(path) + 1)} for path in paths]
    found = [place for place, each in enumerate(prefixes) if str(name) in each]
    is_nested = any(len(path) > 1 for path in paths)
    if not found and not is_nested and str(name).isdecimal() and int(name) < len(paths):
        return [int(name)]
    return found


def _paths(nested: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the keys and numbers that lead to each output."""
    if isinstance(nested, Mapping):
        items: Any = sorted(nested.items())
    elif isinstance(nested, list | tuple):
        items = enumerate(nested)
    else:
        yield path
        return
    for key, each in items:
        yield from _paths(each, (*path, str(key)))
