"""Plans what is to run: methods with all their options, and the layers that they look at.

A layer is known by its path from here on, so that other names of it lead to the same compiled function. A method that
is given several layers becomes a run for each, `grad_cam@conv1`, in the same passes. All that can be refused before
anything is compiled is refused here: unknown options and layers, a layer that the score does not depend on, a network
without a classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.data_format import DataFormat
from tfviz.errors import InvalidImagesError, UnknownLayerError
from tfviz.methods.engine.loop import Diagnosed, Loop
from tfviz.methods.engine.registry import ENDS_AT, INNER, INNER_OPTIONS, LAYER, Method, find_method
from tfviz.network.diagnosis import zeros_at, zeros_of_gradient
from tfviz.network.passes import AWAKE, IMAGES, Features, Passes
from tfviz.network.rewriting import in_own_order
from tfviz.network.traced import TracedNetwork
from tfviz.progress import progress


@dataclass(frozen=True)
class Run:
    """A method with all its options, in which a layer is its path. warnings: about the choice of that layer."""

    method: Method
    options: dict[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def explaining(self) -> Method:
        """The method itself, or the inner one that it runs."""
        return find_method(self.options[INNER]) if INNER in self.options else self.method

    @property
    def layer(self) -> str | None:
        """The path of the layer that the method, or its inner method, looks at."""
        path: str | None = self.options.get(LAYER) or (self.options.get(INNER_OPTIONS) or {}).get(LAYER)
        return path

    @property
    def ends_early(self) -> bool:
        """Whether the method, or its inner method, runs each image until a tolerance is reached."""
        every = (self.options, self.options.get(INNER_OPTIONS) or {})
        return any(options.get(ENDS_AT) is not None for options in every)

    @property
    def looks_inside(self) -> bool:
        """Whether the method reads more of an image's own passes than its gradient: layers, biases, another rule."""
        return any(each.at != IMAGES or each.rule is not None for each in self.method.gradients)

    def sees_up_to(self, network: TracedNetwork) -> int:
        """Return the number in `Evidence.order` of what the method looks at: nothing behind it decides what it sees."""
        if not self.looks_inside:
            return 0
        return AWAKE if self.layer is None else network.layer_index.evidence.order[network.find_layer(self.layer).value]

    def layer_name(self, network: TracedNetwork) -> str | None:
        """Return the name of that layer."""
        return network.layer_index.name(network.find_layer(self.layer)) if self.layer else None

    def named(self, network: TracedNetwork) -> dict[str, Any]:
        """Return the options with the name of the layer in place of its path."""
        return _with_layers(self.options, lambda path: network.layer_index.name(network.find_layer(path)))

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise if the options, or those of the inner method, do not fit images (H, W, C)."""
        self.method.check(shape, self.options)
        if INNER in self.options:
            Run(find_method(self.options[INNER]), self.options[INNER_OPTIONS]).check(shape)

    def check_layer(self, network: TracedNetwork) -> None:
        """Raise `UnknownLayerError` if the method explains the score by a layer that the score does not depend on."""
        method = self.explaining
        if self.layer and method.of_target and not network.layer_index.is_scored(network.find_layer(self.layer)):
            raise UnknownLayerError(
                f"the score does not depend on the layer {self.layer_name(network)!r}, so {method.name} has "
                "nothing to explain there; network.layers lists the layers"
            )

    @property
    def zero_means(self) -> str:
        """What it means when the result is zero everywhere: the method's own words, or those of the inner method."""
        return self.method.when_zero or self.explaining.zero_means

    def why_zero(self, network: TracedNetwork, images: np.ndarray) -> list[str]:
        """Return for each of the images (N, H, W, C) why its result is zero; empty if the reason is not known."""
        layer = network.find_layer(self.layer) if self.layer else None
        reasons = zeros_at(network, images, layer) if layer else [""] * len(images)
        gradients = [each for each in self.explaining.gradients if not isinstance(each, Features)]
        if all(reasons) or not gradients:
            return reasons
        is_of_layer = all(each.at == LAYER for each in gradients)
        of_gradient = zeros_of_gradient(network, images, layer if is_of_layer else None)
        return [first or second for first, second in zip(reasons, of_gradient, strict=True)]

    def compute(self, passes: Passes, options: Mapping[str, Any] | None = None) -> tf.Tensor | Diagnosed | Loop:
        """Return the result of the method for the passes of a batch, with its options or those given, with tensors."""
        return self.method.compute(passes, **(self.options if options is None else options))

    def finish(self, images: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Return the results (N · k, ...) of images (N, H, W, C), after the method's last step on the host, if any."""
        if self.method.on_host is None:
            return found
        results = []
        with progress(f"{self.method.name} on the host", len(images)) as advance:
            for image, rows in zip(images, np.split(found, len(images)), strict=True):
                results.append(self.method.on_host(image, rows, self.options))
                advance(1)
        return np.concatenate(results)


def plan_methods(network: TracedNetwork, chosen: Mapping[str, Mapping[str, Any]]) -> dict[str, Run]:
    """Return the runs of the `chosen` methods by the names of their results, without compiling them."""
    return {key: run for name, options in chosen.items() for key, run in _runs(network, name, options).items()}


def _runs(network: TracedNetwork, name: str, options: Mapping[str, Any]) -> dict[str, Run]:
    """Return the runs of a method by the name of their results: its own or, for several layers, `grad_cam@conv1`.

    Raises `UnsupportedModelError` if it explains a score and the network has no classifier.
    """
    method = find_method(name)
    complete = _in_channels_last(network, method, method.complete(options))
    if find_method(complete.get(INNER, name)).of_target:
        network.head.check()
    wanted = complete.get(LAYER)
    if not isinstance(wanted, list | tuple):
        warnings: list[str] = []

        def path(layer: str | None) -> str:
            warnings.extend(network.layer_index.about_default if layer is None else ())
            return network.find_layer(layer).path

        run = Run(method, _with_layers(complete, path), tuple(warnings))
        run.check_layer(network)
        return {name: run}
    if not wanted:
        raise UnknownLayerError(f"layer is an empty list, expected the name of one layer or more for {name}")
    paths = [network.find_layer(each).path for each in wanted]
    runs = [Run(method, {**complete, LAYER: path}) for path in dict.fromkeys(paths)]
    for run in runs:
        run.check_layer(network)
    return {f"{name}@{run.named(network)[LAYER]}": run for run in runs}


def _in_channels_last(network: TracedNetwork, method: Method, options: dict[str, Any]) -> dict[str, Any]:
    """Return options, those of an inner method included, with the images among them as (H, W, C)."""
    if network.data_format == DataFormat.CHANNELS_LAST:
        return options
    changed = dict(options)
    for name in method.given_images:
        several = options[name] if isinstance(options[name], list | tuple) else None
        given = [options[name]] if several is None else several
        found = [_image_in_channels_last(network, name, each) if np.ndim(each) == 3 else each for each in given]
        changed[name] = found[0] if several is None else type(several)(found)
    if INNER in options:
        changed[INNER_OPTIONS] = _in_channels_last(network, find_method(options[INNER]), options[INNER_OPTIONS])
    return changed


def _image_in_channels_last(network: TracedNetwork, name: str, given: Any) -> np.ndarray:
    """Return an image among a method's options as (H, W, C); raise `InvalidImagesError` if it does not fit."""
    image = np.asarray(given)
    expected = in_own_order(network.image_shape, network.data_format)
    if any(own not in (None, size) for own, size in zip(expected, image.shape, strict=True)):
        shape = ", ".join(str(size or "any") for size in expected)
        raise InvalidImagesError(f"the {name} has the shape {image.shape}, expected an image ({shape}) or a colour")
    return network.data_format.to_last(image)


def _with_layers(options: dict[str, Any], name: Callable[[str | None], str]) -> dict[str, Any]:
    """Return options, those of an inner method included, with `name` of the layer in place of the layer."""
    changed = dict(options)
    if LAYER in options:
        changed[LAYER] = name(options[LAYER])
    if INNER in options:
        changed[INNER_OPTIONS] = _with_layers(options[INNER_OPTIONS], name)
    return changed
