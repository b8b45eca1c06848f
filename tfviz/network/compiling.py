"""Functions that are traced once and never again."""

from __future__ import annotations

from typing import Any

from tfviz.network.internals import forget_gradients


def concrete(function: Any, **specs: Any) -> Any:
    """Return the one concrete function of a tf.function with an input signature, or of arguments by name."""
    # A concrete function cannot be traced again, and is called 0.1 ms faster than a tf.function.
    found = function.get_concrete_function(**specs)
    forget_gradients(found.graph)
    return found
