"""The input gradient of a max pooling by comparisons, for a stride of 1.

The gradient of each window goes to the first place that equals its maximum, found along the rows and then within the
row. Inside a network TensorFlow's own gradient is oneDNN's, which takes 0.7 of the time of comparisons even if XLA
compiles these; with a stride of 1 no value has to be moved and comparisons win, as `scripts/kernels.py` measures.

Taking a window of k x k apart needs about 2 k comparisons instead of k². It is exact: of equal maxima one alone gets
the gradient, the first row by row, so that the sum over a window is that of the upstream gradient. The arithmetic holds
for any stride; `is_faster_by_masks` is what limits it.
"""

from __future__ import annotations

import tensorflow as tf

from tfviz.network.program import Step
from tfviz.network.replay.rules import Backward


def is_faster_by_masks(step: Step) -> bool:
    """Return whether comparisons find the input gradient of a MaxPool faster than TensorFlow's own kernel.

    They do with a stride of 1, as no value has to be moved then.
    """
    get, shape = step.operation.get_attr, step.inputs[0].shape
    windows = list(get("strides")) == [1, 1, 1, 1] and get("ksize")[3] == 1
    is_known = shape.rank == 4 and shape[1:].is_fully_defined() and get("padding") != b"EXPLICIT"
    return bool(is_known and windows and get("data_format") == b"NHWC")


def max_pool_gradient(step: Step, images: tf.Tensor, pooled: tf.Tensor) -> Backward:
    """Return the input gradient of a MaxPool of images (N, H, W, C) of known size.

    Of equal maxima the first of the window, row by row, gets the gradient, as in TensorFlow's kernel. The window is
    taken apart: first over the rows, where the first row that holds the maximum gets the gradient, then within it.
    """
    sizes, strides = (step.operation.get_attr(name)[1:3] for name in ("ksize", "strides"))
    padding = step.operation.get_attr("padding").decode()
    within = tf.nn.max_pool2d(images, [1, sizes[1]], [1, strides[1]], padding)

    def backward(upstream: tf.Tensor) -> tf.Tensor:
        rows = _along(1, within, pooled, upstream, (sizes[0], strides[0]))
        return _along(2, images, within, rows, (sizes[1], strides[1]))

    return backward


def _along(axis: int, values: tf.Tensor, maxima: tf.Tensor, upstream: tf.Tensor, window: tuple[int, int]) -> tf.Tensor:
    """Return the gradient of the maxima over a window (size, stride) along one axis.

    values: (N, H, W, C). maxima, upstream: the maximum of each window and the gradient of it, with a place along the
    axis for each window. The first offset in the window at which the maximum stands takes the gradient; the last one
    gets what is left. Then the shares of all windows that hold a value are added up.
    """
    (size, stride), length, count = window, values.shape[axis], maxima.shape[axis]
    span = stride * (count - 1) + size
    # Without padding, values of no window lie at the end; with padding, the smaller half of it lies in front.
    before = max(0, span - length) // 2
    padded = _padded(values, axis, before, max(0, span - before - length), values.dtype.min)
    shares, rest = [], upstream
    for offset in range(size - 1):
        taken = _every(padded, axis, offset, stride, count)
        shares.append(tf.where(taken == maxima, rest, tf.zeros([], rest.dtype)))
        rest -= shares[-1]
    shares.append(rest)
    # Window i holds the values stride · i + offset: those of one phase lie stride apart, and phases do not overlap.
    turns = -(-size // stride)

    def moved(offset: int) -> tf.Tensor:
        return _padded(shares[offset], axis, offset // stride, turns - 1 - offset // stride, 0)

    empty = tf.zeros_like(_padded(rest, axis, 0, turns - 1, 0))
    phases = [tf.add_n([moved(offset) for offset in range(phase, size, stride)] or [empty]) for phase in range(stride)]
    woven = tf.stack(phases, axis=axis + 1)
    shape = tf.concat([tf.shape(rest)[:axis], [(count + turns - 1) * stride], tf.shape(rest)[axis + 1 :]], axis=0)
    found = tf.reshape(woven, shape)
    found = _padded(found, axis, 0, max(0, before + length - (count + turns - 1) * stride), 0)
    return _every(found, axis, before, 1, length)


def _padded(tensor: tf.Tensor, axis: int, before: int, after: int, value: float) -> tf.Tensor:
    """Return a tensor (N, H, W, C) with places of a value added before and after along one axis."""
    if not before and not after:
        return tensor
    paddings = [[before, after] if each == axis else [0, 0] for each in range(4)]
    return tf.pad(tensor, paddings, constant_values=tf.cast(value, tensor.dtype))


def _every(tensor: tf.Tensor, axis: int, first: int, stride: int, count: int) -> tf.Tensor:
    """Return `count` values along an axis from the `first` on, `stride` apart."""
    index = [slice(None)] * 4
    index[axis] = slice(first, first + stride * (count - 1) + 1, stride)
    return tensor[tuple(index)]
