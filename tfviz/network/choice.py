"""What `trace` is told of a model beside where it is."""

from __future__ import annotations

from dataclasses import dataclass

from tfviz.network.patches import TokensToMap
from tfviz.network.scores import CustomScore


@dataclass(frozen=True)
class Choice:
    """What of a model is explained, and how it is run; None where the model, or the machine, alone says it."""

    score: CustomScore | None = None
    input: str | None = None
    output: str | int | None = None
    cut: str | None = None
    tokens_to_map: TokensToMap | None = None
    fast: bool | None = None
