"""A network over a grid of pictures, each cell of which a copy of the user's network sees alone.

The score of a cell's class is that copy's logit, so that no pixel of another cell can have anything to do with it
("DiFull", Rao 2022, arXiv 2205.10435). The function over the whole grid cuts it into cells, replays the
user's network on each, and ends in the cells' probabilities, one softmax or sigmoid a cell; it is opened like a
SavedModel, so that methods find in it a network like any other. Its weights are the user's own, read live.

A layer of such a network is not one map, but one in each copy. So the maps of the one layer that is looked at are put
together as the cells lie, and each copy goes on from its own part of that: a map of the whole grid, which every path
from the image to the scores leads through. Methods that look at a layer find it there, as if one network saw the grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network import open_network
from tfviz.network.heads import Head
from tfviz.network.layers import FeatureMap
from tfviz.network.opening import TraceOptions
from tfviz.network.program import Value
from tfviz.network.replay import NONE, NOTHING, Change
from tfviz.network.traced import TracedNetwork

ASSEMBLED = "cells"
"""The name of the layer that holds the maps of all cells."""
IMAGE_AXES = (1, 2)


class GridModel:
    """A traced function over a grid, in the form of a loaded SavedModel; it holds the network that it was made of."""

    def __init__(self, network: TracedNetwork, function: Any) -> None:
        self.network = network
        self.signatures = {"serving_default": function}


def grid_network(network: TracedNetwork, side: int, size: tuple[int, ...], layer: FeatureMap | None) -> TracedNetwork:
    """Return the network of a grid of `side` times `side` pictures of a size (H, W, C), made once and kept.

    Its image is (N, side · H, side · W, C), channels last; its classes are those of the first cell, then those of the
    second and so on, row by row. layer: the one whose maps are put together as `ASSEMBLED`, if any.

    Raises `UnsupportedModelError` if the network takes other inputs beside the image, or ends in several softmaxes.
    """
    network.check_image_alone()
    if network.head.groups is not None:
        raise UnsupportedModelError("disconnected_grid needs the logits of one softmax, or of sigmoids, not of several")
    key = ("grid network", side, size, None if layer is None else layer.value)
    made: TracedNetwork = network.remember(key, lambda alone: _opened(alone, side, size, layer))
    return made


def can_be_assembled(network: TracedNetwork, layer: FeatureMap) -> bool:
    """Return whether the maps of a layer can be put together: tokens cannot, as they do not lie on a grid."""
    return layer.value in network.layer_index.maps


def _opened(network: TracedNetwork, side: int, size: tuple[int, ...], layer: FeatureMap | None) -> TracedNetwork:
    running = network.running
    plain = network.without_model()
    # Shortcuts are custom gradients, which the network over the grid would take for the model's own; it has its own.
    plain.running = replace(running, shortcuts=NONE)

    def scores(images: tf.Tensor) -> dict[str, tf.Tensor]:
        cells = _cut(images, side, IMAGE_AXES)
        changes = [NOTHING] * len(cells) if layer is None else _assembling(plain, cells, side, layer)
        logits = [
            plain.read_logits(plain.replay(cell, changed=each)) for cell, each in zip(cells, changes, strict=True)
        ]
        return {"probabilities": tf.concat([_probabilities(plain.head, each) for each in logits], axis=1)}

    height, width, channels = size
    images = tf.TensorSpec([None, side * height, side * width, channels], tf.float32, name="images")
    function = tf.function(scores, autograph=False, input_signature=[images]).get_concrete_function()
    # What the user's network does was judged when it was opened.
    options = TraceOptions(safe_mode=False, fast=running.fast, jit_compile=running.jit_compile)
    return open_network(GridModel(plain, function), options)


def _assembling(
    network: TracedNetwork, cells: Sequence[tf.Tensor], side: int, layer: FeatureMap
) -> list[Mapping[Value, Change]]:
    """Return for each cell what goes on in its copy: its part of the map that those of all cells make."""
    axes = network.layer_index.maps.axes(layer.value)
    maps = [network.replay(cell)[layer.value] for cell in cells]
    with tf.name_scope(ASSEMBLED):
        rows = [tf.concat(maps[first : first + side], axes[1]) for first in range(0, len(maps), side)]
        whole = tf.concat(rows, axes[0])
    return [{layer.value: partial(_instead, part)} for part in _cut(whole, side, axes)]


def _instead(part: tf.Tensor, computed: tf.Tensor) -> tf.Tensor:
    return part


def _cut(tensor: tf.Tensor, side: int, axes: Sequence[int]) -> list[tf.Tensor]:
    """Return the cells of a tensor, row by row; axes: its height and its width."""
    rows = tf.split(tensor, side, axes[0])
    return [cell for row in rows for cell in tf.split(row, side, axes[1])]


def _probabilities(head: Head, logits: tf.Tensor) -> tf.Tensor:
    """Return the probability (N, K) of each class, by one operation of all logits, as a head is read from."""
    if head.is_binary:
        return tf.sigmoid(tf.concat([-logits, logits], axis=1))
    return tf.sigmoid(logits) if head.are_log_odds else tf.nn.softmax(logits)
