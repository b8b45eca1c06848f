"""Steps that slide over maps: convolutions and poolings, and the padding before them.

They are run without padding on what their windows read: around a window that is the map of the image without a patch,
and outside of the map what the padding means, 0 for a convolution and −∞ for a maximum. A mean is taken over what lies
on the map alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfviz.network.geometry import Sliding, sliding
from tfviz.network.incremental.local import Known, Local
from tfviz.network.incremental.spans import Span
from tfviz.network.incremental.windows import Read, Window, Windows
from tfviz.network.program import Step, Tensors, run_operation

CONVOLUTIONS = frozenset({"Conv2D", "DepthwiseConv2dNative"})
OUTSIDE = {"MaxPool": -np.inf, "AvgPool": 0.0}
"""What the padding of a pooling means."""
UNPADDED = {"padding": "VALID", "explicit_paddings": []}


def convolution(step: Step, known: Known) -> Local | None:
    """Return how a convolution is run whose kernel is the same for all images."""
    if not known.same_everywhere(step.inputs[1]):
        return None
    return _slid(step, known, lambda inputs: run_operation(step, inputs, UNPADDED))


def pooling(step: Step, known: Known) -> Local | None:
    """Return how a maximum or mean over places, channel by channel, is run."""
    ksize, strides = (step.operation.get_attr(name) for name in ("ksize", "strides"))
    if (ksize[0], ksize[3], strides[0], strides[3]) != (1, 1, 1, 1):
        return None
    fill = OUTSIDE[step.type]
    return _slid(step, known, lambda inputs: run_operation(step, inputs, UNPADDED), fill)


def _slid(step: Step, known: Known, run_on: Callable[[Tensors], Tensors], fill: float = 0.0) -> Local | None:
    """Return how a step is run whose windows slide over its first input, padded with `fill`."""
    source, result = step.inputs[0], step.outputs[0]
    if not (source in known.windows and source.shape[1:3].is_fully_defined() and result.shape[1:].is_fully_defined()):
        return None
    slides = [sliding(step, axis, (source.shape[axis], result.shape[axis])) for axis in (1, 2)]
    own = known.windows[source]
    spans = [span.after(slide, result.shape[axis]) for span, slide, axis in zip(own, slides, (1, 2), strict=True)]
    window = Window(*spans)
    reads = [_read_by(span, slide) for span, slide in zip(spans, slides, strict=True)]
    is_padded = any(_leaves(read, span) for read, span in zip(reads, own, strict=True))
    is_own = all(_is_own(read, span) for read, span in zip(reads, own, strict=True))
    counted = _counted(slides, window, own) if step.type == "AvgPool" and is_padded else None

    def run(windows: Windows) -> Tensors:
        image = windows.changed[source] if is_own else windows.read(source, reads, fill if is_padded else None)
        results = run_on(step.taking([image, *(windows[value] for value in step.inputs[1:])]))
        return results if counted is None else [results[0] * counted(windows)]

    return Local(window, run, () if is_own else (source,))


def _read_by(span: Span, slide: Sliding) -> Read:
    """Return the places of the input that the places of a result read."""
    return Read(span.start * slide.stride - slide.before, (span.length - 1) * slide.stride + slide.reach + 1)


def _leaves(read: Read, span: Span) -> bool:
    return bool((read.first < 0).any() or (read.first + read.length > span.axis).any())


def _is_own(read: Read, span: Span) -> bool:
    return read.length == span.length and np.array_equal(read.first, span.start)


def _counted(slides: list[Sliding], window: Window, own: Window) -> Callable[[Windows], tf.Tensor]:
    """Return what makes means over all places that were read to means over those on the map, as an average pooling has.

    The factor for each place of a result is the size of the kernel by how much of it lies on the map.
    """
    tables = []
    for slide, span, axis in zip(slides, window, (own.rows.axis, own.columns.axis), strict=True):
        places = (span.start[:, np.newaxis] + np.arange(span.length)) * slide.stride - slide.before
        on_map = np.minimum(places + slide.size, axis) - np.maximum(places, 0)
        tables.append(slide.size / on_map)

    def factor(windows: Windows) -> tf.Tensor:
        by_row = tf.gather(tf.constant(tables[0], tf.float32), windows.rows)[:, :, tf.newaxis, tf.newaxis]
        by_column = tf.gather(tf.constant(tables[1], tf.float32), windows.columns)[:, tf.newaxis, :, tf.newaxis]
        return tf.tile(by_row * by_column, [windows.count, 1, 1, 1])

    return factor


def padded(step: Step, known: Known) -> Local | None:
    """Return how a map is padded with a constant: the window moves, and what is padded is not in it."""
    source, result = step.inputs[0], step.outputs[0]
    paddings = known.constants.find(step.inputs[1])
    if source not in known.windows or paddings is None or paddings[0].any() or not result.shape[1:3].is_fully_defined():
        return None
    own = known.windows[source]
    spans = [span.shifted(int(paddings[axis][0]), result.shape[axis]) for axis, span in zip((1, 2), own, strict=True)]
    if any(span.length != before.length for span, before in zip(spans, own, strict=True)):
        return None
    kept = np.where(np.arange(len(paddings))[:, np.newaxis] < 3, 0, paddings)

    def run(windows: Windows) -> Tensors:
        others = [windows[value] for value in step.inputs[2:]]
        return run_operation(step, [windows.changed[source], tf.constant(kept, step.inputs[1].dtype), *others])

    return Local(Window(*spans), run)
