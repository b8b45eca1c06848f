"""Finds Python functions that a graph calls by a token: no file holds them.

What a `py_function` runs lives in the process that made it. Elsewhere the call would fail only when it runs, in a
traceback of TensorFlow's, so the graph is searched when a model is opened and before one is exported. A live model may
call Python, which is its owner's own.
"""

from __future__ import annotations

from typing import Any

from tfviz.errors import UnsupportedModelError
from tfviz.network.opening.trust import quoted
from tfviz.network.program import has_python_function

PY_FUNCTIONS = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})


def check_python_is_here(function: Any, place: str) -> None:
    """Raise `UnsupportedModelError` if a traced function calls Python that this process does not have."""
    for name, token in _python_calls(function):
        if not has_python_function(token):
            raise UnsupportedModelError(f"{place} {_calling(name)}")


def check_no_python(function: Any) -> None:
    """Raise `UnsupportedModelError` if a traced function calls Python, before it is saved."""
    for name, _ in _python_calls(function):
        raise UnsupportedModelError(f"the model {_calling(name)}")


def _calling(name: str) -> str:
    return (
        f"calls a Python function ({quoted(name)}, a py_function), which a file cannot hold: it runs only in the "
        "process that made it; use TensorFlow's operations instead"
    )


def _python_calls(function: Any) -> list[tuple[str, bytes]]:
    """Return the operations of a traced function that call Python, with the tokens of what they call."""
    graph = function.graph.as_graph_def()
    bodies = [graph.node, *(each.node_def for each in graph.library.function)]
    return [(node.name, node.attr["token"].s) for nodes in bodies for node in nodes if node.op in PY_FUNCTIONS]
