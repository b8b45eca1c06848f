"""Methods compiled for a network, once for all batch sizes, and run over batches."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import InvalidImagesError, TfvizError, TfvizWarning
from tfviz.methods.registry import LAYER, Method, find_method
from tfviz.network.applicability import check_rule
from tfviz.network.batches import batches
from tfviz.network.internals import forget_gradients
from tfviz.network.passes import Passes
from tfviz.network.trace import trace
from tfviz.network.traced import TracedNetwork

RAW_PROBABILITIES = (
    "the model's output looks like probabilities, but no softmax or sigmoid was found at its end: the raw output is "
    "explained, whose gradient fades where the model is sure; trace(model, score=...) explains another number"
)


@dataclass(frozen=True)
class Compiled:
    """Methods compiled for one network: the function, the layer each looks at, and what must be said of the result."""

    function: Any
    layers: dict[str, str]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Results:
    """What methods found for N images.

    images: float32 (N, H, W, C). maps: the result of every method by its name. targets: (N,). scores: (N,), the logit
    of each target. logits, probabilities: (N, K). layers: the layer each method looked at. warnings: what was warned
    about.
    """

    images: np.ndarray
    maps: dict[str, np.ndarray]
    targets: np.ndarray
    scores: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    layers: dict[str, str]
    warnings: tuple[str, ...]


class Explainer:
    """One method on one network, compiled once and used again.

    Parameters
    ----------
    model
        Anything that `tfviz.trace` opens.
    method
        The name of one of `tfviz.METHODS`.
    **options
        The method's own options.

    Raises
    ------
    UnknownMethodError, UnknownLayerError, UnsupportedModelError, RuleError
    """

    def __init__(self, model: Any, method: str, **options: Any) -> None:
        self.network = trace(model)
        self.method = find_method(method).name
        self._chosen = {self.method: options}
        self.layer = compile_methods(self.network, self._chosen).layers.get(self.method)

    def __call__(self, images: Any, targets: Any = None, *, batch_size: int = 32) -> np.ndarray:
        """Return the method's attributions (N, H, W, C) or maps (N, H, W), as the function of its name does."""
        results = run_methods(self.network, self._chosen, images, targets, batch_size=batch_size)
        return results.maps[self.method]


def compile_methods(network: TracedNetwork, chosen: Mapping[str, Mapping[str, Any]]) -> Compiled:
    """Compile the `chosen` methods with their options into one function; the network remembers it."""
    methods = {name: find_method(name) for name in chosen}
    options = {name: methods[name].complete(chosen[name]) for name in chosen}
    for each in options.values():
        if LAYER in each:
            each[LAYER] = network.find_layer(each[LAYER]).path
    key = tuple((name, tuple(sorted(each.items()))) for name, each in options.items())
    compiled: Compiled = network.remember(key, lambda network: _compile(network, methods, options))
    return compiled


def run_methods(
    model: Any, chosen: Mapping[str, Mapping[str, Any]], images: Any, targets: Any = None, *, batch_size: int = 32
) -> Results:
    """Run the `chosen` methods over all images in batches.

    Raises `InvalidImagesError` where the network itself refuses the images, such as too small ones.
    """
    network = trace(model)
    compiled = compile_methods(network, chosen)
    found = []
    for chunk, wanted in batches(network, images, targets, batch_size):
        try:
            outputs = compiled.function(tf.convert_to_tensor(chunk), tf.convert_to_tensor(wanted))
        except tf.errors.InvalidArgumentError as error:
            reason = next(line.strip() for line in reversed(error.message.splitlines()) if line.strip())
            raise InvalidImagesError(
                f"the network cannot take images of the shape {chunk.shape[1:]}: {reason}"
            ) from error
        found.append({"images": chunk, **tf.nest.map_structure(lambda tensor: tensor.numpy(), outputs)})
    joined = tf.nest.map_structure(_joined, *found)
    said = (*compiled.warnings, *_check_maps(joined["maps"]))
    if network.head.kind == "none" and _are_probabilities(joined["logits"]):
        joined["probabilities"] = joined["logits"]
        said += (RAW_PROBABILITIES,)
    for message in said:
        warnings.warn(message, TfvizWarning, stacklevel=3)
    return Results(**joined, layers=compiled.layers, warnings=said)


def _compile(network: TracedNetwork, methods: dict[str, Method], options: dict[str, dict[str, Any]]) -> Compiled:
    gradients = [each for name in methods for each in methods[name].gradients_at(options[name].get(LAYER))]
    rules = {each.rule.name: each.rule for each in gradients if each.rule}
    said = [message for rule in rules.values() for message in check_rule(network, rule)]

    # Autograph would turn an error of tfviz into one of TensorFlow, of many lines.
    @tf.function(
        input_signature=[tf.TensorSpec([None, *network.image_shape], tf.float32), tf.TensorSpec([None], tf.int32)],
        autograph=False,
    )
    def explain(images: tf.Tensor, targets: tf.Tensor) -> dict[str, Any]:
        passes = Passes(network, images, targets, gradients)
        maps = {name: method.compute(passes, **options[name]) for name, method in methods.items()}
        return {
            "maps": maps,
            "targets": passes.targets,
            "scores": passes.scores,
            "logits": passes.logits,
            "probabilities": network.head.probabilities(passes.logits),
        }

    layers = {name: options[name][LAYER] for name in methods if LAYER in options[name]}
    names = {name: network.layer_index.name(network.find_layer(path)) for name, path in layers.items()}
    # A concrete function cannot be traced again, and is called 0.1 ms faster than a tf.function.
    function = explain.get_concrete_function()
    forget_gradients(function.graph)
    return Compiled(function, names, tuple(said))


def _are_probabilities(outputs: np.ndarray) -> bool:
    """Return whether every row (N, K) holds shares of one."""
    return bool(outputs.shape[1] > 1 and (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))


def _joined(*parts: np.ndarray) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _check_maps(maps: dict[str, np.ndarray]) -> list[str]:
    """Raise where a map is not finite; return what to say of maps that are zero everywhere."""
    said = []
    for name, values in maps.items():
        axes = tuple(range(1, values.ndim))
        lowest, highest = values.min(axis=axes), values.max(axis=axes)
        finite = np.isfinite(lowest) & np.isfinite(highest)
        if not finite.all():
            raise TfvizError(
                f"{name} of image {int(np.argmin(finite))} holds NaN or infinite values: the network's own gradient "
                "overflows there (common with float16; trace the float32 model)"
            )
        empty = np.flatnonzero((lowest == 0) & (highest == 0))
        if empty.size:
            said.append(
                f"{name} is zero everywhere for image {', '.join(map(str, empty[:5]))}"
                f"{' and others' if empty.size > 5 else ''}: {find_method(name).when_zero}"
            )
    return said
