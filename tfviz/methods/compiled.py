"""Methods compiled for a network, once for all batch sizes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import UnknownLayerError
from tfviz.methods.loop import Diagnosed, Loop, items_at_once
from tfviz.methods.registry import INNER, INNER_OPTIONS, LAYER, Method, find_method
from tfviz.network.compiling import concrete
from tfviz.network.passes import Passes
from tfviz.network.traced import TracedNetwork
from tfviz.progress import progress


@dataclass(frozen=True)
class Run:
    """A method with all its options: those of a layer are its path."""

    method: Method
    options: dict[str, Any]

    @property
    def layer(self) -> str | None:
        """The path of the layer that the method, or its inner method, looks at."""
        path: str | None = self.options.get(LAYER) or (self.options.get(INNER_OPTIONS) or {}).get(LAYER)
        return path

    def named(self, network: TracedNetwork) -> dict[str, Any]:
        """Return the options with the name of the layer in place of its path."""
        return _with_layers(self.options, lambda path: network.layer_index.name(network.find_layer(path)))

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise where the options, or those of the inner method, do not fit images (H, W, C)."""
        self.method.check(shape, self.options)
        if INNER in self.options:
            Run(find_method(self.options[INNER]), self.options[INNER_OPTIONS]).check(shape)

    def compute(self, passes: Passes) -> tf.Tensor | Diagnosed | Loop:
        """Return what the method makes of the passes of a batch."""
        return self.method.compute(passes, **self.options)

    def finish(self, images: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Return the results of images (N, H, W, C), after the method's last step on the host if it has one."""
        if self.method.on_host is None:
            return found
        results = []
        with progress(f"{self.method.name} on the host", len(images)) as advance:
            for image, each in zip(images, found, strict=True):
                results.append(self.method.on_host(image, each, self.options))
                advance(1)
        return np.stack(results)


@dataclass(frozen=True)
class Compiled:
    """Methods compiled for one network, by the name under which each one's result is kept.

    function: `(images, targets, others)` to the results of the methods that one pass gives, the states in which the
    loops start, the targets, scores, logits and probabilities. loops: for each method that needs one, `(images,
    targets, others, state, first item, last, images at once)` to the next state and the result. layers: the name of the
    layer each looks at. options: those of each run, with the name of the layer. warnings: what must be said of the
    results.
    """

    runs: dict[str, Run]
    function: Any
    loops: dict[str, Any]
    layers: dict[str, str]
    options: dict[str, dict[str, Any]]
    warnings: tuple[str, ...]


def compile_methods(network: TracedNetwork, chosen: Mapping[str, Mapping[str, Any]]) -> Compiled:
    """Compile the `chosen` methods with their options; the network remembers it.

    A method that is given several layers runs once for each, in the same passes.
    """
    runs = plan_methods(network, chosen)
    compiled: Compiled = network.remember(
        _frozen({key: run.options for key, run in runs.items()}), lambda network: _compile(network, runs)
    )
    return compiled


def plan_methods(network: TracedNetwork, chosen: Mapping[str, Mapping[str, Any]]) -> dict[str, Run]:
    """Return the runs of the `chosen` methods by the names of their results, without compiling them."""
    return {key: run for name, options in chosen.items() for key, run in _runs(network, name, options).items()}


def _runs(network: TracedNetwork, name: str, options: Mapping[str, Any]) -> dict[str, Run]:
    """Return the runs of a method by the name of their results: its own or, for several layers, `grad_cam@conv1`."""
    method = find_method(name)
    complete = method.complete(options)
    wanted = complete.get(LAYER)
    if not isinstance(wanted, list | tuple):
        return {name: Run(method, _with_layers(complete, lambda layer: network.find_layer(layer).path))}
    if not wanted:
        raise UnknownLayerError(f"layer is an empty list, expected the name of one layer or more for {name}")
    paths = [network.find_layer(each).path for each in wanted]
    runs = [Run(method, {**complete, LAYER: path}) for path in dict.fromkeys(paths)]
    return {f"{name}@{run.named(network)[LAYER]}": run for run in runs}


def _with_layers(options: dict[str, Any], name: Callable[[str | None], str]) -> dict[str, Any]:
    """Return options, those of an inner method included, with `name` of the layer in place of the layer."""
    changed = dict(options)
    if LAYER in options:
        changed[LAYER] = name(options[LAYER])
    if INNER in options:
        changed[INNER_OPTIONS] = _with_layers(options[INNER_OPTIONS], name)
    return changed


def _compile(network: TracedNetwork, runs: dict[str, Run]) -> Compiled:
    sizes = tuple(size for size in network.image_shape if size is not None)
    for run in runs.values() if len(sizes) == len(network.image_shape) else ():
        run.check(sizes)
    gradients = [each for run in runs.values() for each in run.method.gradients_at(run.layer)]
    states: dict[str, Any] = {}
    said: list[str] = []

    # Autograph would turn an error of tfviz into one of TensorFlow, of many lines.
    @tf.function(input_signature=batch_specs(network), autograph=False)
    def explain(images: tf.Tensor, targets: tf.Tensor, others: dict[str, tf.Tensor]) -> dict[str, Any]:
        passes = Passes(network, images, targets, gradients, others=others)
        computed = {name: run.compute(passes) for name, run in runs.items()}
        loops = {name: found for name, found in computed.items() if isinstance(found, Loop)}
        states.update({name: tf.nest.map_structure(tf.TensorSpec.from_tensor, loops[name].start) for name in loops})
        said.extend(passes.warnings)
        return {
            "found": {name: _parts(found) for name, found in computed.items() if name not in loops},
            "states": {name: (loop.items, loop.start) for name, loop in loops.items()},
            "targets": passes.targets,
            "scores": passes.scores,
            "logits": passes.logits,
            "probabilities": network.head.probabilities(passes.logits),
        }

    function = concrete(explain)
    loops = {name: _compile_loop(network, runs[name], state, said) for name, state in states.items()}
    layers = {name: network.find_layer(run.layer) for name, run in runs.items() if run.layer}
    names = {name: network.layer_index.name(layer) for name, layer in layers.items()}
    options = {name: run.named(network) for name, run in runs.items()}
    return Compiled(runs, function, loops, names, options, tuple(dict.fromkeys(said)))


def _compile_loop(network: TracedNetwork, run: Run, state: Any, said: list[str]) -> Any:
    """Return the compiled loop of a run whose state is specified; add what must be said of its result."""
    number = tf.TensorSpec([], tf.int32)

    @tf.function(input_signature=[*batch_specs(network), state, number, number, number], autograph=False)
    def advance(
        images: tf.Tensor, targets: tf.Tensor, others: dict[str, tf.Tensor], state: Any, *numbers: tf.Tensor
    ) -> Any:
        first, last, at_once = numbers
        gradients = run.method.gradients_at(run.layer)
        passes = Passes(network, images, targets, gradients, others=others, at_once=at_once, known_targets=True)
        loop: Any = run.compute(passes)
        state = loop.advance(state, first, last, items_at_once(at_once, tf.shape(images)[0]))
        said.extend(passes.warnings)
        return state, _parts(loop.finish(state))

    return concrete(advance)


def batch_specs(network: TracedNetwork) -> list[Any]:
    """Return what the images, the targets and the inputs beside the images are to a compiled function."""
    images, targets = tf.TensorSpec([None, *network.image_shape], tf.float32), tf.TensorSpec([None], tf.int32)
    return [images, targets, network.others]


def _parts(found: tf.Tensor | Diagnosed) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Return a result and its diagnostics."""
    return (found.result, found.diagnostics) if isinstance(found, Diagnosed) else (found, {})


def _frozen(value: Any) -> Hashable:
    """Return what stands for a value among the keys of a dictionary."""
    if isinstance(value, Mapping):
        return tuple((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return type(value), *map(_frozen, value)
    if isinstance(value, np.ndarray | tf.Tensor):
        array = np.asarray(value)
        return array.shape, str(array.dtype), array.tobytes()
    # 1 and True are equal, and so are 1 and 1.0.
    return type(value), value
