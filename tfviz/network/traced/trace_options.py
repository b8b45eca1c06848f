"""What a user may say of a network beside the model."""

from __future__ import annotations

from dataclasses import dataclass

from tfviz.data_format import DataFormat
from tfviz.errors import TfvizError
from tfviz.network.heads import CustomScore
from tfviz.network.layers import TokensToMap

KEEP, OFF = "keep", "off"


@dataclass(frozen=True)
class Choice:
    """What of a model is explained, and how it runs, as `trace` is told; None where the model alone says it."""

    score: CustomScore | None = None
    input: str | None = None
    output: str | int | None = None
    cut: str | None = None
    tokens_to_map: TokensToMap | None = None
    fast: bool | None = None
    precision: str | None = None
    jit_compile: bool = False
    random: str = KEEP
    data_format: str | None = None

    def __post_init__(self) -> None:
        """Check what has two values."""
        if not isinstance(self.jit_compile, bool):
            raise TfvizError(f"jit_compile is {self.jit_compile!r}, expected True or False")
        if not (self.fast is None or isinstance(self.fast, bool)):
            raise TfvizError(f"fast is {self.fast!r}, expected True, False or None")
        if self.random not in (KEEP, OFF):
            raise TfvizError(f"random is {self.random!r}, expected 'keep' or 'off'")
        if self.data_format not in (None, *DataFormat):
            raise TfvizError(
                f"data_format is {self.data_format!r}, expected {' or '.join(map(repr, map(str, DataFormat)))}"
            )
