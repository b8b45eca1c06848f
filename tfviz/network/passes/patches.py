"""The passes of images with a patch at each of many places, which hides what lies under it.

A patch changes a window of each feature map, and all else is that of the image without it. So on CPUs the network is
run on windows where that is less work (`network.incremental`), to the same numbers up to rounding. Otherwise, and if
the size of the images is open, each image is run whole.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfviz.network.incremental import Incremental, plan_windows
from tfviz.network.passes.passes import Passes, repeated
from tfviz.network.program import Value, is_batch


class Patches:
    """A square patch at places of a grid that covers the images (N, H, W, C), the last of an axis at its end.

    count: how many places there are, numbered row by row.
    """

    def __init__(self, passes: Passes, side: int | None, step: int | None, shown: tf.Tensor) -> None:
        """Lay the grid.

        side: height and width of the patch; None is a seventh of the image's shorter side. step: pixels between two
        places; None is half the side. shown: what the patch shows, (N or 1, 1, 1, C or 1).
        """
        self._passes, self._shown = passes, shown
        sizes = passes.images.shape[1:3]
        self._sizes = [*sizes] if sizes.is_fully_defined() else [*tf.unstack(tf.shape(passes.images)[1:3])]
        self._side = _at_least_one(_smallest(*self._sizes) // 7) if side is None else side
        self._step = _at_least_one(self._side // 2) if step is None else step
        self._places = [1 + -(-(size - self._side) // self._step) for size in self._sizes]
        self.count = self._places[0] * self._places[1]
        self._incremental = self._on_windows() if sizes.is_fully_defined() else None

    def hidden(self, items: tf.Tensor) -> tf.Tensor:
        """Return which pixels (k, H, W) the patch hides at the places of the numbers (k,): 1, else 0."""
        inside = []
        for size, place in zip(self._sizes, self._divided(items), strict=True):
            start = tf.minimum(place * self._step, size - self._side)[:, tf.newaxis]
            pixel = tf.range(size)[tf.newaxis]
            inside.append(tf.cast((pixel >= start) & (pixel < start + self._side), tf.float32))
        return inside[0][:, :, tf.newaxis] * inside[1][:, tf.newaxis, :]

    def probabilities(self, items: tf.Tensor) -> tf.Tensor:
        """Return the probability of each target with the patch at each of the places (k,): (N, k)."""
        passes, count = self._passes, tf.size(items)
        images, targets = passes.images, tf.repeat(passes.targets, count)
        if self._incremental is None:
            mask = self.hidden(items)[tf.newaxis, ..., tf.newaxis]
            hidden = images[:, tf.newaxis] * (1 - mask) + self._shown[:, tf.newaxis] * mask
            found = passes.again(tf.reshape(hidden, tf.concat([[-1], tf.shape(images)[1:]], 0)), targets).probabilities
        else:
            rows, columns = self._divided(items)
            shape = [tf.shape(images)[0], self._side, self._side, images.shape[3]]
            pixels = tf.repeat(tf.broadcast_to(self._shown, shape), count, axis=0)
            tensors = self._incremental.run(self._arguments(pixels, count), rows, columns)
            found = passes.probability(passes.network.read_logits(tensors), targets)
        return tf.reshape(found, [-1, count])

    def _on_windows(self) -> Incremental | None:
        """Return how the network is run on windows; None if it should not be, or that is no less work."""
        passes, network = self._passes, self._passes.network
        if passes.tensors is None or not network.running.fast:
            return None
        starts = [
            np.minimum(np.arange(count) * self._step, size - self._side)
            for count, size in zip(self._places, self._sizes, strict=True)
        ]
        differing = [*self._arguments(passes.images, 1)]
        results = [*network.head.sources, *network.outputs.values]
        plan = plan_windows(network.program, differing, results, (self._side, self._side), starts)
        return None if plan is None else Incremental(plan, passes.tensors, tf.shape(passes.images)[0])

    def _arguments(self, images: tf.Tensor, count: tf.Tensor | int) -> dict[Value, tf.Tensor]:
        """Return the arguments of the network that differ between rows, of which there are `count` for each image."""
        network = self._passes.network
        given = network.inputs.arguments(images, repeated(network, self._passes.extra_inputs, count))
        same = {
            value for name, value in network.inputs.extra_inputs.items() if not is_batch(network.extra_inputs[name])
        }
        return {value: tensor for value, tensor in given.items() if value not in same}

    def _divided(self, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the row and the column in the grid of the places of the numbers (k,)."""
        return items // self._places[1], items % self._places[1]


def _smallest(*sizes: tf.Tensor | int) -> tf.Tensor | int:
    return min(sizes) if all(isinstance(size, int) for size in sizes) else tf.reduce_min(sizes)


def _at_least_one(size: tf.Tensor | int) -> tf.Tensor | int:
    return max(1, size) if isinstance(size, int) else tf.maximum(1, size)
