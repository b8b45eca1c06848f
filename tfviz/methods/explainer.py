"""Methods run over batches of images."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import InvalidImagesError, TfvizError, TfvizWarning, UnsupportedModelError
from tfviz.methods.checks import name_images
from tfviz.methods.columns import NO_COLUMNS, Columns
from tfviz.methods.compiled import Compiled, compile_methods
from tfviz.methods.precision_error import precision_errors
from tfviz.methods.registry import find_method
from tfviz.methods.replicas import on_replicas, replica_devices, run_parts
from tfviz.network.batches import Batch, batches
from tfviz.network.compiling import reason_of, with_captured
from tfviz.network.trace import trace
from tfviz.network.traced import TracedNetwork
from tfviz.progress import stretches

RAW_PROBABILITIES = (
    "the model's output looks like probabilities, but no softmax or sigmoid was found at its end: the raw output is "
    "explained, whose gradient fades where the model is sure; trace(model, score=...) explains another number"
)


@dataclass(frozen=True)
class Results:
    """What methods found for N images.

    images: float32 (N, H, W, C). maps: the result of every method by its name or, where it was given several layers,
    by `name@layer`. targets: (N,). scores: (N,), the logit of each target. logits, probabilities: (N, K), the latter
    NaN where the scores are of no classes. options: all of each method's. layers: the layer each method looked at.
    diagnostics: numbers (N,) by name that say how far the results of a method can be trusted. warnings: what was warned
    about.
    """

    images: np.ndarray
    maps: dict[str, np.ndarray]
    targets: np.ndarray
    scores: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    options: dict[str, dict[str, Any]]
    layers: dict[str, str]
    diagnostics: dict[str, dict[str, np.ndarray]]
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

    def __call__(self, images: Any, targets: Any = None, *, batch_size: int = 32) -> Any:
        """Return the method's attributions (N, H, W, C) or maps (N, H, W), as the function of its name does."""
        return found_by(self.method, run_methods(self.network, self._chosen, images, targets, batch_size=batch_size))


def found_by(method: str, results: Results) -> Any:
    """Return what one method found: an array or, where it was given several layers, one by the name of each."""
    if method in results.maps:
        return results.maps[method]
    return {results.layers[key]: values for key, values in results.maps.items()}


def run_methods(
    model: Any,
    chosen: Mapping[str, Mapping[str, Any]],
    images: Any,
    targets: Any = None,
    *,
    columns: Columns = NO_COLUMNS,
    batch_size: int = 32,
    with_precision: bool = False,
) -> Results:
    """Run the `chosen` methods over all images in batches; with `columns`, for several targets of each, in turn.

    with_precision: of a network in a reduced precision, run them on the first image in float32, too, and report the
    difference among the diagnostics.

    Raises `InvalidImagesError` where the network itself refuses the images, such as too small ones.
    """
    devices = replica_devices()
    network = trace(model)
    compiled = compile_methods(network, chosen, columns.width)
    replicas = on_replicas(network, compiled, devices)

    def run_part(compiled: Compiled, part: Batch) -> dict[str, Any]:
        return _run_batch(network, compiled, part, -(-batch_size // len(devices)))

    def run_columns(batch: Batch) -> Any:
        parts = [run_parts(replicas, run_part, each.split(network, len(replicas))) for each in columns.batches(batch)]
        return columns.rows([tf.nest.map_structure(_joined, *each) for each in parts])

    found: list[dict[str, Any]] = []
    exact: dict[str, np.ndarray] = {}
    for batch in batches(network, images, targets, columns.images_at_once(batch_size)):
        for run in compiled.runs.values():
            run.check(batch.images.shape[1:])
        try:
            found.append(run_columns(batch))
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            raise _refusal(network, batch.images.shape, error) from error
        if with_precision and not exact:
            exact = _exact_maps(network, chosen, batch, found[0], batch_size)
    joined = tf.nest.map_structure(_joined, *found)
    empty = _check_maps(compiled, joined["maps"], columns.count)
    for name, errors in precision_errors(joined["maps"], exact, len(joined["images"])).items():
        joined["diagnostics"].setdefault(name, {}).update(errors)
    said = (*compiled.warnings, *empty, *_judge(compiled, joined["diagnostics"], columns.count))
    if network.head.kind == "none" and _are_probabilities(joined["logits"]):
        joined["probabilities"] = joined["logits"]
        said += (RAW_PROBABILITIES,)
    for message in said:
        warnings.warn(message, TfvizWarning, stacklevel=3)
    options = {name: dict(chosen) for name, chosen in compiled.options.items()}
    return Results(**joined, options=options, layers=compiled.layers, warnings=said)


def _run_batch(network: TracedNetwork, compiled: Compiled, batch: Batch, batch_size: int) -> dict[str, Any]:
    """Return, as NumPy arrays, what was found for the images of a batch."""
    images = batch.images
    outputs = dict(compiled.function(tf.convert_to_tensor(images), tf.convert_to_tensor(batch.targets), batch.others))
    found, loops = dict(outputs.pop("found")), outputs.pop("loops")
    at_once = min(int(batch_size), network.affordable(images.shape[1:])) if loops else 0
    # Whole chunks in each stretch, so that how fast the machine is does not change the order of the sums.
    chunk = max(1, at_once // len(batch.targets))
    for name, (items, state, captured) in loops.items():
        found[name] = _gather(name, with_captured(compiled.loops[name], captured), (int(items), state), chunk, at_once)
    ordered = {name: found[name] for name in compiled.runs}
    parts = {
        "maps": {name: result for name, (result, _) in ordered.items()},
        "diagnostics": {name: numbers for name, (_, numbers) in ordered.items() if numbers},
    }
    arrays: dict[str, Any] = tf.nest.map_structure(lambda each: each.numpy(), {**outputs, **parts})
    images = np.repeat(images, len(batch.targets) // len(images), axis=0)
    maps = {name: compiled.runs[name].finish(images, values) for name, values in arrays["maps"].items()}
    return {**arrays, "images": images, "maps": maps}


def _refusal(network: TracedNetwork, shape: tuple[int, ...], error: tf.errors.OpError) -> TfvizError:
    if network.running.jit_compile:
        return UnsupportedModelError(
            "the network must be traced without jit_compile, as XLA cannot compile it for images of the shape "
            f"{shape}: {reason_of(error)}"
        )
    return InvalidImagesError(f"the network cannot take images of the shape {shape[1:]}: {reason_of(error)}")


def _exact_maps(
    network: TracedNetwork,
    chosen: Mapping[str, Mapping[str, Any]],
    batch: Batch,
    found: dict[str, Any],
    batch_size: int,
) -> dict[str, np.ndarray]:
    """Return what a network in a reduced precision gives in float32 for the first image, whose target was `found`."""
    full = network.in_full_precision()
    if full is network:
        return {}
    first = replace(batch.split(network, len(batch.images))[0], targets=found["targets"][:1])
    exact: dict[str, np.ndarray] = _run_batch(full, compile_methods(full, chosen), first, batch_size)["maps"]
    return exact


def _gather(name: str, loop: Any, start: tuple[int, Any], chunk: int, at_once: int) -> Any:
    """Run a loop over all its items, so many in a chunk, and return its result."""
    (items, state), found = start, None
    for first, last in stretches(-(-items // chunk), name):
        state, found = loop(state, *map(tf.constant, (first * chunk, min(last * chunk, items), at_once)))
    return found


def _are_probabilities(outputs: np.ndarray) -> bool:
    """Return whether every row (N, K) holds shares of one."""
    return bool(outputs.shape[1] > 1 and (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))


def _joined(*parts: np.ndarray) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _judge(compiled: Compiled, diagnostics: dict[str, dict[str, np.ndarray]], columns: int) -> tuple[str, ...]:
    """Return what to say of the diagnostics, by the number of the image: of each column for itself."""
    return tuple(
        said
        for name, numbers in diagnostics.items()
        for column in range(columns)
        for said in compiled.runs[name].method.judged({key: each[column::columns] for key, each in numbers.items()})
    )


def _check_maps(compiled: Compiled, maps: dict[str, np.ndarray], columns: int) -> list[str]:
    """Raise where a map is not finite; return what to say of maps that are zero everywhere."""
    said = []
    for name, values in maps.items():
        axes = tuple(range(1, values.ndim))
        lowest, highest = values.min(axis=axes), values.max(axis=axes)
        finite = np.isfinite(lowest) & np.isfinite(highest)
        if not finite.all():
            raise TfvizError(
                f"{name} of image {int(np.argmin(finite)) // columns} holds NaN or infinite values: the network's own "
                "gradient overflows there (common with float16; trace the float32 model, without precision)"
            )
        empty = np.unique(np.flatnonzero((lowest == 0) & (highest == 0)) // columns)
        if empty.size:
            said.append(
                f"{name} is zero everywhere for image {name_images(empty)}: {compiled.runs[name].method.when_zero}"
            )
    return said
