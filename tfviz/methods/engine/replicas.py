"""Splits batches over the devices of a `tf.distribute.MirroredStrategy`, in one process.

Replicas share one trace: a compiled function is called with each device's own handles of the trained weights in place
of those that it captured. What is not trained comes from the first replica: Keras 3 lets every replica keep its own
moving statistics (maps differed by 0.2 %), and a result must not depend on the device.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from tfviz.errors import TfvizError
from tfviz.methods.engine.compiled import Compiled
from tfviz.network.batches import Batch
from tfviz.network.program import distributed_variable, with_captured
from tfviz.network.traced import TracedNetwork

RunPart = Callable[[Compiled, Batch], dict[str, Any]]


@dataclass(frozen=True)
class Replica:
    """The device on which a part of each batch runs, and the methods as it calls them."""

    device: str
    compiled: Compiled

    def run(self, run_part: RunPart, part: Batch) -> dict[str, Any]:
        """Return the results of `run_part` with this replica's methods on its device."""
        with tf.device(self.device):
            return run_part(self.compiled, part)


def replica_devices() -> list[str]:
    """Return the devices that share a batch in the current strategy; none if TensorFlow chooses one.

    Raises `TfvizError` for a strategy of several processes or of another kind. Inside `strategy.run` there is nothing
    to share.
    """
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1 or not tf.distribute.in_cross_replica_context():
        return []
    if not isinstance(strategy, tf.distribute.MirroredStrategy):
        raise TfvizError(
            f"a batch is split over the {strategy.num_replicas_in_sync} replicas of a MirroredStrategy only, not of "
            f"{type(strategy).__name__}: explain outside of strategy.scope(), in one process"
        )
    return list(strategy.extended.worker_devices)


def on_replicas(network: TracedNetwork, compiled: Compiled, devices: list[str]) -> list[Replica]:
    """Return the compiled methods for each device, on which they read its own copies of mirrored weights."""
    return [Replica(device, _placed(network, compiled, device)) for device in devices]


def run_parts(replicas: list[Replica], run_part: RunPart, parts: list[Batch]) -> list[dict[str, Any]]:
    """Return the results of `run_part` for each part of a batch, at most one for each replica, in order."""
    if len(parts) == 1:
        return [replicas[0].run(run_part, parts[0])]
    # A thread each, because a call returns when its device is done. The first part runs here, with a progress bar.
    with ThreadPoolExecutor(len(parts) - 1) as pool:
        pairs = zip(replicas[1:], parts[1:], strict=False)
        others = [pool.submit(replica.run, run_part, part) for replica, part in pairs]
        first = replicas[0].run(run_part, parts[0])
        return [first, *(other.result() for other in others)]


def _placed(network: TracedNetwork, compiled: Compiled, device: str) -> Compiled:
    """Return the methods as a device calls them, on its own copies of the weights."""
    # Loops read the copies that the function hands over to them.
    return replace(compiled, function=on_device(compiled.function, device, _copies(network, device)))


def on_device(function: Any, device: str, copies: dict[int, tf.Tensor]) -> Callable[..., Any]:
    """Return a concrete function as `device` runs it, with its own copies of the captured tensors.

    It is traced once for all devices. Called as it is, it would fetch every weight from the first in each call.
    """
    with tf.device(device):
        captured = [
            copies.get(id(tensor), tensor) if tensor.dtype == tf.resource else tf.identity(tensor)
            for tensor in function.captured_inputs
        ]
    return with_captured(function, captured)


def _copies(network: TracedNetwork, device: str) -> dict[int, tf.Tensor]:
    """Return the handles of the device's copies of mirrored weights, by the identity of those that the network reads.

    Only of trained weights: all replicas read the rest from the first one, as everything does outside of the strategy.
    """
    found = {}
    for variable in map(distributed_variable, network.function.variables):
        if variable is not None and variable.trainable:
            first, *others = tf.distribute.get_strategy().experimental_local_results(variable)
            found.update({id(first.handle): copy.handle for copy in others if copy.device == device})
    return found
