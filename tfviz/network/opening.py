"""Model files and folders become loaded models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfviz.errors import UnsupportedModelError

KERAS_FILES = (".keras", ".h5", ".hdf5")
KINDS = "a Keras model, a .keras or .h5 file, a SavedModel folder or a loaded SavedModel"


def open_path(path: Path, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the model in a file or folder; raise `UnsupportedModelError`."""
    if not path.exists():
        raise UnsupportedModelError(f"no model at {str(path)!r}; expected {KINDS}")
    if path.is_dir():
        if not (path / "saved_model.pb").exists():
            raise UnsupportedModelError(f"{str(path)!r} is no SavedModel: it holds no saved_model.pb")
        return _explained(path, lambda: tf.saved_model.load(str(path)))
    if path.suffix in KERAS_FILES:
        return _explained(path, lambda: keras.saving.load_model(path, custom_objects, compile=False))
    raise UnsupportedModelError(
        f"{str(path)!r} is no model; expected a folder or a file ending in {', '.join(KERAS_FILES)}"
    )


def _explained(path: Path, load: Callable[[], Any]) -> Any:
    # Keras and TensorFlow raise whatever their file libraries raise (OSError, KeyError, BadZipFile, TypeError ...).
    try:
        return load()
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UnsupportedModelError(
            f"cannot open {str(path)!r}: {reason}. Is the file whole? A model with objects of your own, or a Lambda, "
            "is loaded by you and passed instead of its path"
        ) from error
