"""Random weights, layer by layer, for metrics that ask whether a map depends on what a network has learnt.

By default kernels are drawn around zero with the deviation of the learnt ones (`centred`), as initialisers draw them,
and numbers by channel are put into a random order, so that variances stay positive. To permute the values of each
tensor, or to draw a normal of the same mean and deviation, keeps the mean, too. Learnt weights are rather negative than
positive: on a SqueezeNet permuted ones shut so many ReLUs that, with all layers random, every map was zero.

All of a layer's weights are replaced together, moving statistics and the scales of normalisations too: Adebayo 2018
re-initialises whole layers, and Quantus resets (PyTorch) or shuffles (Keras) these with the rest. The draws of a layer
depend on the seed and on its place in the network alone, so they are the same in every order and for every method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tfviz.methods.engine import integer, optional
from tfviz.network.traced import LayerWeights, OtherWeights, TracedNetwork, with_own_weights
from tfviz.results import pick
from tfviz.results.metrics.measuring import Checks, check_seed, choice_of, made_of

ORDERS = {"top_down": "from the output on", "bottom_up": "from the input on", "independent": "each layer alone"}
"""Which layers have random weights at a time."""

Redraw = Callable[[str, list[np.ndarray]], Sequence[ArrayLike]]
"""A way of the user's own: takes the name of a layer and its weights, and returns others of the same shapes."""


class State(NamedTuple):
    """A network some of whose layers have random weights: the layer that came last, and the share of all layers."""

    layer: str
    share: float


def states(weights: OtherWeights, order: str, steps: int | None, draw: str | Redraw, seed: int) -> Iterator[State]:
    """Yield after each assignment of random weights; the network of `weights` is run in between.

    order: one of `ORDERS`. steps: how many states, at about equal distances; None: one after each layer. In the order
    `independent` the weights of a layer are put back before the next one.
    """
    count = len(weights.layers)
    numbered = [*enumerate(weights.layers)]
    last = _positions(count, steps)
    for position, (place, layer) in enumerate(numbered if order != "top_down" else numbered[::-1], start=1):
        if order == "independent" and position not in last:
            continue
        before = layer.values()
        layer.assign(redrawn(layer, before, draw, seed, place))
        if position in last:
            yield State(layer.name, position / count)
        if order == "independent":
            layer.assign(before)


@contextmanager
def other_weights(network: TracedNetwork) -> Iterator[OtherWeights]:
    """Lend a copy of a network on variables of its own, the same one to all that share their passes.

    However it is left, its weights are those of the network again. Raises as `with_own_weights`.
    """
    lent = made_of(network, OtherWeights, lambda: with_own_weights(network))
    with restored(lent):
        yield lent


@contextmanager
def restored(weights: OtherWeights) -> Iterator[None]:
    """Give the layers the weights back that they have now, however the block is left."""
    before = [layer.values() for layer in weights.layers]
    try:
        yield
    finally:
        for layer, values in zip(weights.layers, before, strict=True):
            layer.assign(values)


def with_random_weights(network: TracedNetwork, seed: int = 0) -> OtherWeights:
    """Return a copy of a network that has learnt nothing: all its layers have `centred` random weights.

    Raises `UnsupportedModelError` if its weights were frozen into constants.
    """
    weights = with_own_weights(network)
    for _ in states(weights, "bottom_up", 1, "centred", seed):
        pass
    return weights


def count_of(weights: OtherWeights, steps: int | None) -> int:
    """Return how many `states` there are."""
    return len(_positions(len(weights.layers), steps))


def _positions(count: int, steps: int | None) -> set[int]:
    """Return after how many layers there is a state."""
    return {int(each) for each in np.rint(np.linspace(0, count, min(steps or count, count) + 1)[1:])}


def redrawn(
    layer: LayerWeights, values: list[np.ndarray], draw: str | Redraw, seed: int, place: int
) -> Sequence[ArrayLike]:
    """Return random weights for a layer; place: its number from the input on."""
    if callable(draw):
        return draw(layer.name, values)
    if draw == "rows":
        # As Quantus draws: NumPy's old generator, seeded anew for each layer.
        old = np.random.RandomState(seed + 1)
        return [old.permutation(each) if each.ndim else each for each in values]
    generator = np.random.default_rng((seed, place))
    return [_of_type(DRAWS[draw](generator, each), each.dtype) for each in values]


def _of_type(drawn: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return numbers that a type holds: a kernel that was quantised has integers within bounds."""
    if not np.issubdtype(dtype, np.integer):
        return drawn
    bounds = np.iinfo(dtype)
    return np.asarray(np.clip(np.rint(drawn), bounds.min, bounds.max))


def _permuted(generator: np.random.Generator, values: np.ndarray) -> np.ndarray:
    return generator.permutation(values.ravel()).reshape(values.shape)


def _normal(generator: np.random.Generator, values: np.ndarray) -> np.ndarray:
    exact = values.astype(np.float64)  # bfloat16 is rounded once, at the end
    drawn = generator.normal(exact.mean(), exact.std(), exact.shape)
    return np.abs(drawn) if exact.min(initial=0) >= 0 else drawn


def _centred(generator: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Return a normal around zero for a tensor with several axes; numbers by channel are permuted."""
    return _normal(generator, values - values.mean()) if values.ndim > 1 else _permuted(generator, values)


DRAWS: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "permutation": _permuted,
    "normal": _normal,
    "centred": _centred,
}
"""Random values in place of an array's, by name."""


def _check_weights(name: str, value: Any) -> None:
    if not callable(value):
        pick(f"way to draw weights ({name})", value, {**DRAWS, "rows": None})


DRAWING: Checks = {
    "order": choice_of("order of layers (order)", ORDERS),
    "steps": optional(integer),
    "weights": _check_weights,
    "seed": check_seed,
}
"""What the options of `states` must be."""
