"""A network on other weights: a copy that reads variables of its own, layer by layer.

To ask whether a map depends on what a network has learnt, its weights are replaced. Those of the user are never
assigned, not even for a moment: the copy replays the same program, but captures new variables, so that an error or an
interrupt in the middle leaves nothing to put back. They may be assigned again and again, and a method is compiled once
for all values.

Which weights a layer has follows from the program, so that it makes no difference whether a model is live, saved, or a
function: a weight belongs to the layer that the first step stands in which brings it together with what the image
gives. In a graph without the scopes of layers, a weight with axes begins a layer, and numbers by channel (biases,
normalisations) go with the one before. Layers are in the order in which these steps run, from the input to the output.

Weights are the variables of floating point, and kernels that were quantised to integers. Counters and seeds are not,
and neither are constants: those of a preprocessing layer stay as they are, and a network whose weights were frozen into
constants has none. The moving statistics of a batch normalisation are weights like any other: they were learnt, and
with random weights before them they would fit no more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfviz.errors import TfvizError, UnsupportedModelError, suggestion
from tfviz.network.layers import short_names
from tfviz.network.program import CompiledFunctions, Step, Value, with_captured
from tfviz.network.traced.traced import TracedNetwork

NO_WEIGHTS = (
    "the network reads no variables that its output depends on, so there are no weights to replace: those of a graph "
    "that was frozen are constants; give the model, or the SavedModel, that it was made from"
)


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """The weights of one layer: name, the shortest that no other layer shares, and variables, those of the copy."""

    name: str
    variables: tuple[Any, ...]

    def values(self) -> list[np.ndarray]:
        """Return what the variables hold, a copy."""
        return [np.array(tf.convert_to_tensor(_first(each))) for each in self.variables]

    def assign(self, values: Sequence[ArrayLike]) -> None:
        """Let the copy, and nothing else, read other values; raise `TfvizError` unless they have the shapes of these.

        Real numbers are rounded to the type of each variable.
        """
        shapes = [tuple(each.shape) for each in self.variables]
        arrays = [np.asarray(each) for each in values]
        if [each.shape for each in arrays] != shapes:
            got = [each.shape for each in arrays]
            raise TfvizError(f"expected weights of the shapes {shapes} for layer {self.name!r}, got {got}")
        for variable, array in zip(self.variables, arrays, strict=True):
            variable.assign(array.astype(variable.dtype.as_numpy_dtype))


@dataclass(frozen=True, eq=False)
class OtherWeights:
    """A network that reads variables of its own, which begin with what the user's hold.

    layers: from the input to the output. Scores and maps that were found before the variables are assigned are not
    those after: whoever remembers any by the network must not do so for this one.
    """

    network: TracedNetwork
    layers: tuple[LayerWeights, ...]


@dataclass(frozen=True, eq=False)
class FunctionOnOtherWeights:
    """A traced function as it runs on other variables, which it keeps alive; it stands for the function itself."""

    original: Any
    captured_inputs: list[Any]
    variables: tuple[Any, ...]

    @property
    def graph(self) -> Any:
        """The graph of the function, which is not copied."""
        return self.original.graph

    @property
    def structured_input_signature(self) -> Any:
        """The arguments of the function."""
        return self.original.structured_input_signature

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Run the function; arguments are in the order of its graph, whether they are named or not."""
        return with_captured(self.original, self.captured_inputs)(*arguments, *named.values())


def with_own_weights(network: TracedNetwork) -> OtherWeights:
    """Return a copy of a network on variables of its own; raise `UnsupportedModelError` if it has no weights.

    It takes as much memory as the weights do.
    """
    read = {id(_first(each).handle): each for each in network.function.variables}
    found = {value: read[id(tensor)] for value, tensor in network._captured.items() if id(tensor) in read}
    layers = _by_layer(network, {value: each for value, each in found.items() if _is_weight(each)})
    if not layers:
        raise UnsupportedModelError(NO_WEIGHTS)
    copies = {value: _copy(found[value]) for values in layers.values() for value in values}
    others = {id(network._captured[value]): copy for value, copy in copies.items()}

    def handle(tensor: Any) -> Any:
        return _first(others[id(tensor)]).handle if id(tensor) in others else tensor

    function = network.function
    variables = tuple(others.get(id(_first(each).handle), each) for each in function.variables)
    other = network.holding(None)
    other.function = FunctionOnOtherWeights(function, [*map(handle, function.captured_inputs)], variables)
    other._captured = {value: handle(tensor) for value, tensor in network._captured.items()}
    other._model, other.reopening, other.warnings = other.function, None, ()
    other.compiled = CompiledFunctions()
    return OtherWeights(
        other, tuple(LayerWeights(name, tuple(copies[each] for each in values)) for name, values in layers.items())
    )


def with_weights(network: TracedNetwork, values: Mapping[str, Sequence[ArrayLike]]) -> TracedNetwork:
    """Return a copy of a network whose layers, by their names, have other weights; the rest are as they are now.

    Raises `TfvizError` for a layer without weights, and for weights of another shape.
    """
    copy = with_own_weights(network)
    layers = {layer.name: layer for layer in copy.layers}
    for name, arrays in values.items():
        if name not in layers:
            raise TfvizError(f"no layer {name!r} with weights; {suggestion(name, layers, f'they are {[*layers]}')}")
        layers[name].assign(arrays)
    return copy.network


def _first(variable: Any) -> Any:
    """Return a variable; of one that was made under a strategy, its first copy."""
    return getattr(variable, "values", (variable,))[0]


def _name(variable: Any) -> str:
    return str(variable.name).partition(":")[0]


def _is_weight(variable: Any) -> bool:
    return bool(variable.dtype.is_floating or (variable.dtype.is_integer and len(variable.shape) > 1))


def _copy(variable: Any) -> Any:
    """Return another variable with the same value; under a strategy it is mirrored, as the user's own are."""
    return tf.Variable(tf.identity(_first(variable)), trainable=variable.trainable, name=_name(variable))


def _by_layer(network: TracedNetwork, weights: Mapping[Value, Any]) -> dict[str, list[Value]]:
    """Return the weights of each layer by its name, in the order of their first use."""
    layers: dict[str, list[Value]] = {}
    started = ""
    for value, step in _first_uses(network, weights).items():
        path = re.sub(r":\d+", "", network.layer_index.path_around(step))
        if not path:
            # A function of the user's own, whose operations have no scopes.
            is_new = not started or len(weights[value].shape) > 1
            path = started = _name(weights[value]) if is_new else started
        layers.setdefault(path, []).append(value)
    names = short_names([*layers])
    return {names[path]: values for path, values in layers.items()}


def _first_uses(network: TracedNetwork, weights: Collection[Value]) -> dict[Value, Step]:
    """Return for each weight the first step that brings it together with what the image gives, in order."""
    features = network.program.depending_on([network.image])
    made_of: dict[Value, tuple[Value, ...]] = {value: (value,) for value in weights}
    first: dict[Value, Step] = {}
    for step in network.program.steps:
        used = dict.fromkeys(each for value in step.inputs for each in made_of.get(value, ()))
        if any(value in features for value in step.outputs):
            first.update((value, step) for value in used if value not in first)
        elif used:
            made_of.update(dict.fromkeys(step.outputs, tuple(used)))
    return first
