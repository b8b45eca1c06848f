"""Images whose channels come first: the network is seen as one that takes them last.

A transposition is put in front of the program, so that all that follows, from layers to placements, meets images (N, H,
W, C). Images and results are transposed where they come in and go out. The format does not follow from the shape alone,
but from what the image is used for, too: a transposition, or a convolution whose own format says it.

The feature maps inside stay in their own order, which `geometry` finds for each of them; only the image is turned.
Rewriting every operation to channels last would change the network that is explained, and its rounding with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import tensorflow as tf

from tfviz.data_format import MOST_CHANNELS, DataFormat
from tfviz.network.geometry import POINTWISE
from tfviz.network.program import SHAPES, Boundary, Inputs, Program, Step, Value

IMAGE_CHANNELS = (1, 3, 4)
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
LAST, FIRST = DataFormat.CHANNELS_LAST, DataFormat.CHANNELS_FIRST


def find_data_format(program: Program, image: Value) -> tuple[DataFormat, list[str]]:
    """Return how a program takes its images, and a warning where their shape alone speaks for another way.

    Channels come first where the image's first axis may be those of an image and its last may not, and what it is used
    for, once its numbers are prepared, wants it so: a transposition to channels last, or an operation whose own format
    is `NCHW`, or whatever makes of it what has its height and width where those stand with channels last.

    If uses disagree, or none says anything, it is channels last. There is at most one warning.
    """
    _, channels, height, width = image.shape
    if channels is None or width in IMAGE_CHANNELS:
        return LAST, []
    found = set(_wanted(program, image))
    is_open = height is None and width is None
    is_of_few = channels in IMAGE_CHANNELS or is_open or bool(height and width and channels < min(height, width))
    if found == {FIRST} and is_of_few:
        return FIRST, []
    looks_first = channels in IMAGE_CHANNELS and (width is None or width > MOST_CHANNELS)
    if LAST in found or not (looks_first or (is_open and channels <= MOST_CHANNELS)):
        return LAST, []
    return LAST, [
        f"the model takes images of the shape {tuple(image.shape[1:])}, which are taken for images of height "
        f"{channels}, as nothing in it says that channels come first: if they do, say data_format='channels_first' "
        "(--data-format)"
    ]


def with_channels_last(inputs: Inputs, chosen: str | None) -> Inputs:
    """Return the inputs of a network as of one whose image is (N, H, W, C).

    chosen: the format in which it takes images, None for the one that the program shows. With channels first the image
    is a new value (N, H, W, C), and a `Boundary`, which is not a layer, makes the old one of it; if images are decoded,
    the decoding ends with the opposite transposition.
    """
    data_format, warnings = (
        find_data_format(inputs.program, inputs.image) if chosen is None else (DataFormat(chosen), [])
    )
    if data_format is LAST:
        return replace(inputs, warnings=warnings)
    own, decoding = inputs.image, inputs.decoding
    image = Value(tf.TensorShape([own.shape[axis] for axis in TO_LAST]), own.dtype)
    if decoding is not None:
        # There the image's own channels are first still.
        turned = [*decoding.program.steps, *_turned(own, TO_LAST, image)]
        decoding = replace(decoding, program=replace(decoding.program, steps=turned, outputs=[image]))
    steps = _turned(image, TO_FIRST, own)
    own.step = steps[-1]
    given = [image if value is own else value for value in inputs.program.inputs]
    program = replace(inputs.program, inputs=given, steps=[*steps, *inputs.program.steps])
    return replace(inputs, image=image, program=program, decoding=decoding, data_format=data_format)


def in_format(images: tf.Tensor, data_format: DataFormat) -> tf.Tensor:
    """Return a tensor of images or attributions (N, H, W, C) as a format has them."""
    return tf.transpose(images, TO_FIRST) if data_format is FIRST else images


def channels_last(images: tf.Tensor, data_format: DataFormat) -> tf.Tensor:
    """Return a tensor of images of a format as (N, H, W, C)."""
    return tf.transpose(images, TO_LAST) if data_format is FIRST else images


def in_own_order(image_shape: Sequence[Any], data_format: str | None) -> tuple[Any, ...]:
    """Return (height, width, channels) in the order in which a format has them."""
    height, width, channels = image_shape
    return (channels, height, width) if data_format == FIRST else (height, width, channels)


def _turned(source: Value, order: Sequence[int], result: Value) -> list[Step]:
    """Return the steps that make a value of another with its axes in that order: a constant, and a transposition.

    Their operations stand in a small graph of their own, which only serves to read their attributes.
    """
    with tf.Graph().as_default():
        operation = tf.transpose(tf.raw_ops.Placeholder(dtype=source.dtype, shape=source.shape), order).op
    axes = Step(operation.inputs[1].op, f"{FIRST}/axes", [])
    axes.outputs = [Value(operation.inputs[1].shape, operation.inputs[1].dtype, axes)]
    return [axes, Boundary(operation, str(FIRST), [source, *axes.outputs], [result])]


def _wanted(program: Program, image: Value) -> Iterator[DataFormat]:
    """Yield the format that uses of the image want, as far as they say.

    Uses are looked at through whatever leaves the channels in place, such as a rescaling or a padding.
    """
    kept, reached = {image}, program.reached_by([image])
    for step in program.steps:
        if any(value in reached and _is_turned(value, image) for value in step.outputs):
            yield FIRST
        if kept.isdisjoint(step.inputs) or step.type in SHAPES:
            continue
        own_format = _format_of(step)
        if own_format is not None:
            yield own_format
        else:
            kept.update(value for value in step.outputs if _keeps_channels(step, value, image))


def _is_turned(value: Value, image: Value) -> bool:
    """Return whether a value has the height and width of an image (N, C, H, W) where channels last has them."""
    sizes = image.shape[2:].as_list()
    return None not in sizes and value.shape.rank == 4 and value.shape[1:3].as_list() == sizes


def _keeps_channels(step: Step, value: Value, image: Value) -> bool:
    """Return whether the channels of a value are those of the image, in the same place and maybe in another order.

    What has as many, be it cut, padded, turned or transposed in its height and width, is taken to have kept them.
    """
    if value.shape.rank != 4:
        return False
    if step.type == "Transpose":
        order = _order_of(step)
        return order is not None and order[1] == 1
    sizes = image.shape[2:].as_list()
    is_whole = None not in sizes and value.shape[2:].as_list() == sizes
    return step.type in POINTWISE or value.shape[1] == image.shape[1] or is_whole


def _format_of(step: Step) -> DataFormat | None:
    """Return the format in which an operation takes images, None for one to which they are all the same."""
    if step.type == "Transpose":
        order = _order_of(step)
        return FIRST if order is not None and order[-1] == 1 else None
    if "data_format" not in step.operation.node_def.attr:
        return None
    return {b"NHWC": LAST, b"NCHW": FIRST}.get(step.operation.get_attr("data_format"))


def _order_of(step: Step) -> list[int] | None:
    """Return the order in which a transposition puts axes, None if that is not constant."""
    order = step.inputs[1].constant()
    return None if order is None else [int(axis) for axis in order]
