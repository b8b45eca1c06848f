"""The least that a network's arithmetic can take: its multiply-adds at the machine's own rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

import tfviz

SIDE = 1536  # of the square matrices
MAP, CHANNELS, IMAGES = 56, 128, 8  # of the 3x3 convolution
RATES = {"matmul": SIDE**3, "convolution": IMAGES * MAP * MAP * CHANNELS * CHANNELS * 9}
"""The multiply-adds of what measures the machine."""


def multiply_adds(network: tfviz.TracedNetwork) -> int:
    """Return those of the forward pass of one image: convolutions and matrix products.

    The gradient with respect to the image takes as many again, since each is a sum of the same products.
    """
    return sum(count(step) for step in network.program.all_steps())


def count(step: Any) -> int:
    """Return the multiply-adds of one operation for one image."""
    made, read = step.outputs[0].shape if step.outputs else None, [value.shape for value in step.inputs]
    if step.type == "Conv2D":
        return int(np.prod(made[1:]) * np.prod(read[1][:3]))
    if step.type == "DepthwiseConv2dNative":
        return int(np.prod(made[1:]) * np.prod(read[1][:2]))
    if step.type == "MatMul":
        return int(made[1] * read[1][1 if step.operation.get_attr("transpose_b") else 0])
    return 0


def rate(name: str) -> Callable[[], Any]:
    """Return the work of `RATES` under a name, compiled."""
    random = np.random.default_rng(0).standard_normal
    if name == "matmul":
        first, second = (tf.constant(random((SIDE, SIDE)), tf.float32) for _ in range(2))
        compiled = tf.function(tf.matmul)
    else:
        first = tf.constant(random((IMAGES, MAP, MAP, CHANNELS)), tf.float32)
        second = tf.constant(random((3, 3, CHANNELS, CHANNELS)), tf.float32)
        compiled = tf.function(lambda images, kernel: tf.nn.conv2d(images, kernel, 1, "SAME"))
    return lambda: compiled(first, second).numpy()[:1]
