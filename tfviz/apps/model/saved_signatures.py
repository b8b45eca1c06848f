"""The inputs and outputs of a SavedModel's signatures, read from its file without loading the model.

A metadata file names tensors, and which key of a signature each one is must be known before the model is opened, since
opening is told the keys. Reading the file loads no variables and runs no code of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfviz.network.opening import read_saved_model

Signature = tuple[dict[str, str], dict[str, str]]
"""The tensors of a signature's inputs, and of its outputs, by their keys."""


def read_signatures(folder: Path) -> dict[str, Signature]:
    """Return the tensors of each signature; none if the file cannot be read.

    Keys are sorted, as TensorFlow numbers the outputs of a call. A signature without inputs, such as that of an
    initialiser, is left out.
    """
    found = {name: each for graph in read_saved_model(folder).meta_graphs for name, each in graph.signature_def.items()}
    return {name: (_names(each.inputs), _names(each.outputs)) for name, each in found.items() if each.inputs}


def _names(tensors: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(tensors[key].name) for key in sorted(tensors)}
