"""Faster input gradients of convolutions on a CPU, equal to TensorFlow's own up to rounding.

Which one is taken follows from the static shapes alone, by the table that `scripts/kernels.py` measures. 1x1
convolutions are matrix products. The input gradient of a network's first convolution is TensorFlow's slowest kernel (10
of 34 ms on SqueezeNet); as a forward convolution that makes several pixels at once, by phases, it takes 3 ms. A
convolution with the rotated kernel lost on all layers of five networks, since the kernel is transposed in each call.

All others keep TensorFlow's own: larger kernels on more than `FEW_CHANNELS`, or with a dilation or strides that differ
by axis; groups, channels first, open sizes; and types shorter than float32, in which the order of sums costs digits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfviz.network.program import Step
from tfviz.network.replay.rules import Backward

ATTRIBUTES = ("strides", "padding", "explicit_paddings", "data_format", "dilations")
FEW_CHANNELS = 4
"""Input channels up to which a convolution's input gradient is faster as phases: those of the first layer."""


def convolution_gradient(step: Step, shape: tf.TensorShape, kernel: tf.Tensor) -> Backward | None:
    """Return the faster input gradient of a convolution on images of that shape, None if TensorFlow's is as fast.

    shape: (N, H, W, c) of the images, or of the part of a concatenation that `kernel` (height, width, c, filters) is
    for; N may be open. The result maps an upstream gradient (N, h, w, filters) to one of that shape.
    """
    if step.type != "Conv2D" or not is_exact(step):
        return None
    strides, dilations = (step.operation.get_attr(name)[1:3] for name in ("strides", "dilations"))
    known = shape[1:].is_fully_defined() and kernel.shape.is_fully_defined()
    if step.operation.get_attr("data_format") != b"NHWC" or not known or shape[3] != kernel.shape[2]:
        return None
    if is_pointwise(step):
        return pointwise_gradient(shape, kernel, strides)
    if shape[3] <= FEW_CHANNELS and strides[0] == strides[1] and dilations == [1, 1]:
        padding = paddings(step, shape, kernel.shape)
        return phase_gradient(shape, kernel, strides[0], padding, max(2, strides[0]))
    return None


def is_exact(step: Step) -> bool:
    """Return whether a step's result is precise enough for its sums to be taken in another order."""
    return step.outputs[0].dtype in (tf.float32, tf.float64)


def is_pointwise(step: Step) -> bool:
    """Return whether a Conv2D has a kernel of 1x1 pixels and no padding."""
    return bool(step.inputs[1].shape[:2] == (1, 1)) and step.operation.get_attr("padding") != b"EXPLICIT"


def own_gradient(step: Step, shape: tf.Tensor, kernel: tf.Tensor) -> Backward:
    """Return TensorFlow's own input gradient of a convolution of any kind, with another kernel.

    shape: that of the images, as an int32 tensor, since it may be open. step: a `Conv2D` or `DepthwiseConv2dNative`.
    """
    function = (
        tf.raw_ops.Conv2DBackpropInput if step.type == "Conv2D" else tf.raw_ops.DepthwiseConv2dNativeBackpropInput
    )
    attributes = {name: step.operation.get_attr(name) for name in ATTRIBUTES}

    def backward(upstream: tf.Tensor) -> tf.Tensor:
        return function(input_sizes=shape, filter=kernel, out_backprop=upstream, **attributes)

    return backward


def pointwise_gradient(shape: tf.TensorShape, kernel: tf.Tensor, strides: Sequence[int]) -> Backward:
    """Return the input gradient of a 1x1 convolution on images (N, H, W, c): a matrix product.

    Behind a stride, the pixels that the convolution leaves out get zeros.
    """
    _, height, width, channels = shape

    def backward(upstream: tf.Tensor) -> tf.Tensor:
        """Multiply by the transposed kernel, then put the pixels `strides` apart, zeros right of and below each."""
        rows, columns, filters = upstream.shape[1:]
        matrix = tf.reshape(kernel, [channels, filters])
        found = tf.matmul(tf.reshape(upstream, [-1, filters]), matrix, transpose_b=True)
        if tuple(strides) == (1, 1):
            return tf.reshape(found, [-1, height, width, channels])
        apart = tf.reshape(found, [-1, rows, 1, columns, 1, channels])
        apart = tf.pad(apart, [[0, 0], [0, 0], [0, strides[0] - 1], [0, 0], [0, strides[1] - 1], [0, 0]])
        spread = tf.reshape(apart, [-1, rows * strides[0], columns * strides[1], channels])
        return spread[:, :height, :width]

    return backward


def phase_gradient(
    shape: tf.TensorShape, kernel: tf.Tensor, stride: int, padding: Sequence[int], block: int
) -> Backward:
    """Return the input gradient of a convolution as a forward convolution that makes `block` x `block` pixels at once.

    A padded pixel p = block · q + r gets, from each output i, the kernel's row p − stride · i: with
    i = (block / stride) · q + t that is r − stride · t, the same for all q. So the gradient is a convolution over t of
    stride block / stride with a filter for each r, whose results are put in their places. `padding` is that before the
    first row and column. With a block of 1 this is the convolution with the rotated kernel.
    """
    kernel_height, kernel_width, channels, filters = kernel.shape
    last = (block - 1) // stride
    first = [-((side - 1) // stride) for side in (kernel_height, kernel_width)]
    taps = _taps((kernel_height, kernel_width), stride, block, first, last)
    blocks = [-(-(size + before) // block) for size, before in zip(shape[1:3], padding, strict=True)]

    def backward(upstream: tf.Tensor) -> tf.Tensor:
        """Gather the filters of all phases from the kernel, convolve, and move the phases from channels to places."""
        # The last pixel, of zeros, stands for all taps outside the kernel. Whole pixels are gathered: a constant with a
        # place for each single weight would be larger than the kernel, in each function that is exported.
        known = tf.reshape(kernel, [-1, channels, filters])
        pixels = tf.concat([known, tf.zeros([1, channels, filters], kernel.dtype)], axis=0)
        found = tf.transpose(tf.gather(pixels, taps), [0, 1, 5, 2, 3, 4])
        weights = tf.reshape(found, [*taps.shape[:2], filters, -1])
        step = block // stride
        after = [
            max(0, step * (count - 1) + last - (size - 1))
            for count, size in zip(blocks, upstream.shape[1:3], strict=True)
        ]
        around = [[0, 0], [-first[0], after[0]], [-first[1], after[1]], [0, 0]]
        phases = tf.nn.conv2d(upstream, weights, step, around)[:, : blocks[0], : blocks[1]]
        spread = phases if block == 1 else tf.nn.depth_to_space(phases, block)
        return spread[:, padding[0] : padding[0] + shape[1], padding[1] : padding[1] + shape[2]]

    return backward


def _taps(size: tuple[int, int], stride: int, block: int, first: Sequence[int], last: int) -> np.ndarray:
    """Return the number of the kernel's pixel that each of the phases (t, u, block, block) reads.

    size: (height, width) of the kernel. first, last: the range of t, by axis and for both. Pixels are numbered row by
    row; the number after the last stands for a tap outside the kernel, which is zero.
    """
    offsets = []
    for axis in (0, 1):
        taps, phases = np.arange(first[axis], last + 1), np.arange(block)
        offsets.append(phases - stride * taps[:, np.newaxis])
    row, column = offsets[0][:, None, :, None], offsets[1][None, :, None, :]
    inside = (row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1])
    return np.where(inside, row * size[1] + column, np.prod(size)).astype(np.int32)


def paddings(step: Step, shape: tf.TensorShape, kernel_shape: tf.TensorShape) -> list[int]:
    """Return how many rows and columns of zeros a convolution puts before its images (N, H, W, c).

    With `SAME`, the smaller half of the padding lies in front, as TensorFlow documents; dilations are not accounted
    for, since a dilated convolution takes no phases.
    """
    operation = step.operation
    padding, strides = operation.get_attr("padding"), operation.get_attr("strides")
    if padding == b"VALID":
        return [0, 0]
    if padding == b"EXPLICIT":
        return list(operation.get_attr("explicit_paddings")[2:6:2])
    found = []
    for axis in (1, 2):
        count = -(-shape[axis] // strides[axis])
        found.append(max(0, (count - 1) * strides[axis] + kernel_shape[axis - 1] - shape[axis]) // 2)
    return found
