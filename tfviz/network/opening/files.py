"""Model files and folders become loaded models."""

from __future__ import annotations

import importlib
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]  # it ships no types
import keras
import tensorflow as tf

from tfviz.errors import UnsupportedModelError

KERAS_FILES = (".keras", ".h5", ".hdf5")
KINDS = "a Keras model, a .keras or .h5 file, a SavedModel folder or a loaded SavedModel"
# What Keras 3 and tf_keras say of a class or function of the user's that they were not given.
MISSING_OBJECT = re.compile(
    r"Could not locate (?:class|function) '([^']+)'|Cannot deserialize object of type `([^`]+)`"
    r"|Unknown [\w ]+: '([^']+)'|(?:Unknown|Could not interpret) [\w ]+:? '?\{.*'config': '([^']+)'"
)
UNKNOWN_OPERATION = re.compile(r"Op type not registered '([^']+)'")


def open_path(path: Path, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the model in a file or folder; raise `UnsupportedModelError`.

    custom_objects: the user's own layers and functions in a Keras file, by their names.
    """
    if not path.exists():
        raise UnsupportedModelError(f"no model at {str(path)!r}; expected {KINDS}")
    if path.is_dir():
        return _open_saved_model(path, custom_objects)
    if path.suffix in KERAS_FILES:
        return _open_keras_file(path, dict(custom_objects or {}))
    raise UnsupportedModelError(
        f"{str(path)!r} is no model; expected a folder or a file ending in {', '.join(KERAS_FILES)}"
    )


def _open_keras_file(path: Path, custom_objects: dict[str, Any]) -> Any:
    # Keras and its file libraries raise whatever they like (OSError, KeyError, BadZipFile, TypeError ...).
    try:
        return keras.saving.load_model(path, custom_objects=custom_objects, compile=False)
    except Exception as error:
        version = _keras_version(path)
        if not version.startswith("2."):
            raise UnsupportedModelError(_why_no_keras_file(path, error)) from error
    # tf_keras is imported for no other file: it may be absent, and takes a second.
    try:
        older = importlib.import_module("tf_keras")
    except ModuleNotFoundError as absent:
        raise UnsupportedModelError(
            f"{str(path)!r} was saved by Keras {version}, and Keras {keras.__version__} cannot read it: "
            "pip install tf_keras"
        ) from absent
    try:
        return older.saving.load_model(path, custom_objects=custom_objects, compile=False)
    except Exception as error:
        raise UnsupportedModelError(_why_no_keras_file(path, error)) from error


def _keras_version(path: Path) -> str:
    """Return which Keras saved a file, empty where the file does not say."""
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                return str(json.loads(archive.read("metadata.json"))["keras_version"])
        with h5py.File(path) as file:
            return str(file.attrs["keras_version"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return ""


def _why_no_keras_file(path: Path, error: Exception) -> str:
    found = [MISSING_OBJECT.search(str(each)) for each in _causes(error)]
    names = [match.group(match.lastindex or 0) for match in found if match is not None]
    if not names:
        return (
            f"cannot open {str(path)!r}: {_one_line(error)}. Is the file whole? A model with a Lambda is loaded by you "
            "and passed instead of its path"
        )
    if names[-1] == "function":  # so tf_keras writes every function of the user's into an .h5 file
        return (
            f"cannot open {str(path)!r}: it holds a function of your own, whose name Keras 2 does not write into .h5 "
            "files; save it as .keras, or load the model yourself and pass that"
        )
    return (
        f"cannot open {str(path)!r}: it holds {names[-1]!r}, which is not part of Keras; pass it with "
        f'tfviz.trace(path, custom_objects={{"{names[-1]}": {names[-1].rpartition(">")[2]}}}), or load the model '
        "yourself and pass that"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _open_saved_model(path: Path, custom_objects: Mapping[str, Any] | None) -> Any:
    if not (path / "saved_model.pb").exists():
        found = ", ".join(sorted(entry.name for entry in path.iterdir())[:5]) or "nothing"
        raise UnsupportedModelError(f"{str(path)!r} is no SavedModel: it holds no saved_model.pb, but {found}")
    if custom_objects:
        raise UnsupportedModelError(
            f"custom_objects are for .keras and .h5 files; {str(path)!r} is a SavedModel, which holds its operations"
        )
    # TensorFlow, too, raises anything: RuntimeError, OSError, IndexError, OpError, ValueError.
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:
        raise UnsupportedModelError(f"cannot open {str(path)!r}: {_why_no_saved_model(path, error)}") from error


def _why_no_saved_model(path: Path, error: Exception) -> str:
    operation = UNKNOWN_OPERATION.search(str(error))
    if operation:
        return (
            f"it needs the operation {operation.group(1)!r}, which TensorFlow {tf.__version__} does not have; import "
            "the library that brings it (as tensorflow_text does) before, or use the TensorFlow that it was saved by"
        )
    if "Cannot parse" in str(error) or not (path / "saved_model.pb").stat().st_size:
        return "its saved_model.pb is cut short, or none; copy the folder again"
    if "tag sets" in str(error):
        return f"{_one_line(error)} Load it with tf.saved_model.load(path, tags=...) and pass what that returns"
    weights = path / "variables"
    if not (weights / "variables.index").exists():
        return f"it has no {str(weights / 'variables.index')!r}, where its weights are; copy the whole folder"
    return f"{_one_line(error)}. Are the weights in {str(weights)!r} whole?"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
