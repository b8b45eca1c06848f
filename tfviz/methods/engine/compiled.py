"""Compiles methods for a network, once for all batch sizes.

All methods of a call become one function, so that they share its forward and backward passes. Several targets of an
image are unrolled in it, see `network.batches.targets`. A method that needs many runs adds a second function, which
advances its loop and reads what the first one captured. The network remembers functions by the options that are
constants of them (see `arguments`), and finds a call in the same words again without planning it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.methods.engine.arguments import filled, slots, split_options
from tfviz.methods.engine.loop import Diagnosed, Loop, items_at_once
from tfviz.methods.engine.planning import Run, plan_methods
from tfviz.network.diagnosis import ExpectedRange, expected_range
from tfviz.network.passes import Passes, columns_of, interleaved, running
from tfviz.network.program import CompiledFunctions, compile_function
from tfviz.network.traced import TracedNetwork

FINITE = "finite"
"""In the output of a compiled function: whether the score of each target, and what explains it, is finite."""


ASLEEP = "asleep"
"""In that output, if a method looks inside: which ReLU lets nothing of each image through, see `Passes`."""


@dataclass(frozen=True, eq=False)
class Functions:
    """The part of `Compiled` that a network remembers: its function, its loops and its warnings.

    planned: the same methods as they were asked for, see `compile_methods`; those asked for last.
    """

    function: Any
    loops: dict[str, Any]
    warnings: tuple[str, ...]
    planned: CompiledFunctions = field(default_factory=CompiledFunctions)


@dataclass(frozen=True, eq=False)
class Compiled:
    """Methods compiled for one network, by the name under which each one's result is kept.

    function: `(images, targets, extra_inputs, *arguments)` to the results of the methods that one pass gives, of each
    loop the number of its items, the state in which it starts and what it captured, and, but for `maps_alone`, the
    targets, scores, logits and probabilities. loops: for each method that needs one, `(state, first item, last, images
    at once)` to the next state and the result, to be called with what it captured in the place of its own captured
    tensors. warnings: about the results. layers: the name of the layer that each looks at. options: those of each run,
    with the name of the layer. arguments: the options that are not constants of the function, see `arguments`.
    expected: the range of the network's images, if it is known. key: by which the network remembers the function.
    """

    runs: dict[str, Run]
    function: Any
    loops: dict[str, Any]
    warnings: tuple[str, ...]
    layers: dict[str, str]
    options: dict[str, dict[str, Any]]
    arguments: list[np.ndarray]
    expected: ExpectedRange | None
    key: Hashable


def compile_methods(
    network: TracedNetwork, chosen: Mapping[str, Mapping[str, Any]], width: int = 1, *, maps_alone: bool = False
) -> Compiled:
    """Compile the `chosen` methods with their options; the network remembers it.

    A method that is given several layers runs once for each, in the same passes. So it does for each of `width` targets
    of an image: the function then takes N · width targets and returns as many rows, those of an image in turn.

    maps_alone: all targets are known, and nothing but the results of the methods is returned.

    What was asked for in the same words is not planned again, as long as its function is remembered.
    """
    kept = network.compiled
    try:
        asked = (_frozen(chosen), width, maps_alone)
        with network.lock:
            again: Compiled | None = kept.asked.get(asked)
            if again is not None and again.key in kept:
                kept.move_to_end(again.key)
                return again
    except TypeError:  # an array is among the options: to compare it takes longer than to plan
        return _plan(network, chosen, width, maps_alone)
    compiled = _plan(network, chosen, width, maps_alone)
    with network.lock:
        if (functions := kept.get(compiled.key)) is not None:
            functions.planned.find(asked, lambda: compiled)
            kept.asked[asked] = compiled
    return compiled


def _plan(network: TracedNetwork, chosen: Mapping[str, Mapping[str, Any]], width: int, maps_alone: bool) -> Compiled:
    runs = plan_methods(network, chosen)
    sizes = tuple(size for size in network.image_shape if size is not None)
    for run in runs.values() if len(sizes) == len(network.image_shape) else ():
        run.check(sizes)
    parts = {key: split_options(run.method.name, run.options) for key, run in runs.items()}
    compiled_for = {key: each for key, (each, _) in parts.items()}
    key = (_frozen(compiled_for), width, maps_alone)
    made: Functions = network.remember(key, lambda network: _compile(network, runs, compiled_for, width, maps_alone))
    layers = {name: found for name, run in runs.items() if (found := run.layer_name(network))}
    options = {name: run.named(network) for name, run in runs.items()}
    arguments = [value for _, values in parts.values() for value in values]
    messages = dict.fromkeys([*(each for run in runs.values() for each in run.warnings), *made.warnings])
    expected = expected_range(network)
    return Compiled(runs, made.function, made.loops, tuple(messages), layers, options, arguments, expected, key)


def _compile(
    network: TracedNetwork, runs: dict[str, Run], compiled_for: dict[str, Any], width: int, maps_alone: bool
) -> Functions:
    gradients = [each for run in runs.values() for each in run.method.gradients_at(run.layer)]
    loops: dict[str, Any] = {}
    warnings: list[str] = []

    def explain(
        images: tf.Tensor, targets: tf.Tensor, extra_inputs: dict[str, tf.Tensor], *arguments: Any
    ) -> dict[str, Any]:
        chosen = filled(compiled_for, iter(arguments))
        ranks = 0 if maps_alone else 1 if width == 1 else network.head.num_classes or 1
        by_column = tf.unstack(tf.reshape(targets, [-1, width]), width, axis=1)
        columns, whole = columns_of(network, images, by_column, gradients, extra_inputs=extra_inputs, ranks=ranks)
        found, started = {}, {}
        for name, run in runs.items():
            result = run.compute(whole, chosen[name])
            if isinstance(result, Loop):
                loops[name] = _compile_loop(result, whole)
                started[name] = result.items, result.start, loops[name].captured_inputs
            else:
                # Each column for itself, so that only results are copied.
                results = [result] if width == 1 else [run.compute(each, chosen[name]) for each in columns]
                found[name] = tf.nest.map_structure(lambda *each: interleaved(each), *map(_parts, results))
        warnings.extend(whole.warnings)
        asleep = {ASLEEP: whole.asleep} if any(run.looks_inside for run in runs.values()) else {}
        computed = {"found": found, "loops": started, FINITE: whole.finite, **asleep}
        return computed if maps_alone else computed | _about_scores(network, whole)

    function = compile_function(explain, *batch_specs(network), *(slot.spec for slot in slots(compiled_for)))
    return Functions(function, loops, tuple(dict.fromkeys(warnings)))


def _about_scores(network: TracedNetwork, passes: Passes) -> dict[str, tf.Tensor]:
    found = {name: getattr(passes, name) for name in ("targets", "scores", "logits")}
    # A logit of minus infinity is a class that is ruled out; any other that is not finite spoils all probabilities.
    spoilt = tf.reduce_any(tf.math.is_nan(passes.logits) | (passes.logits == float("inf")), axis=1)
    return found | {"probabilities": network.head.probabilities(passes.logits), FINITE: passes.finite & ~spoilt}


def _compile_loop(loop: Loop, passes: Passes) -> Any:
    """Return the compiled loop, which captures what it reads of the passes: they are not made again in each stretch."""
    number, state = tf.TensorSpec([], tf.int32), tf.nest.map_structure(tf.TensorSpec.from_tensor, loop.start)

    def advance(state: Any, first: tf.Tensor, last: tf.Tensor, at_once: tf.Tensor) -> Any:
        with running(at_once):
            state = loop.advance(state, first, last, items_at_once(at_once, tf.shape(passes.images)[0]))
        ended = loop.until.ended(state) if loop.until else tf.constant(False)
        return state, _parts(loop.finish(state)), ended

    return compile_function(advance, state, number, number, number)


def batch_specs(network: TracedNetwork) -> list[Any]:
    """Return the specifications of images, targets and extra inputs, as a compiled function takes them."""
    images, targets = tf.TensorSpec([None, *network.image_shape], tf.float32), tf.TensorSpec([None], tf.int32)
    return [images, targets, network.extra_inputs]


def _parts(found: Any) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Return a result and its diagnostics."""
    return (found.result, found.diagnostics) if isinstance(found, Diagnosed) else (found, {})


def _frozen(value: Any) -> Hashable:
    """Return a hashable form of a value, as a key of a dictionary."""
    if isinstance(value, Mapping):
        return tuple((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return type(value), *map(_frozen, value)
    # 1 and True are equal, and so are 1 and 1.0.
    return type(value), value
