"""The decorator that makes a method: its arithmetic becomes a public function and an entry in `METHODS`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tfviz.methods.explainer import run_methods
from tfviz.methods.registry import METHODS, Method
from tfviz.network.passes import Gradient

PublicMethod = Callable[..., np.ndarray]


def method(
    *gradients: Gradient, result: Literal["attribution", "map"], **about: str
) -> Callable[[Callable[..., tf.Tensor]], PublicMethod]:
    """Register a method; its public function is called as `name(model, images, targets=None, ...)`.

    `about` are the texts of a `Method`: paper, needs, cost, caution and, where it is not the usual one, when_zero.
    """

    def register(compute: Callable[..., tf.Tensor]) -> PublicMethod:
        name = compute.__name__
        METHODS[name] = Method(name, compute, gradients, result, **about)

        def explain(
            model: Any, images: Any, targets: Any = None, *, batch_size: int = 32, **options: Any
        ) -> np.ndarray:
            return run_methods(model, {name: options}, images, targets, batch_size=batch_size).maps[name]

        explain.__name__ = explain.__qualname__ = name
        explain.__module__ = compute.__module__
        explain.__doc__ = f"{compute.__doc__}\n    For model, images, targets and batch_size see `help(tfviz.methods)`."
        explain.__signature__ = _public_signature(explain, compute)  # type: ignore[attr-defined]  # read by inspect
        return explain

    return register


def _public_signature(explain: Callable[..., Any], compute: Callable[..., Any]) -> inspect.Signature:
    *shared, batch_size, _ = inspect.signature(explain).parameters.values()
    options = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in list(inspect.signature(compute).parameters.values())[1:]
    ]
    return inspect.Signature([*shared, *options, batch_size], return_annotation=np.ndarray)
