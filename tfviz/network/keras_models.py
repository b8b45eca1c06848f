"""Keras models become traced functions."""

from __future__ import annotations

import weakref
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError


def is_keras_model(model: Any) -> bool:
    """Return whether `model` is a Keras model or layer, whichever Keras it is of."""
    return callable(model) and hasattr(model, "weights") and not isinstance(model, type)


def trace_keras(model: Any, image_shape: tuple[int | None, ...] | None) -> Any:
    """Return the traced function of a Keras model at inference; raise `UnsupportedModelError`."""
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
