"""Readings of operations that look through windows: convolutions, poolings, blocks, resizing.

A place of the result stands for the centre of its window, in places of the input: stride · i − padding + reach / 2,
where the reach is that of the dilated kernel; a transposed convolution reads the other way round. Resizing reads as its
attributes say; a nearest place, and an area, stand for the whole cell that they are spread over.

These are the centres of receptive fields, one operation at a time (Araujo, Norris and Sim, "Computing receptive fields
of convolutional neural networks", Distill 2019). The weights in a window are not looked at: a kernel that is zero
except in one corner looks there, and its place is still given as the centre. Padding moves no place: the padded part
lies where the image would go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfviz.network.geometry.constants import Constants
from tfviz.network.geometry.coordinates import Reading
from tfviz.network.program import Step

# The kinds of operations, which have the size of their window in different inputs or attributes.
CONVOLUTIONS = frozenset({"Conv", "Conv2D", "Conv3D", "DepthwiseConv2dNative", "Dilation2D"})
POOLINGS = frozenset({"AvgPool", "AvgPool3D", "MaxPool", "MaxPool3D", "MaxPoolWithArgmax"})
PATCHES = frozenset({"ExtractImagePatches"})
TRANSPOSED = frozenset({"Conv2DBackpropInput", "DepthwiseConv2dNativeBackpropInput"})
RESIZES = frozenset({"ResizeArea", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor"})
BLOCKS = frozenset({"DepthToSpace", "SpaceToDepth"})
BLOCKS_OF_BATCH = frozenset({"BatchToSpaceND", "SpaceToBatchND"})
SCALING = frozenset({"ScaleAndTranslate"})
WINDOWS = CONVOLUTIONS | POOLINGS | PATCHES | TRANSPOSED | RESIZES | BLOCKS | BLOCKS_OF_BATCH | SCALING


def readings(step: Step, constants: Constants) -> tuple[int, dict[int, Reading]] | None:
    """Return the input that a step of `WINDOWS` reads, and how the result reads each of its axes; None if unknown.

    The input is given by its number among the step's inputs: a transposed convolution is given its images last. The
    axes of the batch and of the channels are left out. Unknown is what has open sizes, or arguments that are not
    constant.
    """
    index = 2 if step.type in TRANSPOSED else 0
    source, result = step.inputs[index].shape, step.outputs[0].shape
    if source.rank is None or result.rank != source.rank or not (_known(source) and _known(result)):
        return None
    found: dict[int, Reading] = {}
    for axis in range(1, source.rank):
        if axis != _channels(step, source.rank):
            reading = _reading(step, axis, (source[axis], result[axis]), constants)
            if reading is None:
                return None
            found[axis] = reading
    return index, found


def _reading(step: Step, axis: int, sizes: tuple[int, int], constants: Constants) -> Reading | None:
    """Return how a result reads an axis of its source; sizes: of the source and of the result along it."""
    places = np.arange(sizes[1], dtype=np.float64)
    if step.type in RESIZES:
        return Reading(_resized(step, places, *sizes), axis, sizes[0] / sizes[1])
    if step.type in SCALING:
        return _scaled(step, axis, places, constants)
    if step.type in BLOCKS:
        block = int(step.operation.get_attr("block_size"))
        scale = block if step.type == "SpaceToDepth" else 1 / block
        return Reading((places + 0.5) * scale - 0.5, axis, scale)
    if step.type in BLOCKS_OF_BATCH:
        return _of_batch(step, axis, places, constants)
    window = sliding(step, axis, sizes)
    if step.type in TRANSPOSED:
        return Reading((places + window.before - window.reach / 2) / window.stride, axis, 1 / window.stride)
    return Reading(places * window.stride - window.before + window.reach / 2, axis, window.stride)


@dataclass(frozen=True)
class Sliding:
    """A window that slides along an axis: its size in places of the kernel, and stride, dilation and padding in front.

    Place i of the result reads the places stride · i − before + dilation · j of the input, for j from 0 below size; a
    transposed convolution reads the other way round.
    """

    size: int
    stride: int = 1
    dilation: int = 1
    before: int = 0

    @property
    def reach(self) -> int:
        """The places from the first that is read to the last."""
        return (self.size - 1) * self.dilation


def sliding(step: Step, axis: int, sizes: tuple[int, int]) -> Sliding:
    """Return the window of a convolution or a pooling along an axis; sizes: of its input and of its result along it.

    A kernel has no axis for the batch and its spatial axes first, so its axis is one less, or two with channels first.
    """
    attributes = step.operation.node_def.attr
    stride = _listed(step, "strides", axis)
    dilation = _listed(step, next((name for name in ("dilations", "rates") if name in attributes), ""), axis)
    if step.type in POOLINGS | PATCHES:
        size = _listed(step, "ksize" if "ksize" in attributes else "ksizes", axis)
    else:
        spatial = axis - (1 if _channels(step, len(step.inputs[0].shape)) != 1 else 2)
        size = int(step.inputs[1].shape[spatial] or 1)
    padded, places = reversed(sizes) if step.type in TRANSPOSED else sizes
    return Sliding(size, stride, dilation, _before(step, axis, (padded, places), ((size - 1) * dilation, stride)))


def _listed(step: Step, name: str, axis: int) -> int:
    if not name:
        return 1
    return int(step.operation.get_attr(name)[axis])


def _before(step: Step, axis: int, sizes: tuple[int, int], window: tuple[int, int]) -> int:
    """Return how many places a step pads an axis with in front; sizes: of what is padded, and of the result."""
    padding, (reach, stride) = step.operation.get_attr("padding"), window
    if padding == b"EXPLICIT":
        return int(step.operation.get_attr("explicit_paddings")[2 * axis])
    return max((sizes[1] - 1) * stride + reach + 1 - sizes[0], 0) // 2 if padding == b"SAME" else 0


def _resized(step: Step, places: np.ndarray, before: int, after: int) -> np.ndarray:
    """Return which places of an axis of size `before` the `places` of one of size `after` stand for."""
    attributes: Mapping[str, Any] = step.operation.node_def.attr
    if "align_corners" in attributes and step.operation.get_attr("align_corners"):
        return places * (before - 1) / max(after - 1, 1)
    is_centred = "half_pixel_centers" in attributes and step.operation.get_attr("half_pixel_centers")
    # A nearest place, and the area, stand for the whole cell that they are spread over.
    if is_centred or step.type in ("ResizeNearestNeighbor", "ResizeArea"):
        return (places + 0.5) * before / after - 0.5
    return places * before / after


def _scaled(step: Step, axis: int, places: np.ndarray, constants: Constants) -> Reading | None:
    """Read a `ScaleAndTranslate`: x becomes scale · x + translation, counted from the image's edge."""
    scale, translation = (constants.find(value) for value in step.inputs[2:4])
    if scale is None or translation is None:
        return None
    return Reading((places + 0.5 - translation[axis - 1]) / scale[axis - 1] - 0.5, axis, 1 / float(scale[axis - 1]))


def _of_batch(step: Step, axis: int, places: np.ndarray, constants: Constants) -> Reading | None:
    """Read blocks whose places go to the batch: each of its rows stands for the centre of the block."""
    blocks, edges = (constants.find(value) for value in step.inputs[1:3])
    if blocks is None or edges is None:
        return None
    if axis > len(blocks):
        return Reading(places, axis)
    block, before = int(blocks[axis - 1]), int(edges[axis - 1][0])
    if step.type == "SpaceToBatchND":
        return Reading((places + 0.5) * block - 0.5 - before, axis, block)
    return Reading((places + before + 0.5) / block - 0.5, axis, 1 / block)


def _channels(step: Step, rank: int) -> int:
    """Return the axis of the channels: 1 if the operation's format puts them first, else the last."""
    attributes = step.operation.node_def.attr
    layout = step.operation.get_attr("data_format") if "data_format" in attributes else b""
    return 1 if layout.startswith(b"NC") or layout == b"CHANNELS_FIRST" else rank - 1


def _known(shape: Any) -> bool:
    return bool(shape[1:].is_fully_defined())
