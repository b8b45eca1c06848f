"""Opens model files and folders: a folder as a SavedModel, a file as one of Keras by its ending.

Each kind is judged as data before it is loaded, by `saved_models` or `keras_files`; this module only tells them apart
and refuses what is neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfviz.errors import UnsupportedModelError
from tfviz.limits import MAXIMUM_MODEL_BYTES
from tfviz.network.opening.keras_files import open_keras_file
from tfviz.network.opening.saved_models import open_saved_model
from tfviz.paths import ABSENT, trouble_with

KERAS_FILES = (".keras", ".h5", ".hdf5")
KINDS = "a Keras model, a .keras or .h5 file, a SavedModel folder or a loaded SavedModel"


def open_path(
    path: Path,
    custom_objects: Mapping[str, Any] | None = None,
    *,
    safe_mode: bool = True,
    maximum_bytes: int = MAXIMUM_MODEL_BYTES,
) -> tuple[Any, list[str]]:
    """Return the model in a file or folder, and what must be said of it.

    custom_objects: the user's own layers and functions in a Keras file, by their names. safe_mode: whether to refuse a
    file that does more than hold a network. maximum_bytes: what a Keras file may unpack to, see `sizes`.

    Raises `UnsafeModelError` for such a file, `UnsupportedModelError` for one that cannot be opened.
    """
    if trouble := trouble_with(path):
        why = "" if trouble == ABSENT else f", which {trouble}"
        raise UnsupportedModelError(f"no model at {str(path)!r}{why}; expected {KINDS}")
    if path.is_dir():
        if custom_objects:
            raise UnsupportedModelError(
                f"custom_objects are for .keras and .h5 files; {str(path)!r} is a SavedModel, which holds its "
                "operations"
            )
        return open_saved_model(path, safe_mode)
    if path.suffix in KERAS_FILES:
        return open_keras_file(path, custom_objects or {}, safe_mode, maximum_bytes)
    raise UnsupportedModelError(
        f"{str(path)!r} is not a model; expected a folder or a file ending in {', '.join(KERAS_FILES)}"
    )
