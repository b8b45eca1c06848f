"""Lays the maps of a layer on the image, where their cells lie.

The field stretches a map over the whole image. That is wrong if the model crops, pads, flips or transposes on the way;
`tfviz.network.geometry` knows it as a `Placement`, a line for each axis, and the map is then laid by two matrices, rows
and columns. If the way cannot be followed (a rotation, a random crop), the map is stretched and a warning names the
operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf

from tfviz.methods.engine.checks import one_of
from tfviz.network.geometry import Line, Placement
from tfviz.network.passes import Passes
from tfviz.network.program import Value

Convention = Literal["convention", "receptive_field"]
PLACING: Mapping[str, Any] = {"placement": one_of("convention", "receptive_field")}
"""The check of the option `placement`."""


def placed_if(upsample: bool, passes: Passes, maps: tf.Tensor, layer: str | None, placement: Convention) -> tf.Tensor:
    """Return maps (N, h, w) of a layer, at the size of the image if `upsample` is true."""
    return placed(passes, maps[..., tf.newaxis], layer, placement)[..., 0] if upsample else maps


def placed(passes: Passes, maps: tf.Tensor, layer: str | None, placement: Convention = "convention") -> tf.Tensor:
    """Return maps (N, h, w, k) of a layer at the size of the image, where the layer's cells lie."""
    found = placement_of(passes, passes.layers.find(layer).value)
    return at_image_size(passes, maps, found, exactly=placement == "receptive_field")


def placement_of(passes: Passes, value: Value) -> Placement | None:
    """Return where on the image the cells of a map lie; None, with a warning, if that is not known."""
    found = passes.layers.placement_of(value)
    if found is None:
        passes.say(f"maps are stretched over the whole image, since {passes.layers.unplaced_because(value)}")
    return found


def at_image_size(passes: Passes, maps: tf.Tensor, placement: Placement | None, *, exactly: bool = False) -> tf.Tensor:
    """Return maps (N, h, w, k) at the size of the images, bilinear with half-pixel centres.

    They are stretched over the whole image, as the field does, unless that puts a cell more than one cell beside where
    it belongs, or `exactly` asks for the centres of the cells' receptive fields. If that depends on the image's size,
    and the model leaves it open, it is decided in the graph.
    """
    size = tf.shape(passes.images)[1:3]
    if placement is None or (placement.is_stretched and not exactly):
        return tf.image.resize(maps, size)
    lines = placement.height, placement.width
    sizes = [tf.cast(each, tf.float32) for each in (tf.shape(maps)[1:3], size)]
    rows, columns = (_weights(line, sizes[0][axis], sizes[1][axis]) for axis, line in enumerate(lines))
    if placement.is_stretched is not None or exactly:
        return tf.einsum("yi,nijk,xj->nyxk", rows, maps, columns)
    near = [line.is_near(sizes[0][axis], sizes[1][axis]) for axis, line in enumerate(lines)]
    return tf.cond(
        near[0] & near[1],
        lambda: tf.image.resize(maps, size),
        lambda: tf.einsum("yi,nijk,xj->nyxk", rows, maps, columns),
    )


def _weights(line: Line, cells: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """Return the weight of each cell in each pixel, (pixels, cells).

    A pixel lies between the two nearest cells, or takes the last one beyond the ends; what was not seen is zero.
    """
    places = tf.range(pixels)
    at = tf.clip_by_value((places - line.first) / line.step, 0, cells - 1)
    weights = tf.nn.relu(1 - tf.abs(at[:, tf.newaxis] - tf.range(cells)))
    if line.seen is None:
        return weights
    is_seen = (places > line.seen[0]) & (places < line.seen[1])
    return weights * tf.cast(is_seen, tf.float32)[:, tf.newaxis]
