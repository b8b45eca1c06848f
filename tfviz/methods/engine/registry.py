"""Defines what a method is, and keeps the registry of all of them.

A method is arithmetic with data around it: what it reads, what its result means, which options it checks, what it
costs. Flags, tables, exports and warnings are made from these fields. A last step on the host (`on_host`) is one of
them, so that it is known before anything is traced, and an export or another method can refuse it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tfviz.errors import TfvizError, UnknownMethodError, suggestion
from tfviz.methods.engine.loop import Diagnosed, Loop
from tfviz.methods.engine.precision_error import judge_precision
from tfviz.methods.engine.sleeping import judge_unseen
from tfviz.network.passes import Gradient

LAYER = "layer"
"""Stands, in a method's gradients, for the layer that the user names."""
# The options that name another method, which this one runs, and that one's options.
INNER, INNER_OPTIONS = "of", "options"
# The option that ends the loop of each image early, see `stopping`.
ENDS_AT = "tolerance"
# What tf-keras-vis calls options of `smooth_grad`, which several of its methods take.
OF_SMOOTH_GRAD = {"smooth_samples": "samples", "smooth_noise": "noise"}
# Why a method with a last step on the host is refused if all must be one graph.
ON_HOST = "its last step runs in Python on the host, not in TensorFlow's graph"

Sign = Literal["evidence", "for", "direction", "magnitude"]
SIGNS: dict[Sign, str] = {
    "evidence": "evidence for the target above zero, against it below",
    "for": "evidence for the target alone, nothing below zero",
    "direction": "which way a pixel must change for a higher score, not whether it speaks for the target",
    "magnitude": "how much a place matters, be it for the target or against it",
}
"""The meanings of the sign of a result."""
# What a result that is zero everywhere says: a method that keeps evidence for the target alone may have cut the rest.
NOTHING_FOR = (
    "nothing that it looks at speaks for the target, or the score does not depend on it: then saliency is zero"
)
NOTHING_CHANGES = "the score does not change with what it looks at"
OF_INNER = "what the sign of the inner method means"

Check = Callable[[tuple[int, ...], Mapping[str, Any]], None]
Judge = Callable[[Mapping[str, np.ndarray]], list[str]]
Convert = Callable[[str, Any], Any]
OnHost = Callable[[np.ndarray, np.ndarray, Mapping[str, Any]], np.ndarray]


@dataclass(frozen=True)
class Method:
    """A way to explain a network: arithmetic over the passes of one batch, and what a reader should know of it.

    compute
        Takes the `Passes` of a batch and the options; returns float32 attributions (N, H, W, C) or maps (N, H, W),
        `Diagnosed` ones, or a `Loop` that gathers them.
    gradients
        Every gradient of the batch itself that `compute` reads, so that several methods share the passes.
    result
        `attribution` (N, H, W, C), `map` (N, H, W), or `inner`: as the method that it is composed with.
    paper, needs, cost, caution
        The source; what the network must have; the passes for one image; when not to trust the result.
    sign
        The meaning of the sign of the result, one of `SIGNS`; None if it is that of the inner method, see `sign_of`.
    when_zero
        What it means when the result is zero everywhere; empty if it is what `zero_means` says of its sign.
    of_target
        Whether the result depends on the target.
    shown_from
        What a picture of a map starts from: `zero`, the map's `minimum` if places that say nothing are not zero, or
        the `positive` values alone.
    check
        Raises if the options do not fit images of a shape (H, W, C).
    judge
        Returns warnings about the diagnostics.
    on_host
        A last step outside of the graph, in NumPy: takes an image (H, W, C), what `compute` found for its targets
        (k, ...) and the options, and returns their results. A method that has one runs neither in an export nor inside
        another method.
    arguments
        The checks of the options that are arguments of a compiled function: each takes a name and a value, and returns
        the value or raises. All other options are constants of the function.
    constants
        The checks of options that are numbers, and yet constants: those that shapes depend on.
    for_host
        The options that only `on_host` reads.
    given_images
        The options that may be images, in the model's data format, or lists of them.
    missing
        Returns what must be installed before the method runs, in words; empty if nothing is.
    """

    name: str
    compute: Callable[..., tf.Tensor | Diagnosed | Loop]
    gradients: tuple[Gradient, ...]
    result: Literal["attribution", "map", "inner"]
    paper: str
    needs: str
    cost: str
    caution: str
    sign: Sign | None = "magnitude"
    when_zero: str = ""
    of_target: bool = True
    shown_from: Literal["zero", "minimum", "positive"] = "zero"
    check: Check = lambda shape, options: None
    judge: Judge = lambda diagnostics: []
    on_host: OnHost | None = None
    arguments: Mapping[str, Convert] = field(default_factory=dict)
    constants: Mapping[str, Convert] = field(default_factory=dict)
    for_host: frozenset[str] = frozenset()
    missing: Callable[[], str] = lambda: ""
    given_images: frozenset[str] = frozenset()

    @property
    def options(self) -> dict[str, Any]:
        """The default of every option by its name."""
        return {name: parameter.default for name, parameter in self.parameters.items()}

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """Every option as the method's signature has it."""
        return dict(list(inspect.signature(self.compute).parameters.items())[1:])

    def complete(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return `options`, and those of an inner method, with the defaults of those that are not given.

        Raises `UnknownMethodError` for options that do not exist, and `TfvizError` if a package is missing.
        """
        if lacking := self.missing():
            raise TfvizError(lacking)
        unknown = [name for name in options if name not in self.options]
        if unknown:
            known = ", ".join(self.options) or "none"
            told = f"its options are: {known}{self._in_smooth_grad(unknown[0])}"
            raise UnknownMethodError(f"{self.name} does not know the option {unknown[0]!r}; {told}")
        complete, checks = {**self.options, **options}, {**self.arguments, **self.constants}
        complete.update({name: convert(name, complete[name]) for name, convert in checks.items()})
        if not isinstance(complete.get("upsample", True), bool):
            raise TfvizError(f"upsample is {complete['upsample']!r}, expected True or False")
        if not isinstance(complete.get(INNER_OPTIONS) or {}, Mapping):
            raise TfvizError(f"options are {complete[INNER_OPTIONS]!r}, expected those of the inner method by name")
        if INNER in complete:
            inner = find_method(complete[INNER])
            if inner.on_host is not None:
                raise TfvizError(f"{self.name} cannot run {inner.name}: {ON_HOST}")
            complete[INNER_OPTIONS] = inner.complete(complete[INNER_OPTIONS] or {})
        return complete

    @property
    def zero_means(self) -> str:
        """What it means when the result is zero everywhere and no better reason is known."""
        return self.when_zero or (NOTHING_FOR if self.sign == "for" else NOTHING_CHANGES)

    def _in_smooth_grad(self, option: str) -> str:
        """Return what an option of another library is here, worded to follow the known ones; empty for any other."""
        own = OF_SMOOTH_GRAD.get(option)
        if own is None or own in self.options:
            return f" (that is {own})" if own else ""
        return "" if self.on_host else f"; that is {own} of smooth_grad(..., of={self.name!r})"

    def judged(self, diagnostics: Mapping[str, np.ndarray]) -> list[str]:
        """Return warnings about the diagnostics of a result, those of any method included."""
        own = self.judge(diagnostics)
        return [*judge_precision(self.name, diagnostics), *judge_unseen(self.name, diagnostics), *own]

    def gradients_at(self, layer: str | None) -> list[Gradient]:
        """Return the gradients that the method reads when it looks at `layer`."""
        return [replace(each, at=layer) if each.at == LAYER and layer else each for each in self.gradients]


METHODS: dict[str, Method] = {}
"""Every method by its name, as a `Method`."""


def find_method(name: str) -> Method:
    """Return the method of that name; raise `UnknownMethodError` with close matches."""
    if not isinstance(name, str) or name not in METHODS:
        hint = suggestion(name, METHODS, f"they are {', '.join(METHODS)}")
        raise UnknownMethodError(f"no method {name!r}; {hint}")
    return METHODS[name]


def method_of(result: str) -> Method:
    """Return the method whose result is kept under a name: its own, or `grad_cam@conv1` for one of several layers."""
    return find_method(result.partition("@")[0])


def sign_of(result: str, options: Mapping[str, Any]) -> Sign:
    """Return the meaning of the sign of a result, given its name, see `method_of`, and the options of its method."""
    method = method_of(result)
    while method.sign is None:
        options, method = options[INNER_OPTIONS], find_method(options[INNER])
    return method.sign


def is_signed(result: str, options: Mapping[str, Any]) -> bool:
    """Return whether the sign of a result, as it is shown, has a meaning; see `sign_of`."""
    return method_of(result).shown_from == "zero" and sign_of(result, options) in ("evidence", "direction")


def is_direction(result: str, options: Mapping[str, Any]) -> bool:
    """Return whether the sign of a result tells which way a pixel must change, as guided backprop's; see `sign_of`."""
    return sign_of(result, options) == "direction"


def is_attribution(result: str, options: Mapping[str, Any]) -> bool:
    """Return whether a result, given as to `sign_of`, is of attributions and not of maps."""
    method = method_of(result)
    while method.result == "inner":
        options, method = options[INNER_OPTIONS], find_method(options[INNER])
    return method.result == "attribution"
