"""The one module that touches what TensorFlow does not publish.

Every use stands here with its reason, and `tests/test_internals.py` fails loudly when a TensorFlow release changes it.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework import function_def_to_graph, op_def_registry, ops


def function_graph(graph: tf.Graph, name: str) -> tf.Graph:
    """Return the graph of the function `name` that an operation of `graph` calls.

    Private because there is no public way from a call operation to the function that it names. The graph's own library
    holds the functions that were traced in this process or loaded from a SavedModel; what only the runtime knows is
    rebuilt from its definition.
    """
    function = graph._get_function(name)
    if function is not None and hasattr(function, "graph"):
        return function.graph
    return function_def_to_graph.function_def_to_graph(context.get_function_def(name))


def has_gradient(tag: str) -> bool:
    """Return whether the custom gradient that the graph calls `tag` is known to this process.

    Private because the registry is: asking for the gradient itself raises only deep inside the tape.
    """
    try:
        ops.gradient_registry.lookup(tag)
    except LookupError:
        return False
    return True


def operation_definition(operation_type: str) -> Any:
    """Return the `OpDef` of an operation type.

    Private because only an operation that exists in a graph has a public `op_def`; the names are needed once a type.
    """
    return op_def_registry.get(operation_type)
