"""Judges the configuration of a Keras file as data, before any Keras builds objects of it.

A configuration names classes and functions by text, and those that read it import, call and unmarshal what it names.
Here every name is looked up first: what is neither Keras's own nor the user's is a finding, and so is Python code.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import tensorflow as tf

from tfviz.network.opening.op_layers import OP_LAYERS, judge_op_layer
from tfviz.network.opening.trust import Finding

CLASS, CONFIG, FUNCTION, MODULE, REGISTERED = "class_name", "config", "function", "module", "registered_name"
# What stands for values, not for objects: tensors, shapes, slices.
VALUES = frozenset(
    {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__tuple__"}
    | {"TensorShape", "CompositeTensor"}
)
TYPE_SPECS = {"TypeSpec": "type_spec", "__typespec__": "spec_name"}
PLAIN_SPECS = frozenset({"TensorSpec", "RaggedTensorSpec", "SparseTensorSpec"})
CODE = "__lambda__"
_BUILTINS = frozenset(dir(builtins))
# What the objects of a model derive from, as far as a Keras has it.
_OF_MODELS = ("layers.Layer", "layers.InputSpec", "Operation", "initializers.Initializer", "constraints.Constraint")
_OF_TRAINING = ("regularizers.Regularizer", "optimizers.Optimizer", "optimizers.legacy.Optimizer", "losses.Loss")
_OF_TYPES = ("DTypePolicy", "mixed_precision.Policy", "Quantizer", "quantizers.QuantizationConfig")
_OTHERS = ("metrics.Metric", "optimizers.schedules.LearningRateSchedule", "random.SeedGenerator")
BASES = (*_OF_MODELS, *_OF_TRAINING, *_OF_TYPES, *_OTHERS)
# TensorFlow's own, which layers of tf_keras may be made with.
INITIALIZERS = (
    *(tf.constant_initializer, tf.zeros_initializer, tf.ones_initializer),
    *(tf.random_normal_initializer, tf.random_uniform_initializer),
)
# Where a configuration that names no module means its classes, and functions of these names.
_SHARED = ("initializers", "regularizers", "constraints", "losses", "metrics")
_OF_LAYERS = ("layers", "layers.experimental.preprocessing", "models")
CLASSES_STAND_IN = (*_OF_LAYERS, *_SHARED, "optimizers", "mixed_precision", "dtype_policies", "quantizers")
FUNCTIONS_STAND_IN = (*_SHARED, "activations", "ops")
BUILDERS = frozenset({"get", "serialize", "deserialize"})
# Layers that Keras does not publish, but writes into files by their bare names.
UNPUBLISHED = frozenset({"Functional", "AddLoss", "AddMetric"}) | OP_LAYERS
# Keras's own layers that are more than arithmetic, and what they do.
MORE_THAN_ARITHMETIC = {
    "TFSMLayer": "loads another model",
    "TorchModuleWrapper": "unpickles Python objects",
    "JaxLayer": "runs Python code",
    "FlaxLayer": "runs Python code",
}
LAMBDA, RUNS_CODE = "Lambda", "runs Python code of the file"
# Attributes of lookup layers that may be the path of a file, which is read when the layer is built.
TABLES = ("vocabulary", "idf_weights")


@dataclass(frozen=True)
class Library:
    """A Keras, `keras` or `tf_keras`, and the objects of the user's that were passed to it."""

    package: ModuleType
    custom_objects: Mapping[str, Any]

    def is_users(self, name: Any) -> bool:
        """Return whether an object was passed or registered under that name."""
        found = isinstance(name, str) and self.package.saving.get_registered_object(name, dict(self.custom_objects))
        return found is not None and found is not False

    def has_class(self, module: str | None, name: str) -> bool:
        """Return whether this Keras itself has a class of that name, in that module or, for None, in any usual one."""
        bases = tuple(filter(None, (self._published(base) for base in BASES)))
        if module is None:
            bare = name.removesuffix("V1").removesuffix("V2")
            found = [self._published(f"{place}.{bare}") for place in CLASSES_STAND_IN]
            return bare in UNPUBLISHED or any(isinstance(each, type) and issubclass(each, bases) for each in found)
        found = [each for each in INITIALIZERS if (module, name) == (each.__module__, each.__name__)]
        found = found or self._in_module(module, name)
        bases = (*bases, *INITIALIZERS)
        return bool(found) and all(isinstance(each, type) and issubclass(each, bases) for each in found)

    def has_function(self, module: str | None, name: str) -> bool:
        """Return whether this Keras itself has a function of tensors of that name."""
        known = [self._published(f"{place}.{name}") for place in FUNCTIONS_STAND_IN if name not in BUILDERS]
        known = [each for each in known if isinstance(each, FunctionType)]
        if module in (None, "builtins"):
            return bool(known)
        found = self._in_module(str(module), name)
        return bool(found) and all(any(each is one for one in known) for each in found)

    def has(self, module: str, name: str) -> bool:
        """Return whether anything of that name is in one of this Keras's own modules."""
        return bool(self._in_module(module, name))

    def _in_module(self, module: str, name: str) -> list[Any]:
        """Return what a name may mean in one of this Keras's own modules, published or not; none elsewhere."""
        root, _, rest = module.partition(".")
        if root not in {"keras", self.package.__name__} or "." in name:
            return []
        loaded = sys.modules.get(f"{self.package.__name__}.{rest}" if rest else self.package.__name__)
        found = [self._published(f"{rest}.{name}" if rest else name), vars(loaded).get(name) if loaded else None]
        return [each for each in found if each is not None]

    def _published(self, path: str) -> Any:
        """Return what a dotted path in the package leads to, over modules alone."""
        found: Any = self.package
        for part in path.split("."):
            found = getattr(found, part, None) if isinstance(found, ModuleType) else None
        return found


def find_in_configuration(configuration: Any, library: Library) -> Iterator[Finding]:
    """Yield what a configuration holds, at any depth, beside plain data and objects of a Keras or of the user's."""
    pending = [configuration]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if isinstance(node.get(CLASS), str):
                yield from _judge(node, library)
            pending.extend(reversed(node.values()))
        elif isinstance(node, list):
            pending.extend(reversed(node))


def _judge(node: Mapping[str, Any], library: Library) -> Iterator[Finding]:
    name, config = node[CLASS], node.get(CONFIG)
    if name in VALUES:
        return
    if name == CODE:
        yield Finding("a Python lambda", RUNS_CODE)
    elif name in TYPE_SPECS:
        if node.get(TYPE_SPECS[name]) not in PLAIN_SPECS:
            yield Finding(f"a type of its own, {node.get(TYPE_SPECS[name])!r}", "would run")
    elif name == FUNCTION:
        if not library.is_users(config) and not library.has_function(node.get(MODULE), str(config)):
            yield _stranger(str(config), node, library)
    elif not library.is_users(node.get(REGISTERED, name) if MODULE in node else name):
        yield from _judge_class(name, node, config if isinstance(config, Mapping) else {}, library)


def _judge_class(name: str, node: Mapping[str, Any], config: Mapping[str, Any], library: Library) -> Iterator[Finding]:
    if not library.has_class(node.get(MODULE), name):
        # Without a configuration it may be a text of the user's own.
        if CONFIG in node or MODULE in node:
            yield _stranger(name, node, library)
        return
    shown = f"the layer {config.get('name', name)!r}, a {name}"
    if name in MORE_THAN_ARITHMETIC:
        yield Finding(shown, MORE_THAN_ARITHMETIC[name])
    for key in TABLES:
        if isinstance(config.get(key), str):
            yield Finding(shown, f"reads the file {config[key]!r}")
    yield from _judge_functions(shown, name, config, library.is_users)
    if name in OP_LAYERS and (calls := judge_op_layer(config)):
        yield Finding(shown, calls)


def _judge_functions(
    shown: str, name: str, config: Mapping[str, Any], is_users: Callable[[Any], bool]
) -> Iterator[Finding]:
    """Yield the functions that a layer names as Keras 2 does: by a text or as code, its kind beside it."""
    kinds = {key.removesuffix("_type"): kind for key, kind in config.items() if str(key).endswith("_type")}
    for key, kind in kinds.items():
        function = config.get(key)
        if kind == "lambda":
            yield Finding(shown, RUNS_CODE)
        elif kind == FUNCTION and isinstance(function, str) and not is_users(function):
            yield Finding(repr(function), missing=function)
    if name == LAMBDA and FUNCTION not in kinds:
        function = config.get(FUNCTION)
        # A function that Keras 3 names is judged where it stands.
        if not isinstance(function, Mapping) or function.get(CLASS) == CODE:
            yield Finding(shown, RUNS_CODE)


def _stranger(name: str, node: Mapping[str, Any], library: Library) -> Finding:
    """Return what is neither Keras's nor the user's: what a user cannot mean to pass, or what may be missing."""
    module = str(node.get(MODULE) or "")
    root = module.partition(".")[0]
    is_pythons = root in sys.stdlib_module_names - {"builtins", "__main__"} or (
        module == "builtins" and name in _BUILTINS
    )
    if is_pythons or library.has(module, name):
        return Finding(f"{name!r} of the module {module!r}", "is no part of a network")
    return Finding(repr(name), missing=name.rpartition(">")[2])
