"""Traces Keras models, those of Keras 3 and of tf_keras alike, as one function at inference.

A model of tf_keras is known by what it can do, so that tf_keras need not be installed. Every batch size is open. Only a
model whose inputs are of one image is traced for one, if it cannot be traced otherwise or its code speaks of one;
`rewriting` then opens the batch. The trace refers weakly to the model, since it is cached by the model and must not
keep it alive; weights are read live.

The model is called as its owner would call it, with `training=False`, so whatever its `call` does is in the trace; no
kind of layer has to be known. What the model does in Python is done once, when it is traced. Each kind of model keeps
its inputs in another place; `_arguments` tries them in turn. A model that was never built or called has none.
"""

from __future__ import annotations

import inspect
import re
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.layers import Shape

INPUT_NAME = "images"


def is_keras_model(model: Any) -> bool:
    """Return whether `model` is a Keras model or layer, whichever Keras it is of."""
    return callable(model) and hasattr(model, "weights") and not isinstance(model, type)


def trace_keras(model: Any, image_shape: Shape | None) -> Any:
    """Return the traced function of a Keras model at inference; raise `UnsupportedModelError`.

    Its one argument is `images`; a model of several inputs takes them by their names, as keyword arguments: the key of
    a dictionary, or else the name of the input, as a name in Python: `the image` is `the_image`, `2nd` is `input_2nd`.
    What it returns is nested as the model nests it, see `output_names`. Every batch size is open. image_shape: what
    takes the place of the height, width and channels that the model states or leaves open.
    """
    arguments = _arguments(model, image_shape)
    specs = _specs(arguments)
    if image_shape is not None:
        specs = _of_shape(specs, image_shape)
    function, error = _traced(model, arguments, specs)
    is_for_one = any(tensor.shape[0] == 1 for tensor in tf.nest.flatten(_attribute(model, "inputs") or []))
    if is_for_one and image_shape is None and (function is None or _speaks_of_one(function)):
        # How many images there are may be a number in its code.
        alone = {name: tf.TensorSpec([1, *spec.shape[1:]], spec.dtype, name) for name, spec in specs.items()}
        function, error = _traced(model, arguments, alone)
    if function is None:
        named = specs if len(specs) > 1 else dict.fromkeys([INPUT_NAME], *specs.values())
        shapes = ", ".join(f"{name} {tuple(spec.shape[1:])}" for name, spec in named.items())
        raise UnsupportedModelError(
            f"the model {model.name!r} cannot be traced on {shapes}: {_reason(error)}"
        ) from error
    return function


def _traced(model: Any, arguments: Any, specs: Mapping[str, tf.TensorSpec]) -> tuple[Any, Any]:
    """Return the traced function of a model, or None and why there is none."""
    # The trace must not keep the model alive, since it is cached by the model.
    reference = weakref.ref(model)

    def call(**inputs: tf.Tensor) -> Any:
        given, named = tf.nest.pack_sequence_as(arguments, [inputs[name] for name in specs])
        return reference()(*given, **named, training=False)  # type: ignore[misc]  # the caller of the trace holds the model

    def call_with_one(images: tf.Tensor) -> Any:
        return call(**dict.fromkeys(specs, images))

    # The model's own code may raise anything, and TensorFlow adds its own lines around it.
    try:
        if len(specs) > 1:
            return tf.function(call).get_concrete_function(**specs), None
        spec = next(iter(specs.values()))
        return tf.function(call_with_one).get_concrete_function(tf.TensorSpec(spec.shape, spec.dtype, INPUT_NAME)), None
    except Exception as error:
        return None, error


def _speaks_of_one(function: Any) -> bool:
    """Return whether a function of any number of images makes a value whose first axis has just one place.

    Such a value, as of `tf.reshape(x, [1, -1])`, would join all images of a batch into one.
    """
    count = len(function.inputs) - len(function.captured_inputs)
    reached = {tensor.ref() for tensor in function.inputs[:count]}
    for operation in function.graph.get_operations():
        if not reached.isdisjoint(tensor.ref() for tensor in operation.inputs):
            reached.update(tensor.ref() for tensor in operation.outputs)
            if any((tensor.shape.rank or 0) > 1 and tensor.shape[0] == 1 for tensor in operation.outputs):
                return True
    return False


def _reason(error: Exception) -> str:
    """Return the last line of an error's message, before the arguments of the call that Keras lists after it."""
    lines = [line.strip() for line in re.sub(r"\x1b\[\d*m", "", str(error)).splitlines()]
    reasons = [line for line in lines if line and not line.startswith(("\N{BULLET}", "Arguments received"))]
    return reasons[-1] if reasons else type(error).__name__


def input_name(model: Any, image_shape: Shape | None) -> str | None:
    """Return the name of the one input of a Keras model that can be traced at a shape, None if it has several."""
    names = list(_specs(_arguments(model, image_shape)))
    return names[0] if len(names) == 1 else None


def output_names(model: Any) -> list[str]:
    """Return the names of a model's several outputs, in the order of `tf.nest.flatten`; empty if they have none.

    The names are the keys of a dictionary, or else those of the layers that give the outputs. Outputs that are nested
    more deeply have none here, but paths: a key may be there more than once.
    """
    outputs = _attribute(model, "output")
    if isinstance(outputs, Mapping):
        return [] if any(map(tf.nest.is_nested, outputs.values())) else list(_keys(outputs))
    names = list(getattr(model, "output_names", None) or [])
    several = isinstance(outputs, list | tuple) and len(outputs) == len(set(names)) == len(names)
    return names if several else []


def _arguments(model: Any, image_shape: Shape | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments that a model is called with, positional and named: nested Keras tensors or tensor specs.

    They are the inputs of a functional or sequential model, what a model of tf_keras was called with, the input of the
    signature that a `TFSMLayer` runs, or else what the model was built for. Raises `UnsupportedModelError` if it is not
    built, or nothing tells its image's size.
    """
    inputs = _attribute(model, "inputs")
    if inputs:
        nested = _attribute(model, "input")
        # A Sequential inside another model answers with that model's tensor.
        return (inputs[0] if len(inputs) == 1 and not isinstance(nested, Mapping) else nested,), {}
    # A model of tf_keras remembers what it was called with.
    positional, named = (model.save_spec() if hasattr(model, "save_spec") else None) or ((), {})
    if len(positional) + len(named) > 1:
        bound = dict(inspect.signature(model.call).bind(*positional, **named).arguments)
        first = next(iter(bound))
        spec = bound.pop(first)
        # Keras wants the first argument without its name.
        return (tf.TensorSpec(spec.shape, spec.dtype, first) if isinstance(spec, tf.TensorSpec) else spec,), bound
    if positional:
        return tuple(positional), {}
    # A TFSMLayer runs a signature of a SavedModel, which says its input.
    signature = getattr(getattr(model, "call_endpoint_fn", None), "structured_input_signature", ())
    if len(tf.nest.flatten(signature)) == 1 and image_shape is None:
        return tuple(tf.nest.flatten(signature)), {}
    return (_specs_of((None, *image_shape) if image_shape is not None else _built_for(model)),), {}


def _attribute(model: Any, name: str) -> Any:
    """Return `inputs`, `input` or `output` of a model, None if it has none (yet)."""
    # A Sequential that was not called has none; older releases of Keras 3 raise ValueError.
    try:
        return getattr(model, name, None)
    except ValueError:
        return None


def _built_for(model: Any) -> Any:
    """Return the shape, or nested shapes, that a model was built for."""
    if not model.built:
        raise UnsupportedModelError(
            f"the model {model.name!r} is not built, so its weights and image size do not exist yet: "
            "call it once on a batch of images, or build it with model.build((None, height, width, channels))"
        )
    shapes = (model.get_build_config() or {}).get("input_shape")
    if shapes is None:
        raise UnsupportedModelError(
            f"the image size of the model {model.name!r} is not known: say it with "
            "tfviz.trace(model, image_shape=(height, width, channels))"
        )
    return shapes


def _specs_of(shapes: Any) -> Any:
    """Return nested specs of nested shapes. Of which type the tensors were is not kept; Keras casts numbers."""
    if isinstance(shapes, Mapping):
        return {name: _specs_of(shape) for name, shape in shapes.items()}
    if all(isinstance(size, int | None) for size in shapes):
        return tf.TensorSpec(shapes)
    return [_specs_of(shape) for shape in shapes]


def _specs(arguments: Any) -> dict[str, tf.TensorSpec]:
    """Return the spec of every tensor by its name, in the order of `tf.nest.flatten`."""
    specs: dict[str, tf.TensorSpec] = {}
    for index, (key, tensor) in enumerate(zip(_keys(arguments), tf.nest.flatten(arguments), strict=True), start=1):
        name = re.sub(r"\W", "_", key or tensor.name or f"input_{index}", flags=re.ASCII)
        name = re.sub(r"^(?![A-Za-z])_*", "input_", name)
        unique = name if name not in specs else f"{name}_{index}"
        specs[unique] = tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype, unique)
    return specs


def _keys(nested: Any, key: str = "") -> Iterator[str]:
    """Yield for every tensor the key that it has in a dictionary, else an empty string, as `tf.nest.flatten` does."""
    if isinstance(nested, Mapping):
        for inner in sorted(nested):
            yield from _keys(nested[inner], str(inner))
    elif isinstance(nested, list | tuple):
        for each in nested:
            yield from _keys(each)
    else:
        yield key


def _takes_channels_first(shape: tf.TensorShape, channels: int | None) -> bool:
    return shape.rank == 4 and channels is not None and shape[1] == channels != shape[3]


def _of_shape(specs: dict[str, tf.TensorSpec], image_shape: Shape) -> dict[str, tf.TensorSpec]:
    """Return the specs with their image at (height, width, channels): the one input, or those of several that fit.

    If an input that states its channels has them first, the shape is turned. Raises `UnsupportedModelError` if no input
    takes such images.
    """
    wanted = tf.TensorShape([None, *image_shape])
    fits = any(spec.shape.is_compatible_with(wanted) for spec in specs.values())
    if not fits and any(_takes_channels_first(spec.shape, image_shape[-1]) for spec in specs.values()):
        wanted = tf.TensorShape([None, *image_shape[-1:], *image_shape[:-1]])
    changed = [name for name, spec in specs.items() if len(specs) == 1 or spec.shape.is_compatible_with(wanted)]
    if not changed:
        found = ", ".join(f"{name} {tuple(spec.shape[1:])}" for name, spec in specs.items())
        raise UnsupportedModelError(f"no input takes images {tuple(image_shape)}; the model takes {found}")
    return specs | {name: tf.TensorSpec(wanted, specs[name].dtype, name) for name in changed}
