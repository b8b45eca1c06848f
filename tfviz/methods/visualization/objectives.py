"""Objectives: what an image is made for. A class, channel, neuron, direction or layer, added and weighted.

The layer that a term reads is compiled; its `numbers` (class, place, vector) are arguments, used by `read`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfviz.errors import InvalidTargetsError, TfvizError
from tfviz.methods.visualization.transformations import Movement
from tfviz.network.batches import as_targets
from tfviz.network.traced import TracedNetwork


class Objective:
    """A number that a network computes from an image; `2 * Channel("conv1", 3) + Class(281)` is one as well."""

    @property
    def weighted(self) -> tuple[tuple[float, Term], ...]:
        """The terms that are added, each with its weight."""
        raise NotImplementedError

    def __add__(self, other: Any) -> Objective:
        """Return the sum."""
        return Sum((*self.weighted, *other.weighted)) if isinstance(other, Objective) else NotImplemented

    def __sub__(self, other: Any) -> Objective:
        """Return the difference."""
        return self + -1 * other if isinstance(other, Objective) else NotImplemented

    def __neg__(self) -> Objective:
        """Return an objective that is large when this one is small."""
        return -1 * self

    def __mul__(self, weight: Any) -> Objective:
        """Return the objective times a number; with a negative one it is made small."""
        if not isinstance(weight, int | float | np.number) or not np.isfinite(weight):
            raise TfvizError(f"the weight of an objective is {weight!r}, expected a finite number")
        return Sum(tuple((float(weight) * own, term) for own, term in self.weighted))

    __rmul__ = __mul__


@dataclass(frozen=True)
class Sum(Objective):
    """Weighted terms, added."""

    weighted: tuple[tuple[float, Term], ...] = ()

    def __str__(self) -> str:
        """Return what a reader calls it."""
        return " + ".join(str(term) if weight == 1 else f"{weight:g} × {term}" for weight, term in self.weighted)


class Term(Objective):
    """An objective that is not a sum. Those with a `layer`, named as in `TracedNetwork.layers`, look at its map.

    of_one_place: whether they look at only one place of it.
    """

    of_one_place: ClassVar[bool] = False

    @property
    def weighted(self) -> tuple[tuple[float, Term], ...]:
        """Itself, once."""
        return ((1.0, self),)

    def numbers(self, network: TracedNetwork, shape: Sequence[int]) -> np.ndarray:
        """Return the numbers (k,) that `read` needs; raise `InvalidTargetsError` if a map (h, w, c) lacks it."""
        raise NotImplementedError

    @staticmethod
    def read(
        network: TracedNetwork, features: tf.Tensor, numbers: tf.Tensor, movement: Movement | None = None
    ) -> tf.Tensor:
        """Return the number (N,) that is maximised: of features (N, h, w, c), by the `numbers` (N, k) of each image.

        movement: how the images were moved, if the place that is read follows them.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Class(Term):
    """The logit of a class, `target`: its index or name; None for a custom score, which has no classes."""

    target: int | str | None = None

    def __str__(self) -> str:
        """Return what a reader calls it."""
        return "the score" if self.target is None else f"class {self.target}"

    def numbers(self, network: TracedNetwork, shape: Sequence[int]) -> np.ndarray:
        """Return the index."""
        network.head.check()
        if network.num_classes is None and self.target is None:
            return np.zeros(1, np.int32)
        if self.target is None or np.ndim(self.target):
            raise InvalidTargetsError(
                f"the target of an objective is {self.target!r}, expected 0 to {(network.num_classes or 1) - 1}"
            )
        return as_targets(network.head, self.target).flat

    @staticmethod
    def read(
        network: TracedNetwork, features: tf.Tensor, numbers: tf.Tensor, movement: Movement | None = None
    ) -> tf.Tensor:
        """Return the scores, of the logits (N, K)."""
        return network.head.scores(features, numbers[:, 0])


@dataclass(frozen=True)
class Channel(Term):
    """The mean of a channel over all places of a layer."""

    layer: str
    channel: int

    def __str__(self) -> str:
        """Return what a reader calls it."""
        return f"channel {self.channel} of {self.layer}"

    def numbers(self, network: TracedNetwork, shape: Sequence[int]) -> np.ndarray:
        """Return the channel."""
        return np.array([_index("channel", self.channel, shape[2], self.layer)], np.int32)

    @staticmethod
    def read(
        network: TracedNetwork, features: tf.Tensor, numbers: tf.Tensor, movement: Movement | None = None
    ) -> tf.Tensor:
        """Return the mean."""
        return tf.gather(tf.reduce_mean(features, axis=(1, 2)), numbers[:, 0], axis=1, batch_dims=1)


@dataclass(frozen=True)
class Neuron(Term):
    """A channel at one place of a layer, by default its centre."""

    of_one_place = True

    layer: str
    channel: int
    row: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """Return what a reader calls it."""
        places = {name: at for name, at in (("row", self.row), ("column", self.column)) if at is not None}
        place = ", ".join(f"{name} {at}" for name, at in places.items()) or "the centre"
        return f"neuron {self.channel} of {self.layer} at {place}"

    def numbers(self, network: TracedNetwork, shape: Sequence[int]) -> np.ndarray:
        """Return row, column and channel."""
        places = zip((self.row, self.column), shape, strict=False)
        row, column = (size // 2 if at is None else at for at, size in places)
        wanted = {"row": row, "column": column, "channel": self.channel}
        sizes = zip(wanted.items(), shape, strict=True)
        return np.array([_index(name, index, size, self.layer) for (name, index), size in sizes], np.int32)

    @staticmethod
    def read(
        network: TracedNetwork, features: tf.Tensor, numbers: tf.Tensor, movement: Movement | None = None
    ) -> tf.Tensor:
        """Return the neuron's value; if the image was moved, that of its channel at the place that moved with it."""
        if movement is None:
            return tf.gather_nd(features, numbers, batch_dims=1)
        channel = tf.gather(features, numbers[:, 2], axis=3, batch_dims=1)
        grid = tf.shape(channel)[1:]
        # Bilinear, since cells are larger than the steps of the movement.
        near = [
            tf.nn.relu(1 - tf.abs(places[:, tf.newaxis] - tf.range(tf.cast(count, tf.float32))))
            for places, count in zip(
                tf.unstack(movement.places(numbers[:, :2], grid), axis=1), tf.unstack(grid), strict=True
            )
        ]
        return tf.einsum("nhw,nh,nw->n", channel, *near)


@dataclass(frozen=True)
class Direction(Term):
    """The mean, over all places of a layer, of its features' component along `vector` (c,), whatever its length."""

    layer: str
    vector: Sequence[float]

    def __post_init__(self) -> None:
        """Raise `InvalidTargetsError` for a vector without a direction."""
        vector = np.asarray(self.vector, np.float64)
        if vector.ndim != 1 or not np.isfinite(vector).all() or not vector.any():
            raise InvalidTargetsError(
                f"a direction has the shape {vector.shape}, expected finite numbers (channels,), not all of them zero"
            )
        object.__setattr__(self, "vector", tuple(map(float, vector)))

    def __str__(self) -> str:
        """Return what a reader calls it."""
        return f"direction in {self.layer}"

    def numbers(self, network: TracedNetwork, shape: Sequence[int]) -> np.ndarray:
        """Return the unit vector."""
        if len(self.vector) != shape[2]:
            raise InvalidTargetsError(
                f"the direction has {len(self.vector)} numbers, expected one for each of the {shape[2]} channels of "
                f"{self.layer}"
            )
        vector = np.asarray(self.vector) / np.abs(self.vector).max()
        return np.asarray(vector / np.linalg.norm(vector), np.float32)

    @staticmethod
    def read(
        network: TracedNetwork, features: tf.Tensor, numbers: tf.Tensor, movement: Movement | None = None
    ) -> tf.Tensor:
        """Return the mean component."""
        return tf.einsum("nc,nc->n", tf.reduce_mean(features, axis=(1, 2)), numbers)


@dataclass(frozen=True)
class Layer(Term):
    """The mean of a layer's squared features: what it already sees is made stronger, as in deep dream."""

    layer: str

    def __str__(self) -> str:
        """Return what a reader calls it."""
        return f"layer {self.layer}"

    def numbers(self, network: TracedNetwork, shape: Sequence[int]) -> np.ndarray:
        """Return no numbers."""
        return np.zeros(0, np.int32)

    @staticmethod
    def read(
        network: TracedNetwork, features: tf.Tensor, numbers: tf.Tensor, movement: Movement | None = None
    ) -> tf.Tensor:
        """Return the mean square."""
        return tf.reduce_mean(tf.square(features), axis=(1, 2, 3))


def _index(what: str, index: Any, size: int, layer: str) -> int:
    """Return the index; raise `InvalidTargetsError` if it is not one of 0 to `size` − 1."""
    is_index = isinstance(index, int | np.integer) and not isinstance(index, bool)
    if not is_index or not 0 <= index < size:
        raise InvalidTargetsError(f"{what} {index} is out of range: {layer} has {size}, 0 to {size - 1}")
    return int(index)
