"""Any image model becomes one traced function: Keras models, their files, SavedModels."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfviz.errors import UnsupportedModelError

KERAS_FILES = (".keras", ".h5", ".hdf5")
KINDS = "a Keras model, a .keras or .h5 file, a SavedModel folder or a loaded SavedModel"


@dataclass(frozen=True)
class Source:
    """A traced function with one image input, and the object whose variables it reads.

    A traced function does not keep its variables alive, so whoever holds the source holds `model`. structure: how its
    outputs are nested, None where a SavedModel's dictionary holds just one.
    """

    function: Any
    image_index: int
    name: str
    model: Any
    structure: Any


def open_source(model: Any, image_shape: tuple[int | None, ...] | None = None) -> Source:
    """Return the traced function of any model that tfviz accepts."""
    if keras.backend.backend() != "tensorflow":
        raise UnsupportedModelError(
            f"Keras runs on the {keras.backend.backend()} backend, expected tensorflow: "
            'set os.environ["KERAS_BACKEND"] = "tensorflow" before Keras is imported'
        )
    if isinstance(model, str | os.PathLike):
        path = Path(model)
        loaded = _load(path)
        source = open_source(loaded, image_shape)
        return replace(source, name=path.stem)
    if hasattr(model, "signatures"):
        function = _signature(model)
        structure = function.structured_outputs if len(function.outputs) > 1 else None
        return Source(function, _image_index(function), "SavedModel", model, structure)
    if callable(model) and hasattr(model, "weights") and not isinstance(model, type):
        function = _trace_keras(model, image_shape)
        return Source(function, _image_index(function), str(model.name), model, function.structured_outputs)
    raise UnsupportedModelError(f"cannot open a {type(model).__name__}; expected {KINDS}")


def _load(path: Path) -> Any:
    if not path.exists():
        raise UnsupportedModelError(f"no model at {str(path)!r}; expected {KINDS}")
    if path.is_dir():
        if not (path / "saved_model.pb").exists():
            raise UnsupportedModelError(f"{str(path)!r} is no SavedModel: it holds no saved_model.pb")
        return _explained(path, lambda: tf.saved_model.load(str(path)))
    if path.suffix in KERAS_FILES:
        return _explained(path, lambda: keras.saving.load_model(path, compile=False))
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


def _trace_keras(model: Any, image_shape: tuple[int | None, ...] | None) -> Any:
    shape = image_shape or _keras_image_shape(model)
    # The trace must not keep the model alive, since it is cached by the model.
    reference = weakref.ref(model)

    @tf.function
    def call(images: tf.Tensor) -> Any:
        return reference()(images, training=False)  # type: ignore[misc]  # the caller of the trace holds the model

    inputs = _keras_inputs(model)
    dtype = inputs[0].dtype if inputs else tf.float32
    # The model's own code may raise anything, and TensorFlow adds its own lines around it.
    try:
        return call.get_concrete_function(tf.TensorSpec([None, *shape], dtype, "images"))
    except Exception as error:
        reason = [line.strip() for line in str(error).splitlines() if line.strip()][-1:]
        raise UnsupportedModelError(
            f"the model {model.name!r} cannot be traced on images {shape}: {''.join(reason) or type(error).__name__}"
        ) from error


def _keras_inputs(model: Any) -> Any:
    # A Sequential that is not built raises ValueError in older releases of Keras 3.
    try:
        return getattr(model, "inputs", None)
    except ValueError:
        return None


def _keras_image_shape(model: Any) -> tuple[int | None, ...]:
    inputs = _keras_inputs(model)
    if inputs:
        if len(inputs) > 1:
            names = ", ".join(repr(tensor.name) for tensor in inputs)
            raise UnsupportedModelError(f"the model has {len(inputs)} inputs ({names}), expected one image")
        return tuple(inputs[0].shape[1:])
    if not model.built:
        raise UnsupportedModelError(
            f"the model {model.name!r} is not built, so its weights and image size do not exist yet: "
            "call it once on a batch of images, or build it with model.build((None, height, width, channels))"
        )
    shapes = (model.get_build_config() or {}).get("input_shape")
    if not isinstance(shapes, list | tuple) or not all(isinstance(size, int | None) for size in shapes):
        raise UnsupportedModelError(
            f"the image size of the model {model.name!r} is not known: say it with "
            "tfviz.trace(model, image_shape=(height, width, channels))"
        )
    return tuple(shapes[1:])


def _signature(model: Any) -> Any:
    signatures = dict(model.signatures)
    if not signatures:
        functions = getattr(getattr(model, "__call__", None), "concrete_functions", [])  # noqa: B004  # a restored function
        signatures = {f"__call__ {index}": function for index, function in enumerate(functions)}
    usable = {name: function for name, function in signatures.items() if len(_image_inputs(function)) == 1}
    if "serving_default" in usable or ("serving_default" in signatures and not usable):
        return signatures["serving_default"]
    if len(usable) != 1:
        raise UnsupportedModelError(
            f"the SavedModel has {len(usable)} signatures with one image input, expected one; "
            f"it has {', '.join(signatures) or 'none'}"
        )
    return next(iter(usable.values()))


def _arguments(function: Any) -> list[tf.Tensor]:
    return list(function.inputs[: len(function.inputs) - len(function.captured_inputs)])


def _image_inputs(function: Any) -> list[int]:
    return [
        index
        for index, tensor in enumerate(_arguments(function))
        if tensor.dtype.is_floating and tensor.shape.rank == 4
    ]


def _image_index(function: Any) -> int:
    arguments = _arguments(function)
    images = _image_inputs(function)
    if len(arguments) != 1 or not images:
        found = ", ".join(f"{tensor.name.split(':')[0]} {tensor.dtype.name} {tensor.shape}" for tensor in arguments)
        raise UnsupportedModelError(
            f"expected one input of float images (N, height, width, channels), the model takes {found or 'none'}"
        )
    if arguments[0].shape[0] is not None:
        raise UnsupportedModelError(
            f"the model takes batches of exactly {arguments[0].shape[0]} images, expected any number: "
            "export it with an open batch size (None)"
        )
    return images[0]
