"""The manifest: what was explained, how, and where the files are, as plain data and strict JSON.

It holds what is needed to repeat a result: releases, the model's fingerprint, methods with all their options, and the
preprocessing.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfviz.apps.explanation.titles import known_names
from tfviz.apps.files import MANIFEST_NAME, strict_json, write_file
from tfviz.methods import Results
from tfviz.methods.engine import sign_of
from tfviz.version import __version__

MANIFEST_SCHEMA = 1


def manifest_of(
    explanation: Results,
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
        Its model, score and methods are described, but not its rows.
    results
        What `manifest_entry` returns, one for each image and target.
    warnings
        Warnings about all results.
    model_path, preprocessing
        Where the model was opened from, and how pictures became its images; None if that is not known.
    failed
        The reason for each image that could not be explained.
    """
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
        "schema": MANIFEST_SCHEMA,
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


def versions() -> dict[str, str]:
    """Return the releases that results depend on."""
    modules = {"tensorflow": tf, "keras": keras, "numpy": np}
    releases = {name: module.__version__ for name, module in modules.items()}
    return {"tfviz": __version__, **releases, "python": platform.python_version()}


def manifest_entry(
    explanation: Results,
    row: int,
    *,
    image: str,
    class_names: Sequence[str] | None,
    files: Mapping[str, Any],
    true: int | None = None,
) -> dict[str, Any]:
    """Return the entry of one image and target in the manifest: row `row` of an explanation.

    `true` is the true class of the image; the entry has it if it is known. `files` are names of files beside the
    manifest: the `picture`, and the `maps` by method. A class without a name is None, as are the target and class of
    scores that are not of classes. `class_names` are those of the network if they are None. `diagnostics` are those of
    each method.
    """
    target, names = int(explanation.targets[row]), known_names(explanation, class_names)
    return {
        "image": image,
        "target": target if explanation.has_classes else None,
        "class": dict(enumerate(names or ())).get(target) if explanation.has_classes else None,
        **({} if true is None else {"true": true}),
        "score": float(explanation.scores[row]),
        "probability": float(explanation.probabilities[row, target]),
        **files,
        "diagnostics": {
            method: {name: float(numbers[row]) for name, numbers in found.items()}
            for method, found in explanation.diagnostics.items()
        },
        "zero_maps": {name: rows[row] for name, rows in explanation.zero_maps.items() if row in rows},
    }


def write_manifest(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write a manifest into a folder as strict JSON, and return its path; a number that is not finite becomes null."""
    path = folder / MANIFEST_NAME
    write_file(path, strict_json(content).encode())
    return path
