"""The options of `trace`, a field each, checked as soon as they are given.

They are one object so that they can be compared, since a trace without options is used again, and handed on as a whole,
from the opening of a file to how the network runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfviz.data_format import DataFormat
from tfviz.errors import TfvizError
from tfviz.limits import MAXIMUM_MODEL_BYTES
from tfviz.network.heads import CustomScore
from tfviz.network.layers import Shape, TokensToMap

KEEP, OFF = "keep", "off"


@dataclass(frozen=True)
class TraceOptions:
    """How a model is opened, what of it is explained, and how it runs; `trace` says what each option means.

    Raises `TfvizError` for a value that an option of few values does not take. What others take depends on the model.
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

    def __post_init__(self) -> None:
        """Raise `TfvizError` for the first option whose value is not one that it takes."""
        for name in ("safe_mode", "jit_compile"):
            if not isinstance(getattr(self, name), bool):
                raise TfvizError(f"{name} is {getattr(self, name)!r}, expected True or False")
        if not isinstance(self.maximum_model_bytes, int) or self.maximum_model_bytes < 1:
            raise TfvizError(f"maximum_model_bytes is {self.maximum_model_bytes!r}, expected a number of bytes")
        if not (self.fast is None or isinstance(self.fast, bool)):
            raise TfvizError(f"fast is {self.fast!r}, expected True, False or None")
        if self.random not in (KEEP, OFF):
            raise TfvizError(f"random is {self.random!r}, expected 'keep' or 'off'")
        if self.data_format not in (None, *DataFormat):
            raise TfvizError(
                f"data_format is {self.data_format!r}, expected {' or '.join(map(repr, map(str, DataFormat)))}"
            )
