"""Turns any image model into one traced function: Keras models, their files, SavedModels and their signatures.

A Keras model is traced here; a signature is traced already. Of several signatures the one asked for is taken. Otherwise
only those count that take images as numbers, or if there are none those that take them encoded; of these it is
`serving_default` or the only one. Of a module that was traced for training and for inference, it is the latter. A
traced function does not keep its variables alive, so a `Source` holds the object that does. A signature that does more
than compute is refused before it runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfviz.errors import UnsupportedModelError, suggestion
from tfviz.network.heads import output_paths
from tfviz.network.opening.effects import effects_of_traced
from tfviz.network.opening.files import KINDS, open_path
from tfviz.network.opening.keras_models import input_name, is_keras_model, output_names, trace_keras
from tfviz.network.opening.python_functions import check_python_is_here
from tfviz.network.opening.trace_options import TraceOptions
from tfviz.network.opening.trust import refuse, risks
from tfviz.network.program import Value, is_encoded, is_image


@dataclass(frozen=True)
class Source:
    """A traced function, and the object whose variables it reads.

    function: a `ConcreteFunction`. name: that of the model or of its file. model: a traced function does not keep its
    variables alive, so whoever holds the source holds this. structure: how its outputs are nested, None if a
    SavedModel's dictionary holds just one. outputs: what they are called. alias: what a Keras model calls its one
    input. signature: the one of a SavedModel that was taken. warnings: what must be said of the model.
    """

    function: Any
    name: str
    model: Any
    structure: Any
    outputs: list[str]
    alias: str | None = None
    signature: str | None = None
    warnings: Sequence[str] = ()

    @property
    def arguments(self) -> list[str]:
        """The names of the function's arguments, in the order of its inputs."""
        return _names(self.function)


def open_source(model: Any, options: TraceOptions) -> Source:
    """Return the traced function of any model that tfviz accepts.

    Raises `UnsafeModelError` if a file, or a signature, does more than compute, unless `safe_mode` is off;
    `UnsupportedModelError` for anything that is not a model, cannot be opened or traced, or for which an option of
    `trace` has no meaning.
    """
    if keras.backend.backend() != "tensorflow":
        raise UnsupportedModelError(
            f"Keras runs on the {keras.backend.backend()} backend, expected tensorflow: "
            'set os.environ["KERAS_BACKEND"] = "tensorflow" before Keras is imported'
        )
    if isinstance(model, str | os.PathLike):
        path = Path(model)
        limits: dict[str, Any] = {"safe_mode": options.safe_mode, "maximum_bytes": options.maximum_model_bytes}
        loaded, warnings = open_path(path, options.custom_objects, **limits)
        source = _source_of(loaded, options)
        # Of a Keras file the configuration was checked; what else it does is in layers of the user's.
        if source.signature is not None:
            warnings = [*warnings, *_check_signature(source, repr(str(path)), options.safe_mode)]
        return replace(source, name=path.stem, warnings=warnings)
    if options.custom_objects is not None:
        raise UnsupportedModelError("custom_objects are for loading a .keras or .h5 file; this model is loaded already")
    source = _source_of(model, options)
    if source.signature is not None:
        return replace(source, warnings=_check_signature(source, "the SavedModel", options.safe_mode))
    if not options.safe_mode:
        raise UnsupportedModelError("safe_mode is for files and SavedModels; this model is neither")
    return source


def _source_of(model: Any, options: TraceOptions) -> Source:
    """Return the traced function of a model that is loaded."""
    if hasattr(model, "signatures"):
        signature, function = _find_signature(model, options.signature)
        _check_inputs(signature, function)
        structure = function.structured_outputs if len(function.outputs) > 1 else None
        outputs = output_paths(function.structured_outputs)
        return Source(function, "SavedModel", model, structure, outputs, signature=signature)
    if options.signature is not None:
        raise UnsupportedModelError(
            f"no signature {options.signature!r}: only SavedModels have signatures, and this is a "
            f"{type(model).__name__}"
        )
    if is_keras_model(model):
        function = trace_keras(model, options.image_shape)
        structure = function.structured_outputs
        outputs = output_names(model) or output_paths(structure)
        return Source(function, str(model.name), model, structure, outputs, input_name(model, options.image_shape))
    raise UnsupportedModelError(f"cannot open a {type(model).__name__}; expected {KINDS}")


def _check_inputs(signature: str, function: Any) -> None:
    """Refuse a function with other inputs than those that its signature describes and its weights, as of a file."""
    described, taken = len(_names(function)), len(function.inputs) - len(function.captured_inputs)
    if described != taken:
        raise UnsupportedModelError(
            f"the SavedModel's signature {signature!r} describes {described} inputs, but its function takes {taken}; "
            "copy the folder again"
        )


def _check_signature(source: Source, place: str, safe_mode: bool) -> list[str]:
    """Refuse a signature whose operations reach out of the network, or return what must be said if they may."""
    findings = list(effects_of_traced(source.function))
    if findings and safe_mode:
        refuse(place, findings)
    if findings:
        check_python_is_here(source.function, place)
    return risks(place, findings)


def _find_signature(model: Any, name: str | None) -> tuple[str, Any]:
    """Return the name and the function of the signature of that name; for None, of the one that is meant.

    That is the one that serves by default, or the only one that takes images. Raises `UnsupportedModelError`, with the
    names that there are, if none or several qualify.
    """
    signatures = _signatures(model)
    existing = ", ".join(map(repr, signatures)) or "none"
    if name is not None:
        if name not in signatures:
            hint = suggestion(name, signatures, f"the SavedModel has {existing}")
            raise UnsupportedModelError(f"no signature {name!r}; {hint}")
        return name, signatures[name]
    usable = next(filter(None, (_taking(kind, signatures) for kind in (is_image, is_encoded))), {})
    if "serving_default" in usable or ("serving_default" in signatures and not usable):
        return "serving_default", signatures["serving_default"]
    # A module for training and inference was traced for both, and TensorFlow Hub's convention is inference.
    inferring = {each: function for each, function in usable.items() if True not in _python_arguments(function)}
    for found in (usable, inferring):
        if len(found) == 1:
            return next(iter(found.items()))
    hint = f"say which with signature={next(iter(usable))!r} (--signature)" if usable else "expected one"
    raise UnsupportedModelError(
        f"the SavedModel has {len(usable)} signatures that take images, {hint}; it has {existing}"
    )


def _signatures(model: Any) -> dict[str, Any]:
    """Return the traced functions of a SavedModel by the names of its signatures; refuse anything else in their place.

    A file may put any object there, whose attributes are functions of the file's own.
    """
    if not isinstance(model.signatures, Mapping):
        raise UnsupportedModelError(f"the SavedModel's signatures are a {type(model.signatures).__name__}, not by name")
    signatures = dict(model.signatures) or _functions(model)
    for name, function in signatures.items():
        if not isinstance(function, tf.types.experimental.ConcreteFunction):
            raise UnsupportedModelError(
                f"the SavedModel's signature {name!r} is not a function, but a {type(function).__name__}"
            )
    return signatures


def _functions(model: Any) -> dict[str, Any]:
    """Return the traced functions of a SavedModel without signatures, such as one for TensorFlow Hub, by name."""
    function = getattr(model, "__call__", None)  # noqa: B004  # a restored function, which `callable` does not tell
    found = getattr(function, "concrete_functions", [])
    found = found if isinstance(found, list | tuple) else []
    return {f"__call__:{number}" if len(found) > 1 else "__call__": each for number, each in enumerate(found)}


def _python_arguments(function: Any) -> list[Any]:
    return [each for each in _leaves(function) if isinstance(each, bool)]


def _leaves(function: Any) -> list[Any]:
    """Return the specifications of a function's tensors, in the order of its inputs, among its Python arguments."""
    positional, named = function.structured_input_signature
    named = {name: _named(spec, name) for name, spec in named.items()}
    leaves: list[Any] = tf.nest.flatten((positional, named))
    return leaves


def _named(specs: Any, name: str) -> Any:
    """Return a specification under the name of its argument; TensorFlow changes names that suit no operation."""
    return tf.TensorSpec(specs.shape, specs.dtype, name) if isinstance(specs, tf.TensorSpec) else specs


def _names(function: Any) -> list[str]:
    specs = [each for each in _leaves(function) if isinstance(each, tf.TypeSpec)]
    return [getattr(spec, "name", None) or f"input_{number}" for number, spec in enumerate(specs)]


def _taking(kind: Callable[[Value], bool], functions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the functions with an input of a kind."""
    found = {}
    for name, function in functions.items():
        arguments = function.inputs[: len(function.inputs) - len(function.captured_inputs)]
        if any(kind(Value(tensor.shape, tensor.dtype)) for tensor in arguments):
            found[name] = function
    return found


def own_tensor(captured: Any) -> Any:
    """Return a captured tensor; of a weight that a SavedModel got under a strategy, the handle of its first copy."""
    return captured.values[0].handle if isinstance(captured, tf.distribute.DistributedValues) else captured
