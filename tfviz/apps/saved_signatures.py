"""What the signatures of a SavedModel take and return, read from its file: the model itself need not be loaded."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf  # noqa: F401  # which brings the format to protobuf's pool
from google.protobuf import descriptor_pool, message_factory  # type: ignore[import-untyped]  # protobuf ships no types
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types


def signature_keys(folder: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Return the names of the inputs and outputs of each signature; none where the file cannot be read."""
    kind = descriptor_pool.Default().FindMessageTypeByName("tensorflow.SavedModel")
    try:
        saved = message_factory.GetMessageClass(kind).FromString((folder / "saved_model.pb").read_bytes())
    except (OSError, DecodeError):
        return {}  # what is wrong is said where the model is opened
    found = {name: each for graph in saved.meta_graphs for name, each in graph.signature_def.items()}
    return {name: (sorted(each.inputs), sorted(each.outputs)) for name, each in found.items() if each.inputs}
