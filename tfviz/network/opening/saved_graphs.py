"""Finds what loading a SavedModel would run, in its graph as data.

Loading runs the functions that make, fill, restore or delete what an object stands for, or in TensorFlow 1 what the
initialisation and the outputs need; these are told by TensorFlow's own rules, and their operations are judged by
`effects`. A number that refers to an object outside of the list is refused (TensorFlow takes -1 for the last), and a
vocabulary is allowed only as an asset inside of the folder.

Functions that loading does not run are not judged here: a SavedModel may hold any, and only the signature that is taken
will run, which `sources` checks once it is loaded. To judge the whole graph would refuse models for what is never run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import tensorflow as tf  # noqa: F401  # which brings its messages to protobuf's pool
from google.protobuf import descriptor_pool, message_factory  # type: ignore[import-untyped]  # protobuf ships no types
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types

from tfviz.network.opening.effects import RESTORES, FunctionLibrary, producer
from tfviz.network.opening.trust import Finding, quoted

OLD_ASSETS, INITIALISATION = "saved_model_assets", "__saved_model_init_op"
# Of these objects TensorFlow calls nothing but what begins with an underscore; of tables and variables it may call all.
USERS_OBJECTS = frozenset({"user_object", "function", "bare_concrete_function"})


def find_in_graph(graph: Any) -> Iterator[Finding]:
    """Yield what loading a `MetaGraphDef` of TensorFlow 1 or 2 would do beyond arithmetic."""
    own_files = _assets(graph)
    for asset in own_files:
        place = PurePosixPath(asset.filename)
        if place.is_absolute() or ".." in place.parts:
            yield Finding(f"the asset {quoted(asset.filename)}", "lies outside of the folder")
    if graph.HasField("object_graph_def"):
        found = _found_in_objects(graph)
    else:
        found = _found_in_operations(graph, frozenset(producer(asset.tensor_info.name) for asset in own_files))
    yield from (replace(each, does=f"{each.does} as soon as the model is loaded") for each in found)


def _assets(graph: Any) -> list[Any]:
    """Return the files that a graph names as its own, with the tensors of their paths."""
    # TensorFlow 1 keeps them in a collection.
    collected = [parse_message("AssetFileDef", each.value) for each in graph.collection_def[OLD_ASSETS].any_list.value]
    return list(graph.asset_file_def) or collected


def _found_in_objects(graph: Any) -> Iterator[Finding]:
    """Yield the effects of the functions of a TensorFlow 2 graph that loading it may run.

    Those are the functions that make, fill, restore or delete what an object stands for; the gradients that the model
    brings run when it is differentiated, and count as well.
    """
    objects, library = graph.object_graph_def, graph.graph_def.library
    if not _refer_inside(objects):
        yield Finding("objects that refer outside of their list", "could be anything")
        return
    numbers = {child.node_id for node in objects.nodes for child in _children(node) if _may_be_called(node, child)}
    for node in objects.nodes:
        for saveable in node.saveable_objects.values():
            numbers |= {saveable.save_function, saveable.restore_function}
    # An object is called by what it has as `__call__`, and a table of functions by its entries.
    pending = list(numbers)
    while pending:
        further = {child.node_id for child in _children(objects.nodes[pending.pop()])} - numbers
        numbers |= further
        pending += further
    names = {name for number in numbers for name in objects.nodes[number].function.concrete_functions}
    names |= {objects.nodes[number].bare_concrete_function.concrete_function_name for number in numbers}
    names |= {each.gradient_func for each in library.registered_gradients}
    own_files = {number for number, node in enumerate(objects.nodes) if node.WhichOneof("kind") == "asset"}
    run = {name: frozenset[str]() for name in names}
    for function in library.function:
        name = function.signature.name
        if name in names and name in objects.concrete_functions:
            # The last arguments of a function are the values that it captures.
            bound = objects.concrete_functions[name].bound_inputs
            pairs = zip(reversed(function.signature.input_arg), reversed(bound), strict=False)
            run[name] = frozenset(argument.name for argument, number in pairs if number in own_files)
    yield from FunctionLibrary(library).effects_of_functions(run.items())


def _refer_inside(objects: Any) -> bool:
    """Return whether all objects that others refer to by a number exist; TensorFlow takes -1 for the last."""
    numbers = [child.node_id for node in objects.nodes for child in _children(node)]
    for node in objects.nodes:
        numbers += [slot.slot_variable_node_id for slot in node.slot_variables]
        for saveable in node.saveable_objects.values():
            numbers += [saveable.save_function, saveable.restore_function]
    numbers += [number for function in objects.concrete_functions.values() for number in function.bound_inputs]
    return all(0 <= number < len(objects.nodes) for number in numbers)


def _children(node: Any) -> Iterator[Any]:
    yield from (*node.children, *node.dependencies)


def _may_be_called(node: Any, child: Any) -> bool:
    """Return whether loading may call a child of an object, by what the object is and the child's name."""
    name = child.local_name
    return node.WhichOneof("kind") not in USERS_OBJECTS or (name.startswith("_") and name != "__call__")


def _found_in_operations(graph: Any, assets: frozenset[str]) -> Iterator[Finding]:
    """Yield the effects of the operations of a TensorFlow 1 graph that loading or calling it may run.

    They are what its outputs, its weights and its initialisation need, each as it is run: the paths of the graph's own
    files are known to its initialisation alone, and the path of its weights to what restores them.
    """
    functions, nodes = FunctionLibrary(graph.graph_def.library), {node.name: node for node in graph.graph_def.node}
    signatures = [each for name, each in graph.signature_def.items() if name != INITIALISATION]
    called = [tensor.name for each in signatures for tensor in each.outputs.values()]
    initialising = [tensor.name for tensor in graph.signature_def[INITIALISATION].outputs.values()]
    for collection in graph.collection_def.values():
        initialising += collection.node_list.value
        called += [name for each in collection.bytes_list.value for name in _names_of_variable(each)]
    checkpoint = producer(graph.saver_def.filename_tensor_name)
    restoring = _needed(nodes, [graph.saver_def.restore_op_name])
    yield from functions.effects_of_operations(_needed(nodes, called))
    yield from functions.effects_of_operations(_needed(nodes, initialising), assets)
    yield from functions.effects_of_operations([node for node in restoring if not _restores_from(checkpoint, node)])


def _needed(nodes: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
    """Return the operations that some depend on, those included."""
    pending, found = list(names), {}
    while pending:
        name = producer(pending.pop())
        if name in nodes and name not in found:
            found[name] = nodes[name]
            pending += nodes[name].input
    # In the order of the graph, where an operation stands after those that it reads.
    return [node for name, node in nodes.items() if name in found]


def _restores_from(checkpoint: str, node: Any) -> bool:
    """Return whether an operation reads weights from the model's own checkpoint, whose path TensorFlow feeds."""
    return node.op in RESTORES and len(node.input) > 0 and producer(node.input[0]) == checkpoint


def _names_of_variable(encoded: bytes) -> list[str]:
    """Return the operations that a variable in a collection of TensorFlow 1 names."""
    variable = parse_message("VariableDef", encoded)
    return [variable.initializer_name, variable.initial_value_name, variable.snapshot_name]


def parse_message(kind: str, encoded: bytes) -> Any:
    """Return a message of TensorFlow's, by its name; an empty one if the bytes are something else."""
    message = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(f"tensorflow.{kind}"))
    try:
        return message.FromString(encoded)
    except DecodeError:
        return message()
