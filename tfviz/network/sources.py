"""Any image model becomes one traced function: Keras models, their files, SavedModels."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.keras_models import is_keras_model, trace_keras
from tfviz.network.opening import KINDS, open_path


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
        loaded = open_path(path)
        source = open_source(loaded, image_shape)
        return replace(source, name=path.stem)
    if hasattr(model, "signatures"):
        function = _signature(model)
        structure = function.structured_outputs if len(function.outputs) > 1 else None
        return Source(function, _image_index(function), "SavedModel", model, structure)
    if is_keras_model(model):
        function = trace_keras(model, image_shape)
        return Source(function, _image_index(function), str(model.name), model, function.structured_outputs)
    raise UnsupportedModelError(f"cannot open a {type(model).__name__}; expected {KINDS}")


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
