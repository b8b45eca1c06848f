"""Tells whether the trace of a live model still holds: all that it depends on besides the values of the weights.

A trace is kept as long as its model lives. Weights are read live, but layers, their settings and their constants (an
adapted `Normalization`) are in the graph, so that the trace is made anew when one of them was replaced. This is asked
at every call, so that all is compared by identity (0.2 ms for 400 layers). Of lists, dictionaries and sets of plain
values so is what they hold; of others only whether they were replaced.

Attributes that hold other objects are not compared, so it is not seen if one that `call` reads is changed or replaced,
nor what changes inside of an array. The same holds for private attributes, unless they hold layers, and for Python
values outside of the model.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, zip_longest
from types import BuiltinFunctionType, FunctionType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

PLAIN = (bool, int, float, complex, str, bytes, np.ndarray, np.generic, tf.DType, type(None))
CONTAINERS = (list, dict, set, frozenset, tuple)
FUNCTIONS = (FunctionType, BuiltinFunctionType, partial)
END = object()
# Attributes that compile, fit, evaluate and predict set on a model, of either Keras, without changing its call.
OF_TRAINING = frozenset(
    {"compiled", "loss", "optimizer", "compiled_loss", "compiled_metrics", "steps_per_execution", "stop_training"}
    | {"history", "train_function", "train_tf_function", "test_function", "predict_function"}
    | {"unrolled_steps_per_execution"}
)
# Attributes that Keras sets on each layer, which hold nothing that a call computes with.
OF_KERAS = frozenset({"build", "quantize", "call_signature_parameters", "output_names"})


class Structure:
    """The layers of a model, their activations, settings and constants, and its variables, as they were once.

    Layers are held weakly; settings are held, so that no new object can get the identity of an old one. What may refer
    to the model, such as its functions and lists of objects, is held weakly or not at all.
    """

    def __init__(self, model: Any) -> None:
        self._contained = _contained(model)
        self._settings = [(weakref.ref(layer), _settings(layer), _checks(layer)) for layer in _layers_of(model)]

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
    """Return the public attributes of a layer that its call may read: numbers, texts, arrays, constant tensors."""
    return {
        name: value
        for name, value in _public(layer)
        if isinstance(value, (*PLAIN, tf.Tensor)) or name == "activation" or _is_fixed(value)
    }


def _checks(layer: Any) -> dict[str, Callable[[Any], bool]]:
    """Return for the public attributes that hold a container or function what tells whether it is still the same."""
    return {
        name: _check(value)
        for name, value in _public(layer)
        if isinstance(value, CONTAINERS + FUNCTIONS) and name != "activation" and not _is_fixed(value)
    }


def _public(layer: Any) -> Iterator[tuple[str, Any]]:
    for name, value in vars(layer).items():
        if not (name.startswith("_") or name in OF_TRAINING or name in OF_KERAS):
            yield name, value


def _is_fixed(value: Any) -> bool:
    """Return whether a value is a tuple that holds nothing that can change."""
    return isinstance(value, tuple) and all(isinstance(each, PLAIN) or _is_fixed(each) for each in value)


def _check(value: Any) -> Callable[[Any], bool]:
    """Return a function that tells whether a container holds what this one does, or a function is this one."""
    held = list(_leaves(value)) if isinstance(value, CONTAINERS) else [value]
    # The contents are held, so their identities are not given to others. Symbolic tensors are what a call left there.
    if all(isinstance(each, PLAIN) or each is END or isinstance(each, type) for each in held):
        return lambda current: _are_same(held, current)
    try:
        reference = weakref.ref(value)
    except TypeError:  # A plain list, of a model that does not track its attributes.
        number = id(value)
        return lambda current: id(current) == number
    return lambda current: reference() is current


def _are_same(held: list[Any], current: Any) -> bool:
    if not isinstance(current, CONTAINERS):
        return False
    return all(own is other for own, other in zip_longest(held, _leaves(current), fillvalue=_are_same))


def _leaves(container: Any) -> Iterator[Any]:
    """Yield the type of a container and all that it holds, with that inside of containers in it, up to its end."""
    yield type(container)
    for each in chain.from_iterable(container.items()) if isinstance(container, dict) else container:
        if isinstance(each, CONTAINERS):
            yield from _leaves(each)
        else:
            yield each
    yield END


def _are_set(reference: weakref.ref[Any], settings: dict[str, Any], checks: dict[str, Callable[[Any], bool]]) -> bool:
    found = getattr(reference(), "__dict__", {})  # a layer that is gone has nothing
    kept = all(found.get(name) is value for name, value in settings.items())
    return kept and all(check(found.get(name)) for name, check in checks.items())
