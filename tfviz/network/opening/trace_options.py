"""The options of `trace`, a field each, checked as soon as they are given.

They are one object so that they can be compared, since a trace without options is used again, and handed on as a whole,
from the opening of a file to how the network runs.
"""

from __future__ import annotations

import operator
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from os import PathLike
from typing import Any

from tfviz.data_format import DataFormat
from tfviz.errors import TfvizError
from tfviz.limits import MAXIMUM_MODEL_BYTES
from tfviz.network.heads import CustomScore
from tfviz.network.layers import Shape, TokensToMap

KEEP, OFF = "keep", "off"


def _is_integer(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and operator.index(value) is not None
    except TypeError:
        return False


# What the options are that may also be None, and how to say it.
KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "score": (callable, "a function of the model's outputs"),
    "tokens_to_map": (callable, "a function of tokens (N, T, D)"),
    "signature": (lambda value: isinstance(value, str), "the name of a signature"),
    "input": (lambda value: isinstance(value, str), "the name of an input"),
    "output": (lambda value: isinstance(value, str) or _is_integer(value), "the name or number of an output"),
    "cut": (lambda value: isinstance(value, str), "the name of an operation"),
    "precision": (lambda value: isinstance(value, str), "the name of a type, such as 'bfloat16'"),
    "custom_objects": (
        lambda value: isinstance(value, Mapping) and all(isinstance(name, str) for name in value),
        "a dictionary of layers and functions by name",
    ),
    "fast": (lambda value: isinstance(value, bool), "True, False or None"),
    "data_format": (
        lambda value: isinstance(value, str) and value in map(str, DataFormat),
        " or ".join(map(repr, map(str, DataFormat))),
    ),
}


def _as_names(names: Any) -> tuple[str, ...] | None:
    """Return `class_names` as a tuple; raise `TfvizError` if they are not texts in an order, such as a file's name."""
    if names is None:
        return None
    found = tuple(names) if isinstance(names, Iterable) and not isinstance(names, str | bytes | Mapping | Set) else ()
    if not found or not all(isinstance(name, str) for name in found):
        file = f": pathlib.Path({str(names)!r}).read_text().splitlines()" if isinstance(names, str | PathLike) else ""
        raise TfvizError(
            f"class_names is {reprlib.repr(names)}, expected a list of names in the order of the classes{file}"
        )
    return tuple(map(str, found))


def _as_shape(shape: Any) -> Shape | None:
    """Return `image_shape` as a tuple; raise `TfvizError` if it is not three sizes above 0, None for an open one."""
    if shape is None:
        return None
    try:
        found = tuple(None if size is None else operator.index(size) for size in shape)
    except (TypeError, ValueError):
        found = ()
    if len(found) != 3 or any(size is not None and size < 1 for size in found):
        raise TfvizError(f"image_shape is {shape!r}, expected (height, width, channels)")
    return found


@dataclass(frozen=True)
class TraceOptions:
    """How a model is opened, what of it is explained, and how it runs; `trace` says what each option means.

    Raises `TfvizError` for a value of the wrong type, or that an option of few values does not take. What others take
    depends on the model.
    """

    score: CustomScore | None = None
    image_shape: Shape | None = None
    tokens_to_map: TokensToMap | None = None
    signature: str | None = None
    input: str | None = None
    output: str | int | None = None
    cut: str | None = None
    precision: str | None = None
    jit_compile: bool = False
    custom_objects: Mapping[str, Any] | None = None
    safe_mode: bool = True
    maximum_model_bytes: int = MAXIMUM_MODEL_BYTES
    fast: bool | None = None
    random: str = KEEP
    data_format: str | None = None
    class_names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Raise `TfvizError` for the first option whose value is not one that it takes."""
        # As tuples, so that options can be compared: arrays have no truth value.
        object.__setattr__(self, "image_shape", _as_shape(self.image_shape))
        object.__setattr__(self, "class_names", _as_names(self.class_names))
        for name in ("safe_mode", "jit_compile"):
            if not isinstance(getattr(self, name), bool):
                raise TfvizError(f"{name} is {getattr(self, name)!r}, expected True or False")
        if not _is_integer(self.maximum_model_bytes) or self.maximum_model_bytes < 1:
            raise TfvizError(f"maximum_model_bytes is {self.maximum_model_bytes!r}, expected a number of bytes")
        if not isinstance(self.random, str) or self.random not in (KEEP, OFF):
            raise TfvizError(f"random is {self.random!r}, expected 'keep' or 'off'")
        for name, (is_one, expected) in KINDS.items():
            value = getattr(self, name)
            if not (value is None or is_one(value)):
                raise TfvizError(f"{name} is {value!r}, expected {expected}")
