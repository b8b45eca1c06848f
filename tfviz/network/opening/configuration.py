"""Judges the configuration of a Keras file as data, before any Keras builds objects of it.

A configuration names classes and functions by text, and those that read it import, call and unmarshal what it names.
What a file may name is a list of what is allowed (see `library`): what is neither Keras's own nor the user's is a
finding, and so is Python code. The two formats of Keras read different names of an object (`class_name`,
`registered_name`, `function`), so all of them must be harmless under every reading; files of Keras 2 are judged once
for each Keras that reads them.

Keras has a safe mode of its own, which is on as well; it is not relied upon, since it judges objects one by one while
others are already being built. Forbidding names that are known to be dangerous would not do either: whatever can be
named can be called, and a release of Keras may bring new ones. What is not understood is a finding.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from tfviz.network.opening.library import Library
from tfviz.network.opening.op_layers import OP_LAYERS, judge_op_layer
from tfviz.network.opening.trust import Finding, Missing, quoted

CLASS, CONFIG, FUNCTION, MODULE, REGISTERED = "class_name", "config", "function", "module", "registered_name"
# Class names of values, not of objects: tensors, shapes, slices.
VALUES = frozenset(
    {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__tuple__"}
    | {"TensorShape", "CompositeTensor"}
)
# How a configuration names the types of tensors: by TensorFlow's own register, or by a module, which is imported.
SPEC, OLD_SPEC = "__typespec__", "TypeSpec"
_SPECS = (tf.TensorSpec, tf.RaggedTensorSpec, tf.SparseTensorSpec)
PLAIN_SPECS = frozenset({(each.__module__, each.__name__, None) for each in _SPECS})
OLD_PLAIN_SPECS = frozenset({f"tf.{each.__name__}" for each in _SPECS})
CODE = "__lambda__"
_BUILTINS = frozenset(dir(builtins))
# Tensors that tf_keras keeps as a text of JSON, which it decodes into objects.
HIDDEN_JSON = "_TYPE"
# Keras's own layers that are more than arithmetic, and what they do.
MORE_THAN_ARITHMETIC = {
    "TFSMLayer": "loads another model",
    "TorchModuleWrapper": "unpickles Python objects",
    "JaxLayer": "runs Python code",
    "FlaxLayer": "runs Python code",
}
LAMBDA, RUNS_CODE, NO_PART = "Lambda", "runs Python code of the file", "is not a part of a network"
# Settings of lookup layers that may be the path of a file, which is read when the layer is built.
PATHS = ("vocabulary", "idf_weights")
# Modules that say nothing of where a function is from.
UNTOLD = ("", "builtins", "__main__")


def find_in_configuration(configuration: Any, library: Library) -> Iterator[Finding | Missing]:
    """Yield what a configuration holds, at any depth, beside plain data, the user's objects and Keras's harmless ones.

    configuration: as JSON gives it. library: the Keras that will read it, with the user's objects. A `Missing` is a
    name that may be the user's own, and was not passed; a `Finding` is all else. In the order of the file.
    """
    pending = [configuration]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if isinstance(node.get(CLASS), str):
                yield from _judge(node, library)
            if HIDDEN_JSON in node:
                yield Finding("objects in a text", "cannot be looked through")
            pending.extend(reversed(node.values()))
        elif isinstance(node, list):
            pending.extend(reversed(node))


def _judge(node: Mapping[str, Any], library: Library) -> Iterator[Finding | Missing]:
    """Yield what is wrong with one node of a configuration that has a class name, apart from the nodes inside it.

    The name says what kind of node it is: a value, code, a type of tensors, a function, else a class.
    """
    name, config = node[CLASS], node.get(CONFIG)
    module, registered = node.get(MODULE), node.get(REGISTERED)
    if not all(each is None or isinstance(each, str) for each in (module, registered)):
        yield Finding(f"{quoted(name)} of the module {quoted(module)} under the name {quoted(registered)}", NO_PART)
    elif name in VALUES:
        return
    elif name == CODE:
        yield Finding("a Python lambda", RUNS_CODE)
    elif name == SPEC:
        if (module, node.get("spec_name"), registered) not in PLAIN_SPECS:
            yield Finding(f"the type {quoted(node.get('spec_name'))} of the module {quoted(module)}", NO_PART)
    elif name == OLD_SPEC:
        if str(node.get("type_spec")) not in OLD_PLAIN_SPECS:
            yield Finding(f"the type {quoted(node.get('type_spec'))}", NO_PART)
    elif name == FUNCTION:
        if not library.is_users(config) and not library.has_function(module, str(config)):
            yield _stranger(str(config), module, library)
        elif registered not in (None, FUNCTION, config) and not library.is_users(registered):
            yield _stranger(str(registered), module, library)
    else:
        yield from _judge_class(name, node, config if isinstance(config, Mapping) else {}, library)


def _judge_class(
    name: str, node: Mapping[str, Any], config: Mapping[str, Any], library: Library
) -> Iterator[Finding | Missing]:
    """Yield what is wrong with a class: who made it, and what its settings would make it do."""
    module, registered = node.get(MODULE), node.get(REGISTERED, name)
    kinds = library.kinds(None, name)
    if not library.is_users_class(name, registered):
        kinds_there = kinds if module is None else library.kinds(module, name)
        kinds |= kinds_there
        if registered not in (None, name):
            yield _stranger(registered, module, library)
        # Without a configuration it is not an object, but data with a key of that name.
        elif not kinds_there and (CONFIG in node or MODULE in node):
            yield _stranger(name, module, library)
    shown = f"{quoted(config.get('name', name))}, a {quoted(name)[1:-1]}"
    yield from (Finding(shown, does) for kind, does in MORE_THAN_ARITHMETIC.items() if kind in kinds)
    for key in PATHS:
        if isinstance(config.get(key), str):
            yield Finding(shown, f"reads the file {quoted(config[key])}")
    if LAMBDA in kinds and _is_code(config):
        yield Finding(shown, RUNS_CODE)
    yield from _judge_functions(shown, config, library.is_users)
    if kinds & OP_LAYERS and (calls := judge_op_layer(config)):
        yield Finding(shown, calls)


def _is_code(config: Mapping[str, Any]) -> bool:
    """Return whether a Lambda holds anything but the name of a function, which is judged by itself."""
    function = config.get(FUNCTION)
    if isinstance(function, str):
        return config.get(f"{FUNCTION}_type") != FUNCTION
    return not isinstance(function, Mapping) or function.get(CLASS) != FUNCTION


def _judge_functions(
    shown: str, config: Mapping[str, Any], is_users: Callable[[Any], bool]
) -> Iterator[Finding | Missing]:
    """Yield the functions that a layer names as Keras 2 does: by a text or as code, its kind beside it."""
    for key, kind in config.items():
        function = config.get(key.removesuffix("_type"))
        if key.endswith("_type") and kind == "lambda":
            yield Finding(shown, RUNS_CODE)
        elif key.endswith("_type") and kind == FUNCTION and isinstance(function, str) and not is_users(function):
            yield Missing(function)


def _stranger(name: str, module: str | None, library: Library) -> Finding | Missing:
    """Return a name that is neither Keras's nor the user's: as missing, or as one that a user cannot mean to pass.

    Those are names of Python's own modules and builtins, and of what Keras has but a network is not made of.
    """
    root = (module or "").partition(".")[0]
    is_pythons = root in sys.stdlib_module_names - {"builtins", "__main__"}
    if is_pythons or (module == "builtins" and name in _BUILTINS) or library.has(module or "", name):
        return Finding(f"{quoted(name)} of the module {quoted(module)}", NO_PART)
    return Missing(name, "" if root in UNTOLD else module or "")
