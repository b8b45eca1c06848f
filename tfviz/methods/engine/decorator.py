"""Turns the arithmetic of a method into a public function and an entry in `METHODS`.

The arithmetic takes the `Passes` of a batch and its own options. The public function takes a model, images and targets
instead; its docstring and options, now by keyword alone, are those of the arithmetic, so that help texts and
command-line flags follow from the one signature.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tfviz.methods.engine.explainer import public_function
from tfviz.methods.engine.loop import Diagnosed, Loop
from tfviz.methods.engine.registry import METHODS, Method
from tfviz.network.passes import Gradient

PublicMethod = Callable[..., Any]
SHARED = "For model, images, targets and batch_size see `help(tfviz.methods)`."


def method(
    *gradients: Gradient, result: Literal["attribution", "map", "inner"], **about: Any
) -> Callable[[Callable[..., tf.Tensor | Diagnosed | Loop]], PublicMethod]:
    """Register a method; its public function is called as `name(model, images, targets=None, ...)`.

    `about` are the other fields of a `Method`: paper, needs, cost, caution and, if they are not the usual ones,
    sign, when_zero, of_target, shown_from, check, judge, on_host, arguments, for_host, missing and given_images.
    """

    def register(compute: Callable[..., tf.Tensor | Diagnosed | Loop]) -> PublicMethod:
        name = compute.__name__
        METHODS[name] = Method(name, compute, gradients, result, **about)
        explain = public_function(name)
        explain.__name__ = explain.__qualname__ = name
        explain.__module__ = compute.__module__
        explain.__doc__ = f"{compute.__doc__}\n\n    Notes\n    -----\n    {SHARED}"
        # Type hints are read from here, the rest from the signature.
        explain.__annotations__["return"] = np.ndarray
        explain.__signature__ = _public_signature(explain, METHODS[name])  # type: ignore[attr-defined]  # for inspect
        return explain

    return register


def _public_signature(explain: Callable[..., Any], method: Method) -> inspect.Signature:
    """Return the signature of the public function: options by keyword alone, and no `passes`; it returns an array."""
    *shared, batch_size, _ = inspect.signature(explain).parameters.values()
    options = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in method.parameters.values()]
    return inspect.Signature([*shared, *options, batch_size], return_annotation=np.ndarray)
