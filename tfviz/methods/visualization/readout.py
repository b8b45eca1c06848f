"""Lays out the objectives of a batch, one per image, as a compiled function takes them, and reads their values.

Which layers are looked at is compiled; which class or channel of them, and how much it weighs, is given to each call,
so that one compiled function serves all channels of a layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfviz.methods.visualization.objectives import Objective, Term
from tfviz.methods.visualization.transformations import Movement
from tfviz.network.program import Value, compile_function
from tfviz.network.traced import TracedNetwork


class Place(NamedTuple):
    """What a kind of term reads: the layer with that path, or the logits if None. `number` counts equal places."""

    kind: type[Term]
    path: str | None
    number: int


class Share(NamedTuple):
    """Each image's part in a place: its weight (N,), 0 for none, and the numbers (N, k) of its term."""

    weights: np.ndarray | tf.Tensor
    numbers: np.ndarray | tf.Tensor


def lay_out(
    network: TracedNetwork, objectives: Sequence[Objective], image_shape: Sequence[int]
) -> tuple[tuple[Place, ...], tuple[Share, ...]]:
    """Return the places that the objectives read, and the share of each objective in them."""
    shares: dict[Place, Share] = {}
    shapes: dict[str | None, Sequence[int]] = {None: ()}
    for row, objective in enumerate(objectives):
        taken: Counter[tuple[type[Term], str | None]] = Counter()
        for weight, term in objective.weighted:
            path = None
            if hasattr(term, "layer"):
                path = network.find_layer(term.layer).path
                shapes[path] = shapes.get(path) or _map_shape(network, path, image_shape)
            numbers = term.numbers(network, shapes[path])
            place = Place(type(term), path, taken[type(term), path])
            taken[type(term), path] += 1
            if place not in shares:
                empty = np.zeros((len(objectives), *numbers.shape), numbers.dtype)
                shares[place] = Share(np.zeros(len(objectives), np.float32), empty)
            shares[place].weights[row] = weight
            shares[place].numbers[row] = numbers
    return tuple(shares), tuple(shares.values())


def read_out(
    network: TracedNetwork,
    tensors: dict[Value, tf.Tensor],
    places: Sequence[Place],
    shares: Sequence[Share],
    movement: Movement | None = None,
) -> tf.Tensor:
    """Return the value (N,) of each image's objective from the tensors of a replay.

    movement: how the images were moved, for terms that read one place.
    """
    total = 0.0
    for place, share in zip(places, shares, strict=True):
        if place.path is None:
            features = network.read_logits(tensors)
        else:
            layer = network.find_layer(place.path)
            features = layer.to_map(tf.cast(tensors[layer.value], tf.float32))
        total += share.weights * place.kind.read(network, features, share.numbers, movement)
    return total


def of_one_place(places: Sequence[Place], shares: Sequence[Share]) -> tf.Tensor | None:
    """Return for which images (N,) one place of a layer is read; None if for none."""
    found = [share.weights != 0 for place, share in zip(places, shares, strict=True) if place.kind.of_one_place]
    return tf.reduce_any(found, axis=0) if found else None


def _map_shape(network: TracedNetwork, path: str, image_shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape (h, w, c) of a layer's map for images of a shape."""
    layer = network.find_layer(path)
    if None in layer.shape:
        images = tf.TensorSpec([None, *image_shape])
        traced = compile_function(lambda images: layer.to_map(network.replay(images)[layer.value]), images=images)
        return tuple(traced.output_shapes[1:])
    return tuple(size for size in layer.shape if size is not None)
