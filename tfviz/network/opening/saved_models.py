"""Opens SavedModel folders, once the operations that loading them runs were checked.

`saved_model.pb` is read as a message first, which runs nothing, and judged by `saved_graphs`. TensorFlow raises errors
of any type for a folder that is not whole, so a failure is told by what the folder lacks: an operation of another
library, weights, a part of the graph. What the operations of the signature do is checked later, in `sources`, once it
is known which signature is taken.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError, one_line
from tfviz.network.opening.saved_graphs import find_in_graph, parse_message
from tfviz.network.opening.trust import refuse, risks
from tfviz.paths import SAVED_MODEL

UNKNOWN_OPERATION = re.compile(r"Op type not registered '([^']+)'")


def open_saved_model(path: Path, safe_mode: bool) -> tuple[Any, list[str]]:
    """Return what `tf.saved_model.load` makes of a folder, and what must be said of it.

    Raises `UnsafeModelError` if loading it would do more than arithmetic with the folder's own files, or
    `UnsupportedModelError` if it cannot be loaded.
    """
    if not (path / SAVED_MODEL).is_file():
        found = ", ".join(sorted(entry.name for entry in path.iterdir())[:5]) or "nothing"
        raise UnsupportedModelError(f"{str(path)!r} is not a SavedModel: it holds no {SAVED_MODEL}, but {found}")
    findings = [finding for graph in read_saved_model(path).meta_graphs for finding in find_in_graph(graph)]
    if safe_mode:
        refuse(repr(str(path)), findings)
    # TensorFlow, too, raises anything: RuntimeError, OSError, IndexError, OpError, ValueError.
    try:
        model = tf.saved_model.load(str(path))
    except Exception as error:
        raise UnsupportedModelError(f"cannot open {str(path)!r}: {_why_not_loaded(path, error)}") from error
    return model, risks(repr(str(path)), findings)


def read_saved_model(folder: Path) -> Any:
    """Return the `SavedModel` message of a folder, as data; an empty one if it cannot be read."""
    try:
        return parse_message("SavedModel", (folder / SAVED_MODEL).read_bytes())
    except OSError:
        return parse_message("SavedModel", b"")  # loading the model will say what is wrong


def _why_not_loaded(path: Path, error: Exception) -> str:
    """Return why TensorFlow does not load a folder, by what it lacks, and what to do about it."""
    operation = UNKNOWN_OPERATION.search(str(error))
    if operation:
        return (
            f"it needs the operation {operation.group(1)!r}, which TensorFlow {tf.__version__} does not have; import "
            "the library that brings it (as tensorflow_text does) before, or use the TensorFlow that it was saved by"
        )
    if "Cannot parse" in str(error) or not (path / SAVED_MODEL).stat().st_size:
        return "its saved_model.pb is cut short or is something else; copy the folder again"
    if "tag sets" in str(error):
        return f"{one_line(error)} Load it with tf.saved_model.load(path, tags=...) and pass what that returns"
    weights = path / "variables"
    if not (weights / "variables.index").exists():
        return f"it has no {str(weights / 'variables.index')!r}, where its weights are; copy the whole folder"
    return f"{one_line(error)}. Are the weights in {str(weights)!r} whole?"
