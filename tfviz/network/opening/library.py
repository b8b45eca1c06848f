"""The classes and functions that a Keras file may name: those of a Keras itself, and those that the user passed.

A name is looked up as that Keras would: in the module that is named, else anywhere that Keras means by a bare name. A
class counts if it derives from what models are made of, and this Keras publishes it, it is an operation on tensors, or
somebody looked at it (`UNPUBLISHED`); a function, if it is published among the functions of tensors. All other objects
in Keras's modules may do anything with their settings, and are refused like strangers.

No module is imported to look a name up, since importing can itself run code: one that nobody has loaded has nothing to
offer. The answers hold for the Keras that is installed, so a newer file may name a layer that is unknown.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import tensorflow as tf

from tfviz.network.opening.op_layers import OP_LAYERS

# Base classes of all that a model is made of; each Keras has some of them.
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
# Where Keras looks for classes, and for functions, that a configuration names without a module.
_SHARED = ("initializers", "regularizers", "constraints", "losses", "metrics")
_OF_LAYERS = ("layers", "layers.experimental", "layers.experimental.preprocessing", "models")
_OF_OTHERS = ("optimizers", "optimizers.legacy", "optimizers.schedules", "mixed_precision", "dtype_policies")
CLASSES_STAND_IN = (*_OF_LAYERS, *_SHARED, *_OF_OTHERS, "quantizers", "random")
FUNCTIONS_STAND_IN = (*_SHARED, "activations", "ops")
# Functions among those that take configurations in place of tensors.
BUILDERS = frozenset({"get", "serialize", "deserialize"})
# Classes that Keras does not publish but writes into files, each looked at; others may do anything with their settings.
_OF_NETWORKS = frozenset({"Functional", "AddLoss", "AddMetric", "CuDNNGRU", "CuDNNLSTM"})
_OF_APPLICATIONS = frozenset({"LayerScale", "StochasticDepth", "CustomScaleLayer"})
UNPUBLISHED = _OF_NETWORKS | OP_LAYERS
OPERATIONS = ".src.ops."


@dataclass(frozen=True)
class Library:
    """A Keras, `keras` or `tf_keras`, and the objects of the user's that were passed to it."""

    package: ModuleType
    custom_objects: Mapping[str, Any]

    def is_users(self, name: Any) -> bool:
        """Return whether a function, or a class, was passed or registered under that name."""
        return isinstance(name, str) and self._users(name) is not None

    def is_users_class(self, name: str, registered: str | None) -> bool:
        """Return whether a class was passed or registered under a name that says the same as its own.

        One format is read by the one name, the other by the other.
        """
        if registered is None or (found := self._users(registered)) is None:
            return False
        return name in (registered, registered.rpartition(">")[2], getattr(found, "__name__", None))

    def _users(self, name: str) -> Any:
        return self.package.saving.get_registered_object(name, dict(self.custom_objects))

    def kinds(self, module: str | None, name: str) -> set[str]:
        """Return the names of a class of this Keras's own and of those it derives from; empty if there is none.

        module: where the class is looked for; None is any place where Keras looks without a module. If several objects
        go by the name, all must be known, since which of them Keras takes depends on the format.
        """
        bases = _bases(self.package)
        if module is None:
            bare = name.removesuffix("V1").removesuffix("V2")
            if bare in UNPUBLISHED:
                return {bare}
            named = _published_classes(self.package)
            found = [each for key, each in named if bare in (key, each.__name__)]
        else:
            found = [each for each in INITIALIZERS if (module, name) == (each.__module__, each.__name__)]
            found = found or self._in_module(module, name)
            if not all(_derives(each, bases) and self._is_known(each) for each in found):
                return set()
        return {base.__name__ for each in found for base in each.__mro__}

    def _is_known(self, found: type) -> bool:
        """Return whether a class of this Keras is published, an operation on tensors, or one that was looked at."""
        is_operation = OPERATIONS in f".{found.__module__}." and not issubclass(found, self.package.layers.Layer)
        is_looked_at = found.__name__ in UNPUBLISHED | _OF_APPLICATIONS
        is_published = any(each is found for _, each in _published_classes(self.package))
        return is_operation or is_looked_at or is_published or found in INITIALIZERS

    def has_function(self, module: str | None, name: str) -> bool:
        """Return whether this Keras itself has a function of tensors of that name.

        module: None, or `builtins`, for a bare name. A function counts in any module of Keras's if it is one of those
        that are published: files name the private module in which it is defined.
        """
        known = [published(self.package, f"{place}.{name}") for place in FUNCTIONS_STAND_IN if name not in BUILDERS]
        known = [each for each in known if isinstance(each, FunctionType)]
        if module in (None, "builtins"):
            return bool(known)
        found = self._in_module(str(module), name)
        return bool(found) and all(any(each is one for one in known) for each in found)

    def has(self, module: str, name: str) -> bool:
        """Return whether anything of that name is in one of this Keras's own modules."""
        return bool(self._in_module(module, name))

    def _in_module(self, module: str, name: str) -> list[Any]:
        """Return the objects that a name may mean in this Keras's own modules, published or not; none elsewhere."""
        root, _, rest = module.partition(".")
        if root not in {"keras", self.package.__name__} or "." in name:
            return []
        loaded = sys.modules.get(f"{self.package.__name__}.{rest}" if rest else self.package.__name__)
        found = [
            published(self.package, f"{rest}.{name}" if rest else name),
            vars(loaded).get(name) if loaded else None,
        ]
        return [each for each in found if each is not None]


def published(package: ModuleType, path: str) -> Any:
    """Return the object at a dotted path in a package, over modules alone, None if there is none."""
    found: Any = package
    for part in path.split("."):
        found = getattr(found, part, None) if isinstance(found, ModuleType) else None
    return found


@cache
def _bases(package: ModuleType) -> tuple[type, ...]:
    return tuple(filter(None, (published(package, base) for base in BASES))) + INITIALIZERS


@cache
def _published_classes(package: ModuleType) -> list[tuple[str, type]]:
    """Return the classes that models are made of and that a Keras publishes, with the names that they have there."""
    places = [published(package, place) for place in CLASSES_STAND_IN]
    named = [(key, each) for place in places if place is not None for key, each in vars(place).items()]
    return [(key, each) for key, each in named if _derives(each, _bases(package))]


def _derives(found: Any, bases: tuple[type, ...]) -> bool:
    return isinstance(found, type) and issubclass(found, bases)
