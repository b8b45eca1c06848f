"""The options about a model, as the user gave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfviz.apps.files import FULL
from tfviz.limits import MAXIMUM_IMAGE_BYTES, MAXIMUM_MODEL_BYTES


@dataclass(frozen=True)
class ModelOptions:
    """The options about the model, as the user gave them."""

    model: str
    weights: str
    preprocess: str | None
    labels: Path | None
    size: int | None
    fit: str | None = None
    signature: str | None = None
    input_name: str | None = None
    output_name: str | None = None
    cut: str | None = None
    precision: str | None = None
    random: str | None = None
    data_format: str | None = None
    safe_mode: bool = True
    maximum_model_bytes: int = MAXIMUM_MODEL_BYTES
    maximum_image_bytes: int = MAXIMUM_IMAGE_BYTES
    depth: str = FULL

    @property
    def choice(self) -> dict[str, Any]:
        """What `trace` is told of the model."""
        return trace_options(vars(self))


def trace_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `trace` is told of a model, of the options of a command."""
    names = {"signature": "signature", "input": "input_name", "output": "output_name", "cut": "cut"}
    names |= {name: name for name in ("precision", "random", "data_format", "safe_mode", "maximum_model_bytes")}
    found = {name: options[option] for name, option in names.items() if options.get(option) is not None}
    # A model that comes from no file has neither a safe mode nor a size to ask for.
    usual = {"safe_mode": True, "maximum_model_bytes": MAXIMUM_MODEL_BYTES}
    return {name: value for name, value in found.items() if usual.get(name) != value}
