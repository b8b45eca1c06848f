"""The keyword arguments of `AttributionHandler`, made from dataclasses: the options about a model, and those of Beam.

The handler takes them as `**options` among those of its method, and `take` tells them apart by name. Its signature
lists them, so that help() and editors show what there is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, TypeVar

import apache_beam as beam

from tfviz.errors import TfvizError
from tfviz.model_options import ModelOptions

Function = TypeVar("Function", bound=Callable[..., Any])

MODEL_OPTIONS = tuple(each for each in fields(ModelOptions) if each.name not in ("model", "labels"))
"""The handler itself has a `model_path` and `class_names`."""


@dataclass(frozen=True)
class BeamOptions:
    """How Beam batches examples and shares a model, under the names that its own handlers have for it."""

    min_batch_size: int = 1
    max_batch_size: int = 32
    max_batch_duration_secs: int | None = None
    max_batch_weight: int | None = None
    element_size_fn: Callable[[Any], int] | None = None
    batch_length_fn: Callable[[Any], int] | None = None
    batch_bucket_boundaries: list[int] | None = None
    large_model: bool = False
    model_copies: int | None = None
    env_vars: Mapping[str, str] | None = None

    def batching(self) -> dict[str, Any]:
        """Return the arguments of `BatchElements`; raise `TfvizError` if the installed Beam has no such."""
        always: dict[str, Any] = {"min_batch_size": self.min_batch_size, "max_batch_size": self.max_batch_size}
        asked_for = {
            "max_batch_duration_secs": self.max_batch_duration_secs,
            "max_batch_weight": self.max_batch_weight,
            "element_size_fn": self.element_size_fn,
            "length_fn": self.batch_length_fn,
            "bucket_boundaries": self.batch_bucket_boundaries,
        }
        given = {name: value for name, value in asked_for.items() if value is not None}
        unknown = sorted(given.keys() - inspect.signature(beam.BatchElements).parameters.keys())
        if unknown:
            raise TfvizError(
                f"Apache Beam {beam.__version__} does not batch by {unknown[0]}: its BatchElements has no such argument"
            )
        return always | given


def with_options(function: Function) -> Function:
    """List the options in the signature of a function, before its own `**options`, and return the function.

    It takes them as `**options` all the same: only `inspect`, and thereby help() and editors, see a difference.
    """
    signature = inspect.signature(function)
    *own, rest = signature.parameters.values()
    shown = [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type)
        for each in (*MODEL_OPTIONS, *fields(BeamOptions))
    ]
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]  # read by inspect
        parameters=[*own, *shown, rest]
    )
    return function


def take(options: dict[str, Any], wanted: Collection[Field[Any]]) -> dict[str, Any]:
    """Remove what is given of some fields from the options, and return it; `options` keeps those of the method."""
    return {each.name: options.pop(each.name) for each in wanted if each.name in options}
