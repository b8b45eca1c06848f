"""Opens Keras files, once their configuration was checked as data.

To load a model, Keras imports and calls what its configuration names. So the file is first read as data (`_read`) and
judged, and only then given to Keras, once for each Keras that tries it: what Keras 3 cannot read of Keras 2 goes to
tf_keras, which knows other names. How a model is trained (`compile_config`) is neither judged nor loaded. Errors of
Keras, which may be of any type, become one line with the way out: a missing class or function is asked for by name.
"""

from __future__ import annotations

import importlib
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py  # type: ignore[import-untyped]  # it ships no types
import keras

from tfviz.errors import UnsafeModelError, UnsupportedModelError, one_line
from tfviz.limits import MAXIMUM_MODEL_BYTES
from tfviz.network.opening.configuration import find_in_configuration
from tfviz.network.opening.library import Library
from tfviz.network.opening.links import find_links, find_links_in_zip
from tfviz.network.opening.sizes import CONFIGURATIONS, check_weights_size, check_zip, read_configuration
from tfviz.network.opening.trust import TRUST, Finding, Missing, quoted, refuse, risks

# Messages of Keras 3 and tf_keras about a class or function of the user's that they were not given.
MISSING_OBJECT = re.compile(
    r"Could not locate (?:class|function) '([^']+)'|Cannot deserialize object of type `([^`]+)`"
    r"|Unknown [\w ]+: '([^']+)'|(?:Unknown|Could not interpret) [\w ]+:? '?\{.*'config': '([^']+)'"
)
# Their messages about a file that they refuse for safety; they quote the file, too, which may hold any single word.
REFUSED = re.compile(r"arbitrary code execution|unsafe_deserialization|deserialization for security")

REASON = "Exception encountered:"
"""The words before the reason in an error of Keras, once for each object in another."""
LONG = 100  # characters of a name that nobody gave to a class
# The configuration in a file, the version of Keras that wrote it, and its links to other files.
Contents = tuple[dict[str, Any], Any, list[Finding]]


@dataclass(frozen=True)
class KerasFile:
    """The contents of a Keras file: its configuration, the Keras that wrote it (or ""), and where its weights lead."""

    path: Path
    configuration: dict[str, Any]
    version: str
    links: list[Finding]


def open_keras_file(
    path: Path, custom_objects: Mapping[str, Any], safe_mode: bool, maximum_bytes: int = MAXIMUM_MODEL_BYTES
) -> tuple[Any, list[str]]:
    """Return the model in a .keras or .h5 file, and what must be said of it.

    Raises `UnsafeModelError` for what `find_in_configuration` finds in it, or Keras refuses for safety;
    `UnsupportedModelError` for another reason, such as more than `maximum_bytes`, see `sizes`. A file of Keras 2 that
    Keras 3 cannot read is read by tf_keras.
    """
    file = _read(path, maximum_bytes)
    try:
        return _load(file, keras, custom_objects, safe_mode)
    except UnsafeModelError:
        raise
    except UnsupportedModelError:
        if not file.version.startswith("2."):
            raise
    # tf_keras is imported for no other file: it may be absent, and takes a second.
    try:
        older = importlib.import_module("tf_keras")
    except ModuleNotFoundError as absent:
        raise UnsupportedModelError(
            f"{str(path)!r} was saved by Keras {file.version}, and Keras {keras.__version__} cannot read it: "
            "pip install tf_keras"
        ) from absent
    return _load(file, older, custom_objects, safe_mode)


def _read(path: Path, maximum_bytes: int) -> KerasFile:
    """Return the contents of a .keras or .h5 file, as data: nothing is built of it."""
    read = _read_zip if path.suffix == ".keras" else _read_hdf5
    try:
        written, version, links = read(path, maximum_bytes)
        # How the model is trained is not read by those who load it, and may name functions that nobody here has.
        configuration = {key: value for key, value in written.items() if key != "compile_config"}
        return KerasFile(path, configuration, version.decode() if isinstance(version, bytes) else str(version), links)
    except UnsupportedModelError:
        raise
    except Exception as error:  # whatever the libraries of the formats raise for a broken file
        raise UnsupportedModelError(f"cannot open {str(path)!r}: {one_line(error)}. Is the file whole?") from error


def _read_zip(path: Path, maximum_bytes: int) -> Contents:
    """Return the contents of a .keras file, once its members were found small enough."""
    with zipfile.ZipFile(path) as archive:
        check_zip(archive, path, maximum_bytes)
        written, about = (
            read_configuration(archive.read(name), path, name, maximum_bytes) if name in archive.namelist() else {}
            for name in CONFIGURATIONS
        )
        if not written:
            raise UnsupportedModelError(f"cannot open {str(path)!r}: it holds no config.json")
        return written, about.get("keras_version", ""), list(find_links_in_zip(path, archive, maximum_bytes))


def _read_hdf5(path: Path, maximum_bytes: int) -> Contents:
    """Return the contents of an .h5 file, once its datasets were found small enough."""
    with h5py.File(path) as file:
        if "model_config" not in file.attrs:
            raise UnsupportedModelError(f"cannot open {str(path)!r}: it holds weights, but no model")
        written = read_configuration(file.attrs["model_config"], path, "model_config", maximum_bytes)
        check_weights_size(file, path, maximum_bytes)
        return written, file.attrs.get("keras_version", ""), list(find_links(file))


def _load(
    file: KerasFile, package: ModuleType, custom_objects: Mapping[str, Any], safe_mode: bool
) -> tuple[Any, list[str]]:
    """Return the model as a Keras, `keras` or `tf_keras`, builds it, and what must be said of it.

    `safe_mode` is Keras's own, too. Raises as `open_keras_file` does.
    """
    found = [*file.links, *find_in_configuration(file.configuration, Library(package, custom_objects))]
    missing = [each for each in found if isinstance(each, Missing)]
    if safe_mode:
        refuse(repr(str(file.path)), [each for each in found if isinstance(each, Finding)])
        if missing:
            raise UnsupportedModelError(_about_missing(file.path, missing[0]))
    try:
        model = package.saving.load_model(
            file.path, custom_objects=dict(custom_objects), compile=False, safe_mode=safe_mode
        )
    except Exception as error:  # Keras and its file libraries raise whatever they like
        if safe_mode and any(REFUSED.search(str(each)) for each in _causes(error)):
            reason = one_line(error).rstrip(".")
            raise UnsafeModelError(f"{str(file.path)!r} is not opened: Keras says {reason}. {TRUST}") from error
        raise UnsupportedModelError(_why_not_loaded(file, package, error)) from error
    return model, risks(repr(str(file.path)), found)


def _why_not_loaded(file: KerasFile, package: ModuleType, error: Exception) -> str:
    """Return why Keras does not load a file: an object that is missing, or else what Keras says.

    An error may be wrapped in others several times. The innermost that names an object is taken, as the one at fault.
    """
    path = file.path
    found = [MISSING_OBJECT.search(str(each)) for each in _causes(error)]
    names = [match.group(match.lastindex or 0) for match in found if match is not None]
    if not names:
        saved = f", which Keras {file.version} saved" if file.version not in ("", package.__version__) else ""
        return f"cannot open {str(path)!r}{saved}: Keras {package.__version__} says {_reason(error)}"
    if names[-1] == "function":  # so tf_keras writes every function of the user's into an .h5 file
        return (
            f"cannot open {str(path)!r}: it holds a function of your own, whose name Keras 2 does not write into .h5 "
            "files; save it as .keras, or load the model yourself and pass that"
        )
    return _about_missing(path, Missing(names[-1]))


def _reason(error: Exception) -> str:
    """Return why Keras does not load a file: the end of its message, behind what it was doing and the configuration."""
    return one_line(Exception(str(error).rpartition(REASON)[2])) or type(error).__name__


def _about_missing(path: Path, missing: Missing) -> str:
    """Return the error that asks the user for a class or function."""
    name, called = missing.name, missing.name.rpartition(">")[2]
    shown = f'custom_objects={{"{name}": {called}}}' if called.isidentifier() and len(name) < LONG else "custom_objects"
    yours = f" if the module {quoted(missing.module)} is yours" if missing.module else ""
    return (
        f"cannot open {str(path)!r}: it holds {quoted(name)}, which is not part of Keras; pass it with "
        f"tfviz.trace(path, {shown}){yours}, or load the model yourself and pass that"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
