"""SavedModel folders become loaded objects, after the operations that run when they are loaded were looked through."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import tensorflow as tf
from google.protobuf import descriptor_pool, message_factory  # type: ignore[import-untyped]  # protobuf ships no types
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types

from tfviz.errors import UnsupportedModelError, one_line
from tfviz.network.opening.effects import RESTORES, Functions, producer
from tfviz.network.opening.trust import Finding, refuse, warn

SAVED_MODEL = "saved_model.pb"
OLD_ASSETS = "saved_model_assets"
UNKNOWN_OPERATION = re.compile(r"Op type not registered '([^']+)'")
# Of these objects TensorFlow calls nothing but what begins with an underscore; of tables and variables it may call all.
USERS_OBJECTS = frozenset({"user_object", "function", "bare_concrete_function"})


def open_saved_model(path: Path, safe_mode: bool) -> Any:
    """Return what `tf.saved_model.load` makes of a folder.

    Raises `UnsafeModelError` where loading it would do more than arithmetic with the folder's own files, or
    `UnsupportedModelError` where it cannot be loaded.
    """
    if not (path / SAVED_MODEL).exists():
        found = ", ".join(sorted(entry.name for entry in path.iterdir())[:5]) or "nothing"
        raise UnsupportedModelError(f"{str(path)!r} is no SavedModel: it holds no {SAVED_MODEL}, but {found}")
    found_in = [finding for graph in getattr(read_saved_model(path), "meta_graphs", ()) for finding in _found_in(graph)]
    if safe_mode:
        refuse(repr(str(path)), found_in)
    # TensorFlow, too, raises anything: RuntimeError, OSError, IndexError, OpError, ValueError.
    try:
        model = tf.saved_model.load(str(path))
    except Exception as error:
        raise UnsupportedModelError(f"cannot open {str(path)!r}: {_why_not_loaded(path, error)}") from error
    warn(repr(str(path)), found_in)
    return model


def read_saved_model(folder: Path) -> Any:
    """Return the `SavedModel` message of a folder, as data; None where it cannot be read."""
    try:
        return _decode("SavedModel", (folder / SAVED_MODEL).read_bytes())
    except OSError:
        return None  # what is wrong is said where the model is loaded


def _found_in(graph: Any) -> Iterator[Finding]:
    """Yield what loading a `MetaGraphDef` would do beside arithmetic."""
    own_files = _assets(graph)
    for asset in own_files:
        place = PurePosixPath(asset.filename)
        if place.is_absolute() or ".." in place.parts:
            yield Finding(f"the asset {asset.filename!r}", "lies outside of the folder")
    functions = Functions(graph.graph_def.library)
    if graph.HasField("object_graph_def"):
        found = functions.effects(_functions_run(graph))
    else:
        assets = frozenset(producer(asset.tensor_info.name) for asset in own_files)
        found = functions.effects_of(_operations_run(graph), assets)
    yield from (replace(each, does=f"{each.does} as soon as the model is loaded") for each in found)


def _assets(graph: Any) -> list[Any]:
    """Return the files that a graph names as its own, with the tensors of their paths."""
    # TensorFlow 1 keeps them in a collection.
    collected = (_decode("AssetFileDef", each.value) for each in graph.collection_def[OLD_ASSETS].any_list.value)
    return list(graph.asset_file_def) or [each for each in collected if each is not None]


def _functions_run(graph: Any) -> dict[str, frozenset[str]]:
    """Return the functions of a TensorFlow 2 graph that loading it may run, and their arguments that are own files.

    Those are functions that make, fill, restore or delete what an object stands for; the gradients that the model
    brings run when it is differentiated, and count as well.
    """
    objects = graph.object_graph_def
    own_files = {number for number, node in enumerate(objects.nodes) if node.WhichOneof("kind") == "asset"}
    numbers = {child.node_id for node in objects.nodes for child in node.children if _may_be_called(node, child)}
    for node in objects.nodes:
        for saveable in node.saveable_objects.values():
            numbers |= {saveable.save_function, saveable.restore_function}
    found = [objects.nodes[number] for number in numbers if 0 <= number < len(objects.nodes)]
    names = {name for node in found for name in node.function.concrete_functions}
    names |= {node.bare_concrete_function.concrete_function_name for node in found}
    names |= {each.gradient_func for each in graph.graph_def.library.registered_gradients}
    arguments = {each.signature.name: each.signature.input_arg for each in graph.graph_def.library.function}
    run = {}
    for name in names & set(arguments):
        bound = objects.concrete_functions[name].bound_inputs if name in objects.concrete_functions else ()
        # What a function captures are its last arguments.
        pairs = zip(reversed(arguments[name]), reversed(bound), strict=False)
        run[name] = frozenset(argument.name for argument, number in pairs if number in own_files)
    return run


def _may_be_called(node: Any, child: Any) -> bool:
    name = child.local_name
    return node.WhichOneof("kind") not in USERS_OBJECTS or (name.startswith("_") and name != "__call__")


def _operations_run(graph: Any) -> list[Any]:
    """Return the operations of a TensorFlow 1 graph that loading or calling it may run.

    They are all that its outputs, its initialisation and its weights need: what saves it is left out, and so is what
    reads the weights from the folder's own checkpoint.
    """
    nodes = {node.name: node for node in graph.graph_def.node}
    pending = [tensor.name for each in graph.signature_def.values() for tensor in each.outputs.values()]
    pending.append(graph.saver_def.restore_op_name)
    for collection in graph.collection_def.values():
        pending += collection.node_list.value
        pending += [name for each in collection.bytes_list.value for name in _names_of_variable(each)]
    found: dict[str, Any] = {}
    while pending:
        name = producer(pending.pop())
        if name in nodes and name not in found:
            found[name] = nodes[name]
            pending += nodes[name].input
    checkpoint = producer(graph.saver_def.filename_tensor_name)
    return [
        node
        for node in found.values()
        if not (node.op in RESTORES and node.input and producer(node.input[0]) == checkpoint)
    ]


def _names_of_variable(encoded: bytes) -> list[str]:
    """Return the operations that a variable in a collection of TensorFlow 1 names; none where it is something else."""
    variable = _decode("VariableDef", encoded)
    return [] if variable is None else [variable.initializer_name, variable.initial_value_name, variable.snapshot_name]


def _decode(kind: str, encoded: bytes) -> Any:
    """Return a message of TensorFlow's, by its name; None where it is something else."""
    message = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(f"tensorflow.{kind}"))
    try:
        return message.FromString(encoded)
    except DecodeError:
        return None


def _why_not_loaded(path: Path, error: Exception) -> str:
    operation = UNKNOWN_OPERATION.search(str(error))
    if operation:
        return (
            f"it needs the operation {operation.group(1)!r}, which TensorFlow {tf.__version__} does not have; import "
            "the library that brings it (as tensorflow_text does) before, or use the TensorFlow that it was saved by"
        )
    if "Cannot parse" in str(error) or not (path / SAVED_MODEL).stat().st_size:
        return "its saved_model.pb is cut short, or none; copy the folder again"
    if "tag sets" in str(error):
        return f"{one_line(error)} Load it with tf.saved_model.load(path, tags=...) and pass what that returns"
    weights = path / "variables"
    if not (weights / "variables.index").exists():
        return f"it has no {str(weights / 'variables.index')!r}, where its weights are; copy the whole folder"
    return f"{one_line(error)}. Are the weights in {str(weights)!r} whole?"
