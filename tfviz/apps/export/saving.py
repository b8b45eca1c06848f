"""Collects what must be saved with a network's functions, so that they can be loaded again.

A Keras model is not saved itself, only its variables: saving the model would set and reset attributes of it. A
SavedModel is saved as the object that was loaded, with everything in it. Large constants, as in a frozen model, are
captured once, or each method's function would hold a copy of the weights for every run of the network in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.opening import check_no_python
from tfviz.network.program import Program, Step
from tfviz.network.traced import TracedNetwork

DEFAULT = "serving_default"
LARGE = 4096  # bytes from which a constant is worth a reference


def model_signatures(network: TracedNetwork) -> dict[str, Any]:
    """Return the concrete functions that the model is saved with, by the names of their signatures.

    A SavedModel keeps its own. A Keras model, or a SavedModel that has none, gets `serving_default`, with the input
    named as the model names it. Raises `UnsupportedModelError` if the network calls Python.
    """
    check_no_python(network.function)
    model = network.model
    if hasattr(model, "signatures"):
        return dict(model.signatures) or {DEFAULT: network.function}
    positional, named = network.function.structured_input_signature
    inputs = getattr(model, "inputs", None)
    if inputs and not named and len(positional) == len(inputs) == 1:
        spec = positional[0]
        positional = (tf.TensorSpec(spec.shape, spec.dtype, inputs[0].name),)
    call = tf.function(lambda *arguments, **inputs: network.function(*arguments, **inputs), autograph=False)
    return {DEFAULT: call.get_concrete_function(*positional, **named)}


def saved_root(network: TracedNetwork, own: Mapping[str, Any], added: Mapping[str, Any]) -> Any:
    """Return the object to save: it holds every variable and table that the network reads.

    For a SavedModel it is the loaded object itself, with all that was saved in it. For a Keras model it is a new
    object, so that the model itself is neither written nor changed; its `serve` is the forward pass, as in what
    `model.export` writes. Raises `UnsupportedModelError` if the functions `added` to a SavedModel read variables that
    are not its own.
    """
    model = network.model
    foreign = _variables_beside(network, added)
    if hasattr(model, "signatures"):
        if foreign:
            names = ", ".join(sorted({str(variable.name) for variable in foreign}))
            raise UnsupportedModelError(
                f"the score reads a variable ({names}) that is not part of the SavedModel, and would not be saved; "
                "give the score its value as a constant"
            )
        return model
    root = tf.Module()
    root.serve = own[DEFAULT]
    root.read_variables = [*network.function.variables, *foreign]
    resources = {id(tensor) for tensor in network.function.captured_inputs if tensor.dtype == tf.resource}
    tables = resources - {id(variable.handle) for variable in root.read_variables}
    if tables:
        found = tf.train.TrackableView(model).descendants()
        root.read_tables = [each for each in found if id(getattr(each, "resource_handle", None)) in tables]
    return root


def _variables_beside(network: TracedNetwork, functions: Mapping[str, Any]) -> list[Any]:
    """Return the variables that functions read but the model does not have: those of a custom score."""
    found = {id(variable): variable for function in functions.values() for variable in function.variables}
    own = [*network.function.variables, *tf.train.TrackableView(network.model).descendants()]
    return [variable for key, variable in found.items() if key not in set(map(id, own))]


def with_shared_constants(network: TracedNetwork) -> TracedNetwork:
    """Return the network with its large constants outside of its program.

    The functions that replay it then share one copy of a frozen model's weights; otherwise each would hold as many
    copies as it runs the network.
    """
    program = network.program
    large = [step for step in program.steps if step.type == "Const" and _bytes(step.outputs[0]) >= LARGE]
    shared = copy(network)
    shared.program = _without(program, large)
    shared.running = replace(network.running, program=_without(network.running.program, large))
    constants = {step.outputs[0]: tf.constant(tf.make_ndarray(step.operation.get_attr("value"))) for step in large}
    shared._captured = {**network._captured, **constants}
    return shared


def _without(program: Program, steps: list[Step]) -> Program:
    """Return a program without some of its steps, whose outputs must then be given to it."""
    return replace(program, steps=[step for step in program.steps if step not in steps])


def _bytes(value: Any) -> int:
    """Return the size of a value; 0 if its shape is not known."""
    return int(value.dtype.size * (value.shape.num_elements() or 0))
