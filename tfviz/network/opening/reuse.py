"""Tells whether the trace of a live model still holds: all that it depends on besides the values of the weights.

A trace is kept as long as its model lives. Weights are read live, but layers, their settings and their constants (an
adapted `Normalization`) are in the graph, so that the trace is made anew when one of them was replaced. This is asked
at every call, so that all is compared by identity (0.2 ms for 400 layers).

Attributes that hold a list, a dictionary or another object are not compared, so it is not seen if one that `call` reads
is changed or replaced. The same holds for private attributes, unless they hold layers, and for Python values outside of
the model.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

PLAIN = (bool, int, float, str, tuple, type(None))
# Attributes that compile, fit, evaluate and predict set on a model, of either Keras, without changing its call.
OF_TRAINING = frozenset(
    {"compiled", "loss", "optimizer", "compiled_loss", "compiled_metrics", "steps_per_execution", "stop_training"}
    | {"history", "train_function", "train_tf_function", "test_function", "predict_function"}
    | {"unrolled_steps_per_execution"}
)


class Structure:
    """The layers of a model, their activations, settings and constants, and its variables, as they were once.

    Layers are held weakly; settings are held, so that no new object can get the identity of an old one.
    """

    def __init__(self, model: Any) -> None:
        self._contained = _contained(model)
        self._settings = [(weakref.ref(layer), _settings(layer)) for layer in _layers_of(model)]

    def still_holds(self, model: Any) -> bool:
        """Return whether nothing that a trace depends on was replaced."""
        return self._contained == _contained(model) and all(_are_set(*each) for each in self._settings)


def _contained(model: Any) -> tuple[int, ...]:
    """Return the identities of the layers and variables of a model."""
    layers = [id(layer) for layer in getattr(model, "layers", None) or ()]
    return (*layers, *(id(variable) for variable in getattr(model, "variables", ())))


def _layers_of(model: Any) -> Iterator[Any]:
    """Yield a model and the layers inside it, also those that a layer of the user's own keeps in its attributes."""
    # Whoever has a model of tf_keras has imported it.
    kerases = filter(None, [keras, sys.modules.get("tf_keras")])
    layer_types = tuple(each.layers.Layer for each in kerases)
    seen: set[int] = set()
    pending = [model]
    while pending:
        layer = pending.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        yield layer
        for value in (*vars(layer).values(), getattr(layer, "layers", None)):
            values = (
                value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
            )
            pending.extend(each for each in values if isinstance(each, layer_types))


def _settings(layer: Any) -> dict[str, Any]:
    """Return the public attributes of a layer that its call may read: numbers, texts, functions, constant tensors."""
    return {
        name: value
        for name, value in vars(layer).items()
        if not (name.startswith("_") or name in OF_TRAINING)
        and (isinstance(value, (*PLAIN, tf.Tensor)) or name == "activation")
    }


def _are_set(reference: weakref.ref[Any], settings: dict[str, Any]) -> bool:
    layer = reference()
    if layer is None:
        return False
    current = vars(layer)
    return all(current.get(name) is value for name, value in settings.items())
