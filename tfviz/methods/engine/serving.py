"""Makes a method one function of images and targets: whole in the graph, without Python between its runs.

This is what an export writes. Where it is served, nothing can be raised for one image of a batch or warned about, and a
map that could be believed is worse than none: what a call would refuse has a map of NaN and the target −1. Targets
alone are asserted. Loops run in the graph, with as many images at once as fit into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from tfviz.methods.engine.loop import Diagnosed, Loop, per_row
from tfviz.methods.engine.planning import Run
from tfviz.network.batches import HALF, PREDICTED
from tfviz.network.passes import affordable, passes_of, running
from tfviz.network.program import checked, is_batch
from tfviz.network.traced import TracedNetwork

ExtraInputs = Mapping[str, tf.Tensor]
Served = Callable[[tf.Tensor, tf.Tensor, ExtraInputs], dict[str, tf.Tensor]]

NAN = float("nan")
TRIAL_SIZE = 224  # pixels a side, at which the memory of a network is measured that leaves its size open


def serve(network: TracedNetwork, run: Run, batch_size: int, warnings: list[str]) -> Served:
    """Return the function that a run is: of images (N, H, W, C), int32 targets (N,), or one for all, and other inputs.

    It returns the method's `maps`, and the `targets` (N,) and `scores` (N,) that they explain; a target below 0 is the
    predicted class. A method of many runs takes at most `batch_size` images at once, fewer if they would not fit in
    memory, but at least one. The map of a score that is not finite is NaN; so are map and score of an image that a call
    would refuse for its numbers, and its target is -1. Warnings about the result are added to `warnings` when the
    function is traced.
    """

    def explain(images: tf.Tensor, targets: tf.Tensor, extra_inputs: ExtraInputs) -> dict[str, tf.Tensor]:
        images_count = tf.shape(images)[0]
        targets = _checked(network, targets, images_count)
        usable = _usable(network, images, extra_inputs)
        # Unusable images are zeroed, so that their numbers reach nothing that follows.
        images = tf.where(usable[:, tf.newaxis, tf.newaxis, tf.newaxis], images, 0.0)
        at_once = _images_at_once(network, images, batch_size)
        gradients = run.method.gradients_at(run.layer)
        passes = passes_of(network, images, targets, gradients, extra_inputs=extra_inputs)
        with running(at_once):
            found = run.compute(passes)
            if isinstance(found, Loop):
                found = found.run(at_once, images_count)
        warnings.extend(passes.warnings)
        maps = found.result if isinstance(found, Diagnosed) else found
        # Nothing can be raised here; a map that could be believed is worse than none.
        broken = per_row(~(passes.finite & usable), maps)
        return {
            "maps": tf.where(broken, NAN, maps),
            "targets": tf.where(usable, passes.targets, PREDICTED),
            "scores": tf.where(usable, passes.scores, NAN),
        }

    return explain


def _checked(network: TracedNetwork, targets: tf.Tensor, images_count: tf.Tensor) -> tf.Tensor:
    """Return targets, after asserting that they are classes, one for each image or one for all."""
    # A custom score has no classes, and its one column stands for what is predicted.
    classes = network.num_classes or 1
    expected = f"expected integers below {classes}, the number of classes; -1 is the predicted one"
    # Targets are fed by the caller, so this waits for nothing that an accelerator computes.
    count = tf.size(targets)
    fits = (count == 1) | (count == images_count)
    checks = (
        tf.debugging.assert_less(targets, classes, message=f"a target is out of range: {expected}"),
        tf.debugging.assert_greater_equal(targets, -1, message=f"a target is out of range: {expected}"),
        tf.debugging.assert_equal(fits, True, message="targets are one number for each image, or one for all"),
    )
    return checked(targets, checks)


def _usable(network: TracedNetwork, images: tf.Tensor, extra_inputs: ExtraInputs) -> tf.Tensor:
    """Return whether each image, with its extra inputs, holds numbers that the network takes, bool (N,)."""
    usable = tf.reduce_all(tf.math.is_finite(images), axis=(1, 2, 3))
    dtype = network.image.dtype
    if dtype.is_integer:
        fits = (images >= dtype.min - HALF) & (images <= dtype.max + HALF)
        usable &= tf.reduce_all(fits, axis=(1, 2, 3))
    for name, spec in network.extra_inputs.items():
        if spec.dtype.is_floating:
            axes = range(1, spec.shape.rank) if is_batch(spec) else None
            usable &= tf.reduce_all(tf.math.is_finite(extra_inputs[name]), axis=axes)
    return usable


def _images_at_once(network: TracedNetwork, images: tf.Tensor, batch_size: int) -> tf.Tensor | int:
    """Return how many images a method may run at once; if the network leaves its size open, as a tensor."""
    shape = network.image_shape
    if None not in shape:
        return min(batch_size, affordable(network, [size or 0 for size in shape]))
    height, width, channels = (
        size or assumed for size, assumed in zip(shape, (TRIAL_SIZE, TRIAL_SIZE, 3), strict=True)
    )
    # What the values of a network take grows with the area of its images.
    pixels = tf.cast(tf.reduce_prod(tf.shape(images)[1:3]), tf.float32)
    count = affordable(network, (height, width, channels)) * float(height * width) / pixels
    return tf.cast(tf.clip_by_value(count, 1.0, float(batch_size)), tf.int32)
