"""Runs compiled methods over batches of images, and checks what they find.

A loop is advanced from here, in stretches of half a second, so that there is a progress bar without a host call in the
compiled graph. Scores and maps must be finite, see `judging`; whatever else must be said is returned as messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfviz.methods.engine.compiled import ASLEEP, FINITE, Compiled, compile_methods
from tfviz.methods.engine.judging import ImageRanges, ZeroMaps, about_zero, complete, judge_diagnostics
from tfviz.methods.engine.precision_error import precision_errors
from tfviz.methods.engine.replicas import on_replicas, replica_devices, run_parts
from tfviz.methods.engine.sleeping import add_unseen
from tfviz.network.batches import Batch, Targets, as_targets, same_for_all
from tfviz.network.diagnosis import check_scores, refusal
from tfviz.network.passes import AWAKE, affordable, affordable_batch
from tfviz.network.program import with_captured
from tfviz.network.traced import TracedNetwork
from tfviz.progress import stretches

NOBODY = np.empty(0, np.int32)


class Computed(NamedTuple):
    """The results for all images, by the names of `Results`; no targets and scores if only maps were asked for."""

    compiled: Compiled
    arrays: dict[str, Any]
    warnings: tuple[str, ...]


def run_batches(
    network: TracedNetwork,
    chosen: Mapping[str, Mapping[str, Any]],
    images: Any,
    targets: Any,
    *,
    batch_size: int,
    maps_alone: bool = False,
    for_results: bool = False,
) -> Computed:
    """Run the `chosen` methods over all images in batches.

    maps_alone: see `compile_methods`. for_results: whether the images are among what is returned, and the first of them
    is run in float32, too, if the network is in a reduced precision.
    """
    wanted = as_targets(network.head, targets)
    compiled = compile_methods(network, chosen, wanted.width, maps_alone=maps_alone)
    run, ranges = _runner(network, compiled, wanted, batch_size), ImageRanges(compiled.expected)
    gathered, exact, zero = Gathered(), dict[str, np.ndarray](), ZeroMaps(network, compiled, wanted.per_image)
    at_most = _images_beside_loops(network, compiled, batch_size) if compiled.loops else batch_size
    for batch in network.batches(images, wanted, at_most):
        ranges.look(batch.images)
        rows = _rows(network, compiled, run, batch, gathered.done)
        zero.look(rows["maps"], rows["images"] if for_results else rows.pop("images"))
        if for_results and not exact and network.running.full is not None:
            exact = _exact_maps(network, chosen, batch, rows, batch_size)
        gathered.add(rows, len(batch.images), batch.total)
    joined = gathered.result()
    for name, errors in precision_errors(joined["maps"], exact).items() if exact else ():
        joined["diagnostics"].setdefault(name, {}).update(errors)
    columns = joined["targets_per_image"] = wanted.per_image
    joined["zero_maps"] = zero.why
    if (asleep := joined.pop(ASLEEP, NOBODY)).min(initial=AWAKE) < AWAKE:
        add_unseen(joined, asleep, {name: run.sees_up_to(network) for name, run in compiled.runs.items()})
    messages = (*compiled.warnings, *ranges.messages(), *about_zero(joined["zero_maps"], columns))
    messages += judge_diagnostics(compiled, joined["diagnostics"], columns)
    return Computed(compiled, joined, messages if maps_alone else messages + complete(network, joined))


def _images_beside_loops(network: TracedNetwork, compiled: Compiled, batch_size: int) -> int:
    """Return how many images a batch has, if up to `batch_size` are run at once: loops may read every map of each."""
    most = 1 if any(run.ends_early for run in compiled.runs.values()) else affordable_batch(network)
    return most if isinstance(batch_size, int | np.integer) and most is not None and most < batch_size else batch_size


def _rows(
    network: TracedNetwork, compiled: Compiled, run: Callable[[Batch], dict[str, Any]], batch: Batch, start: int
) -> dict[str, Any]:
    """Return the results for a batch, whose first image is number `start`; raise if it or a score is refused."""
    for each in compiled.runs.values() if None in network.image_shape else ():
        each.check(batch.images.shape[1:])
    try:
        rows = run(batch)
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
        raise refusal(network, batch, error) from error
    finite = rows.pop(FINITE).reshape(len(batch.images), -1).all(axis=1)
    if not finite.all():
        check_scores(network, batch, finite, start)
    return rows


def _runner(
    network: TracedNetwork, compiled: Compiled, targets: Targets, batch_size: int
) -> Callable[[Batch], dict[str, Any]]:
    """Return the function that runs a batch, block by block of its targets, each on all devices of a strategy."""
    devices = replica_devices() if tf.distribute.has_strategy() else []

    def run_part(compiled: Compiled, part: Batch) -> dict[str, Any]:
        return _run_batch(network, compiled, part, -(-batch_size // max(1, len(devices))))

    if devices:
        replicas = on_replicas(network, compiled, devices)

        def run(batch: Batch) -> dict[str, Any]:
            return joined_rows(run_parts(replicas, run_part, batch.split(network.extra_inputs, len(replicas))))

    else:
        run = partial(run_part, compiled)
    if targets.per_image == targets.width:
        return run

    def run_blocks(batch: Batch) -> dict[str, Any]:
        blocks = [replace(batch, targets=block) for block in batch.targets.blocks()]
        rows: dict[str, Any] = batch.targets.joined([run(each) for each in blocks])
        return rows

    return run_blocks


def _run_batch(network: TracedNetwork, compiled: Compiled, batch: Batch, batch_size: int) -> dict[str, Any]:
    """Return the results for the images of a batch, as NumPy arrays."""
    images, targets = batch.images, batch.targets.flat
    arguments = map(tf.convert_to_tensor, (images, targets))
    outputs = dict(compiled.function(*arguments, batch.extra_inputs, *map(tf.convert_to_tensor, compiled.arguments)))
    found, loops = dict(outputs.pop("found")), outputs.pop("loops")
    at_once = min(int(batch_size), affordable(network, images.shape[1:])) if loops else 0
    # Whole chunks in each stretch, so that how fast the machine is does not change the order of the sums.
    chunk = max(1, at_once // len(targets))
    for name, (items, state, captured) in loops.items():
        found[name] = _gather(name, with_captured(compiled.loops[name], captured), (int(items), state), chunk, at_once)
    ordered = {name: found[name] for name in compiled.runs}
    parts = {
        "maps": {name: result for name, (result, _) in ordered.items()},
        "diagnostics": {name: numbers for name, (_, numbers) in ordered.items() if numbers},
    }
    arrays: dict[str, Any] = tf.nest.map_structure(lambda each: each.numpy(), {**outputs, **parts})
    runs = compiled.runs
    maps = {
        name: runs[name].finish(images, values) if runs[name].method.on_host else values
        for name, values in arrays["maps"].items()
    }
    if batch.targets.per_image > 1:
        images = np.repeat(images, batch.targets.per_image, axis=0)
    return {**arrays, "images": images, "maps": maps}


def _exact_maps(
    network: TracedNetwork,
    chosen: Mapping[str, Mapping[str, Any]],
    batch: Batch,
    found: dict[str, Any],
    batch_size: int,
) -> dict[str, np.ndarray]:
    """Return the maps in float32 for the first image of a network in a reduced precision, with the target `found`."""
    full = network.in_full_precision()
    first = replace(batch.split(network.extra_inputs, len(batch.images))[0], targets=same_for_all(found["targets"][:1]))
    exact: dict[str, np.ndarray] = _run_batch(full, compile_methods(full, chosen), first, batch_size)["maps"]
    return exact


def _gather(name: str, loop: Any, start: tuple[int, Any], chunk: int, at_once: int) -> Any:
    """Run a loop over all its items, `chunk` of them at a time, or until it ends, and return its result."""
    (items, state), found = start, None
    for first, last in stretches(-(-items // chunk), name):
        state, found, ended = loop(state, *map(tf.constant, (first * chunk, min(last * chunk, items), at_once)))
        if ended:
            break
    return found


class Gathered:
    """The results of batches so far, in one array each: parts joined at the end would take twice their memory.

    done: of how many images they are.
    """

    def __init__(self) -> None:
        self._parts: list[dict[str, Any]] = []
        self._whole: dict[str, Any] | None = None
        self.done = 0

    def add(self, part: dict[str, Any], count: int, total: int | None) -> None:
        """Add the results of a batch of `count` images; total: how many images there are, None if it is not known."""
        if count == total:
            self._whole = part
        elif total is None:
            self._parts.append(part)
        else:
            self._fill(part, count, total)
        self.done += count

    def _fill(self, part: dict[str, Any], count: int, total: int) -> None:
        """Write the rows of a batch behind those before them; every image has as many."""
        if self._whole is None:
            self._whole = tf.nest.map_structure(
                lambda array: np.empty((len(array) // count * total, *array.shape[1:]), array.dtype), part
            )

        def write(whole: np.ndarray, array: np.ndarray) -> None:
            first = len(array) // count * self.done
            whole[first : first + len(array)] = array

        tf.nest.map_structure(write, self._whole, part)

    def result(self) -> dict[str, Any]:
        """Return the results of all batches."""
        return joined_rows(self._parts) if self._whole is None else self._whole


def joined_rows(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the results of several parts, one after the other."""
    joined: dict[str, Any] = tf.nest.map_structure(lambda *each: np.concatenate(each), *parts)
    return joined
