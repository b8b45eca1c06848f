"""Finds the class that a user means by a name.

The name is compared with spelling variants and synonyms, but never guessed: if nothing matches, or several classes do,
the error lists candidates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tfviz.errors import InvalidTargetsError, suggestion


def find_class(name: str, class_names: Sequence[str]) -> int:
    """Return the index of the class that a user means by a name.

    It is compared without regard to case, and a space equals an underscore or hyphen. It is a whole entry of
    `class_names` or one of the entry's synonyms between commas; a whole entry comes before a synonym.

    Raises `InvalidTargetsError` for a name that is unknown or that of several classes.
    """
    entries = [[_plain(entry), *map(_plain, entry.split(","))] for entry in class_names]
    wanted = _plain(name)
    found = [index for index, entry in enumerate(entries) if entry[0] == wanted]
    found = found or [index for index, entry in enumerate(entries) if wanted in entry]
    if not found:
        raise InvalidTargetsError(f"no class is called {name!r}; {_similar(wanted, entries)}")
    if len(found) > 1:
        listed = ", ".join(f"{index} ({class_names[index]})" for index in found)
        raise InvalidTargetsError(f"{name!r} names several classes; give the index of one: {listed}")
    return found[0]


def _plain(name: str) -> str:
    """Return a name as it is compared: in lower case, one space for each run of spaces, underscores, hyphens."""
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def _similar(wanted: str, entries: list[list[str]]) -> str:
    """Return a hint: up to three names that contain what was typed, else the most similar ones, else an example."""
    words = [name for entry in entries for name in entry]
    # Those with the word itself come first: a tiger cat before a bullfrog called rana catesbeiana.
    names = sorted(dict.fromkeys(words), key=lambda name: wanted not in name.split())
    containing = [repr(name) for name in names if wanted and wanted in name]
    if containing:
        return f"did you mean {' or '.join(containing[:3])}?"
    index = "an index will do too" + (", as an integer" if wanted.isdecimal() else "")
    return suggestion(wanted, words, f"there are {len(entries)}, such as {entries[0][0]!r}; {index}")
