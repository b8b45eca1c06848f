"""What type checkers and editors are told of the methods: writes `tfviz/methods/__init__.pyi` from their signatures.

A method becomes public by a decorator that puts model, images and targets before its options and batch_size behind
them, which Python's types cannot say of a decorator. So the signatures that `help` shows are written down for them, the
rest of the folder's face beside these, as its `__init__` has it. Run it when an option of a method changes.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tfviz.methods
from tfviz.methods import LAYER, METHODS

FACE = Path(tfviz.methods.__file__)
STUB = FACE.with_suffix(".pyi")
WIDTH = 120
ONE_LAYER, SEVERAL_LAYERS = "str | None", "list[str] | tuple[str, ...]"
ONE_RESULT, SEVERAL_RESULTS = "Floats", "dict[str, Floats]"


def stub() -> str:
    """Return the text of the stub."""
    functions = {name: getattr(tfviz.methods, name) for name in METHODS}
    imported: defaultdict[str, set[str]] = defaultdict(set, {"tfviz.arrays": {"Floats"}, "typing": {"Any", "overload"}})
    for function in functions.values():
        for name, module in _annotated_by(function):
            imported[module].add(name)
    for name, module in _imports(FACE).items():
        if name not in functions and module.startswith("tfviz."):
            imported[module].add(f"{name} as {name}")
    lines = [_import(module, names) for module, names in sorted(imported.items()) if not module.startswith("tfviz")]
    lines += ["", *(_import(module, names) for module, names in sorted(imported.items()) if module.startswith("tfviz"))]
    return (
        "\n".join(
            [
                "# Written by scripts/signatures.py.",
                "",
                *lines,
                "",
                *(line for each in functions.values() for line in _definitions(each)),
            ]
        )
        + "\n"
    )


def _imports(path: Path) -> dict[str, str]:
    """Return the module of each name that a file imports from one."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: node.module or "" for node in nodes for alias in node.names}


def _annotated_by(function: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    """Yield the names in the annotations of a function, and the module of each."""
    source = sys.modules[function.__module__]
    known = _imports(Path(inspect.getfile(source)))
    for parameter in inspect.signature(function).parameters.values():
        for node in ast.walk(ast.parse(parameter.annotation)):
            if isinstance(node, ast.Name) and node.id != "Any" and not hasattr(builtins, node.id):
                yield node.id, known.get(node.id, source.__name__)


def _import(module: str, names: set[str]) -> str:
    """Return the import of names in the order of isort: constants, classes, functions."""
    ordered = sorted(names, key=lambda name: (not name.split()[0].isupper(), name[0].islower(), name))
    line = f"from {module} import {', '.join(ordered)}"
    return line if len(line) <= WIDTH else "\n".join([f"from {module} import (", *(f"    {n}," for n in ordered), ")"])


def _definitions(function: Callable[..., Any]) -> Iterator[str]:
    """Yield the lines of a function: a second time for several layers, if it looks at one."""
    if LAYER not in inspect.signature(function).parameters:
        yield from _definition(function, {}, ONE_RESULT)
        return
    yield "@overload"
    yield from _definition(function, {LAYER: f"{ONE_LAYER} = None"}, ONE_RESULT)
    yield "@overload"
    yield from _definition(function, {LAYER: SEVERAL_LAYERS}, SEVERAL_RESULTS)


def _definition(function: Callable[..., Any], changed: Mapping[str, str], result: str) -> Iterator[str]:
    yield f"def {function.__name__}("
    by_name = False
    for name, each in inspect.signature(function).parameters.items():
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not by_name:
            by_name = True
            yield "    *,"
        default = "" if each.default is inspect.Parameter.empty else f" = {_literal(each.default)}"
        yield f"    {name}: {changed.get(name, each.annotation + default)},"
    yield f") -> {result}: ..."


def _literal(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))})"
    return json.dumps(value) if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
    print(STUB)
