"""Estimates how many images fit into memory at once.

The bytes of all values of one image, as their shapes tell them, are compared with a budget (`AFFORDED`). Nothing is
run; only a network that leaves its size open is traced, to see its shapes. As every such measurement stays in
TensorFlow's memory, it is made for a square of the next power of two and scaled by the area.

This is an estimate and not a model of TensorFlow's allocator, which frees most values on the way. It is good enough for
its use: chunks of loops are made smaller than `batch_size` where a large network or image would not fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from tfviz.network.program import compile_function
from tfviz.network.traced import TracedNetwork

AFFORDED = 1_600_000_000
"""The bytes of all values of the images that a loop runs at once. Most are freed on the way: 9 images on VGG16 peak at
0.2 GB, 14 on MobileNetV2 at 0.5 GB; twice as many are 4 % faster."""


def affordable(network: TracedNetwork, shape: Sequence[int]) -> int:
    """Return how many images (H, W, C) of a shape can be run at once, forward and backward, in `AFFORDED` bytes.

    The network remembers what was measured. What is needed grows with the area or, with attention, faster: then it is
    overestimated for images smaller than the square that was measured.
    """
    shape = tuple(shape)
    side = 1 << (max(shape[:2]) - 1).bit_length()
    rounded = tuple(side if size is None else size for size in network.image_shape[:2]) + shape[2:]
    with network.lock:
        try:
            needed = _needed(network, rounded) * math.prod(shape[:2]) / math.prod(rounded[:2])
        except (tf.errors.OpError, ValueError):  # it does not take images of that size
            needed = _needed(network, shape)
    return max(1, int(AFFORDED // max(1, needed)))


def affordable_batch(network: TracedNetwork) -> int | None:
    """Return how many images a batch may have of which every value is kept; None if the network leaves sizes open."""
    sizes = [size for size in network.image_shape if size is not None]
    return affordable(network, sizes) if len(sizes) == len(network.image_shape) else None


def _needed(network: TracedNetwork, shape: tuple[int, ...]) -> int:
    """Return the bytes of all values of an image of a shape."""
    known = network.needed_bytes
    if shape not in known:
        known[shape] = _measured(network, shape)
    return known[shape]


def _measured(network: TracedNetwork, shape: tuple[int, ...]) -> int:
    """Return the bytes of the values of one image (H, W, C), weights left out; sizes still open count as nothing."""
    depending = network.program.depending_on([network.image])
    shapes = {value: value.shape for value in depending}
    if None in network.image_shape:
        # Shapes that the model leaves open follow when it is traced for this size.
        spec, extra_inputs = tf.TensorSpec([1, *shape], tf.float32), network.trial_extra_inputs()

        def measure(images: tf.Tensor) -> None:
            tensors = network.replay(images, extra_inputs)
            shapes.update({value: tensors[value].shape for value in depending})

        compile_function(measure, images=spec)
    return sum(value.dtype.size * (shapes[value][1:].num_elements() or 0) for value in depending)
