"""Completes what the user chose by what `explanation_metadata.json` beside a SavedModel says.

What was typed stays: the file only fills in the input, the output and the baselines that were not.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfviz.apps.model.explanation_metadata import ExplanationMetadata, read_explanation_metadata
from tfviz.apps.model.saved_signatures import read_signatures

INTEGRATED, BASELINE = "integrated_gradients", "baseline"


def with_baselines(
    metadata: ExplanationMetadata | None, chosen: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return methods with their options, as `compile_methods` takes them, with the baselines that a file gives.

    They are those of integrated gradients; a baseline that is chosen stays.
    """
    found = {name: dict(options) for name, options in chosen.items()}
    if metadata is not None and metadata.baselines and INTEGRATED in found:
        found[INTEGRATED].setdefault(BASELINE, metadata.baselines)
    return found


def complete_choice(choice: Mapping[str, Any], model: Any) -> tuple[dict[str, Any], ExplanationMetadata | None]:
    """Return what `trace` is told of the model, and what explanation_metadata.json says where there is one.

    It completes what was not typed.
    """
    is_folder = isinstance(model, Path) and model.is_dir()
    metadata = read_explanation_metadata(model, choice.get("input"), choice.get("output")) if is_folder else None
    if metadata is None or not {"input", "output"} - set(choice):
        return dict(choice), metadata
    signatures = read_signatures(model)
    wanted = choice.get("signature", "serving_default")
    if "signature" not in choice and len(signatures) == 1:
        (wanted,) = signatures
    return {**(metadata.names(signatures, wanted, typed=choice) if wanted in signatures else {}), **choice}, metadata
