"""The manifest: what was explained, how, and where the files are, as plain data and strict JSON."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfviz.apps.files.output import write_file
from tfviz.data_format import DataFormat
from tfviz.printable import printable

if TYPE_CHECKING:
    from tfviz.apps.explanation.explanation import Explanation
    from tfviz.network.traced.traced import TracedNetwork

SCHEMA = 1
FILE_NAME = "manifest.json"


def manifest(
    explanation: Explanation,
    results: Sequence[Mapping[str, Any]],
    *,
    warnings: Sequence[str] = (),
    model_path: str | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    failed: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the manifest of `results`, which the methods of `explanation` gave.

    Parameters
    ----------
    explanation
        Whose model, score and methods are described; its rows are not.
    results
        What `entry` returns, one for each image and target.
    warnings
        What must be said of all results.
    model_path, preprocessing
        Where the model was opened from, and how pictures became its images; None where that is not known.
    failed
        The reason for each image that could not be explained.
    """
    from tfviz.methods.engine.registry import sign_of

    methods = {
        name: {
            "result": "attribution" if values.ndim == 4 else "map",
            "sign": sign_of(name, explanation.options[name]),
            "layer": explanation.layers.get(name),
            "options": explanation.options[name],
        }
        for name, values in explanation.maps.items()
    }
    return {
        "schema": SCHEMA,
        "versions": versions(),
        "model": {
            "name": explanation.model,
            "path": model_path,
            "fingerprint": explanation.fingerprint,
            **(explanation.origin.part if explanation.origin else {}),
        },
        "score": {"head": explanation.head, "meaning": explanation.scored_by},
        "preprocessing": dict(preprocessing) if preprocessing else None,
        "methods": methods,
        "results": list(results),
        "failed": dict(failed or {}),
        "warnings": list(warnings),
    }


def explained_part(network: TracedNetwork) -> dict[str, Any]:
    """Return what of a model is explained: its image, what stands beside it, its outputs, its cut, how it runs."""
    inputs, outputs = network.inputs, network.outputs
    changed = {} if network.running.random == "keep" else {"random": network.running.random}
    if network.inputs.data_format != DataFormat.CHANNELS_LAST:
        changed["data_format"] = str(network.inputs.data_format)
    return {
        "signature": network.signature,
        "input": inputs.name,
        "others": list(inputs.others),
        "outputs": outputs.names,
        "cut": network.cut,
        "precision": network.precision,
        **changed,
    }


def versions() -> dict[str, str]:
    """Return the releases that results depend on."""
    import keras
    import tensorflow

    import tfviz

    modules = {"tfviz": tfviz, "tensorflow": tensorflow, "keras": keras, "numpy": np}
    return {name: module.__version__ for name, module in modules.items()} | {"python": platform.python_version()}


def entry(
    explanation: Explanation, row: int, *, image: str, class_names: Sequence[str] | None, files: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the manifest says of one image and target: row `row` of an explanation.

    `files` are names of files beside the manifest: the `picture`, and the `maps` by method. A class without a name is
    None, as are the target, class and probability of scores that are of no classes. `diagnostics` are those of each
    method.
    """
    target = int(explanation.targets[row])
    return {
        "image": image,
        "target": target if explanation.has_classes else None,
        "class": dict(enumerate(class_names or ())).get(target) if explanation.has_classes else None,
        "score": float(explanation.scores[row]),
        "probability": float(explanation.probabilities[row, target]),
        **files,
        "diagnostics": {
            method: {name: float(numbers[row]) for name, numbers in found.items()}
            for method, found in explanation.diagnostics.items()
        },
        "zero_maps": {name: rows[row] for name, rows in explanation.zero_maps.items() if row in rows},
    }


def write(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write a manifest into a folder as strict JSON, and return its path; a number that is not finite becomes null."""
    path = folder / FILE_NAME
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    write_file(path, f"{text}\n".encode())
    return path


def _plain(value: Any) -> Any:
    """Return what JSON knows, in printable texts: options may be NumPy numbers, tuples or objects of their own."""
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {printable(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float | bool | None) else printable(value)
