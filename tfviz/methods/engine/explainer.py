"""Runs methods as they are called: one by name, several at once, or one again and again.

`run_method` is behind each public function and `Explainer`: it emits the warnings and returns the maps alone, for which
the scores of classes that are not targets need not be known. `run_methods` is behind `explain`, the commands and the
pipelines: it returns everything as `Results`, warnings included. Whatever is computed has its channels last; here
attributions and images get the data format of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, overload

import numpy as np

from tfviz.arrays import Floats
from tfviz.errors import emit_warnings
from tfviz.methods.engine.batching import run_batches
from tfviz.methods.engine.planning import plan_methods
from tfviz.methods.engine.registry import find_method
from tfviz.methods.engine.results import Results
from tfviz.network import network_of, trace
from tfviz.network.passes import check_rules
from tfviz.network.traced import NetworkOrigin, TracedNetwork

Kind = TypeVar("Kind", bound=Results)
Found = TypeVar("Found", bound="Floats | dict[str, Floats]")


class Explainer(Generic[Found]):
    """One method on one network, compiled once and used again.

    Copies share the network. It can be pickled if the network can be opened again, from its path or with its Keras
    model (which is tried first); else `UnsupportedModelError` is raised.

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

    @overload
    def __init__(
        self: Explainer[Floats], model: Any, method: str, *, layer: str | None = None, **options: Any
    ) -> None: ...
    @overload
    def __init__(
        self: Explainer[dict[str, Floats]],
        model: Any,
        method: str,
        *,
        layer: list[str] | tuple[str, ...],
        **options: Any,
    ) -> None: ...
    def __init__(self, model: Any, method: str, **options: Any) -> None:
        self.network = trace(model)
        self.method = find_method(method).name
        self._options = options
        runs = plan_methods(self.network, {self.method: options})
        check_rules(self.network, [each.rule for run in runs.values() for each in run.method.gradients_at(run.layer)])
        self.layer = runs[self.method].layer_name(self.network) if self.method in runs else None

    def __call__(self, images: Any, targets: Any = None, *, batch_size: int = 32) -> Found:
        """Return the method's attributions (N, H, W, C) or maps (N, H, W), as the function of its name does."""
        found: Found = run_method(self.network, self.method, self._options, images, targets, batch_size=batch_size)
        return found


def public_function(method: str) -> Callable[..., Any]:
    """Return the function that runs a method as users call it, still without its name, docstring and options."""

    def explain(model: Any, images: Any, targets: Any = None, *, batch_size: int = 32, **options: Any) -> Any:
        return run_method(model, method, options, images, targets, batch_size=batch_size)

    return explain


def run_method(
    model: Any, method: str, options: Mapping[str, Any], images: Any, targets: Any = None, *, batch_size: int = 32
) -> Any:
    """Return the result of one method: an array or, if it was given several layers, one by the name of each."""
    network, chosen = network_of(model), {method: options}
    # Then the scores of all other classes need not be known.
    maps_alone = targets is not None and network.running.last_layer is not None
    found = run_batches(network, chosen, images, targets, batch_size=batch_size, maps_alone=maps_alone)
    if found.warnings:
        emit_warnings(found.warnings)
    maps = _in_format(network, found.arrays["maps"])
    return maps[method] if method in maps else {found.compiled.layers[key]: values for key, values in maps.items()}


def run_methods(
    network: TracedNetwork,
    chosen: Mapping[str, Mapping[str, Any]],
    images: Any,
    targets: Any = None,
    *,
    batch_size: int = 32,
    kind: type[Kind] = Results,  # type: ignore[assignment]  # a default is of one kind
) -> Kind:
    """Run the `chosen` methods over all images in batches, for the targets of each in turn.

    Warnings about the results are in their `warnings`, and are not emitted.

    On a network in a reduced precision, they run on the first image in float32, too, and the difference is among the
    diagnostics. Raises `InvalidImagesError` if the network itself refuses the images, such as too small ones.
    """
    found = run_batches(network, chosen, images, targets, batch_size=batch_size, for_results=True)
    arrays = {**found.arrays, "maps": _in_format(network, found.arrays["maps"])}
    arrays["images"] = network.data_format.from_last(arrays["images"])
    return kind(
        **arrays,
        options={name: dict(each) for name, each in found.compiled.options.items()},
        layers=found.compiled.layers,
        warnings=found.warnings,
        data_format=network.data_format,
        model=network.name,
        head=network.head.kind,
        scored_by=network.head.scored_by,
        origin=NetworkOrigin(network),
        class_names=network.class_names,
    )


def _in_format(network: TracedNetwork, maps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return results by name, with attributions (N, H, W, C) in the network's data format."""
    attributions = {name: network.data_format.from_last(each) for name, each in maps.items() if each.ndim == 4}
    return {**maps, **attributions}
