"""Chooses which methods run with which options.

Options are given for one method by its name, or shared by all: the keywords of `explain`, the flags of a command. A
shared option goes to each method that knows it and has no other value for it; a method that runs another one hands it
on. An option that no chosen method takes is an error, since it would be ignored in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfviz.errors import UnknownMethodError
from tfviz.methods.engine.registry import INNER, INNER_OPTIONS, METHODS, find_method


def choose_methods(
    methods: str | Sequence[str],
    shared: Mapping[str, Any] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the options of each method, as `run_methods` takes them.

    Parameters
    ----------
    methods
        One name or more of `METHODS`; a name that comes twice runs once.
    shared
        For every method that knows them, or whose inner method does, unless it has another value for them.
    options
        Those of one method by its name.

    Raises
    ------
    UnknownMethodError
        There are no methods, `options` are for one that is not among them, or none of them takes a shared option.
    """
    chosen: dict[str, dict[str, Any]] = {name: {} for name in ([methods] if isinstance(methods, str) else methods)}
    if not chosen:
        raise UnknownMethodError("there are no methods to run; tfviz.METHODS lists them")
    for name, given in (options or {}).items():
        if name not in chosen:
            raise UnknownMethodError(f"options are given for {name!r}, but the methods to run are {', '.join(chosen)}")
        chosen[name] |= given
    # The inner method comes first, since it says what else is known.
    for option, value in sorted((shared or {}).items(), key=lambda item: item[0] != INNER):
        taken = {name for name in chosen if _take(chosen[name], name, option, value)}
        if not taken:
            owners = [name for name, method in METHODS.items() if option in method.options]
            known = ", ".join(owners[:3]) + " and others" * (len(owners) > 3) if owners else "no method"
            raise UnknownMethodError(
                f"{option} is given ({value!r}), but to none of: {', '.join(chosen)}; it is an option of {known}"
            )
    return chosen


def _take(given: dict[str, Any], name: str, option: str, value: Any) -> bool:
    """Add an option to those given for a method, or for its inner method, if it knows it; return whether it does."""
    known = find_method(name).options
    if option in known:
        given.setdefault(option, value)
        return True
    if INNER not in known:
        return False
    inner = dict(given.get(INNER_OPTIONS) or {})
    taken = _take(inner, given.get(INNER, known[INNER]), option, value)
    if taken:
        given[INNER_OPTIONS] = inner
    return taken
