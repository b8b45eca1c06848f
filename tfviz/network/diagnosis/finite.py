"""Why a score is not finite: NaN or infinite weights, an image, or the network's own arithmetic.

Scores and the layers that a method reads are checked inside the compiled function (see `passes`); the reason is looked
for only once a check has failed. Logits of other classes may be minus infinity: these are ruled out. A finite score
does not prove that all is well: the kernels of some processors make 0 of the ReLU of NaN, so before a map is called
zero or not finite, the weights are looked at.

An export cannot raise, so its signature gives a map of NaN where this module names a reason. The operation that is
named is the first, in the order of the program, whose result depends on the image and is not finite. It may lie far
before the score, and may be harmless: minus infinity in a mask is named as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfviz.errors import TfvizError
from tfviz.network.program import NO_EXTRA_INPUTS, Value, compile_function

if TYPE_CHECKING:
    from tfviz.network.batches import Batch
    from tfviz.network.traced import TracedNetwork

OVERFLOW = (
    "the network's own gradient overflows there (common with float16; trace the float32 model, without precision)"
)
NAMED = 3
"""The most weights that are named."""


def check_scores(network: TracedNetwork, batch: Batch, finite: np.ndarray, start: int) -> None:
    """Raise `TfvizError` if the score of an image is not `finite` (N,); the number of the first image is `start`.

    Only the first such image is looked into, since that runs the network once more.
    """
    if finite.all():
        return
    row = int(np.argmin(finite))
    one = batch.split(network.extra_inputs, len(batch.images))[row]
    raise TfvizError(
        f"image {start + row} has no score that could be explained, as it is NaN or infinite: "
        + why_not_finite(network, one.images, one.extra_inputs)
    )


def why_not_finite(
    network: TracedNetwork, image: np.ndarray, extra_inputs: Mapping[str, tf.Tensor] = NO_EXTRA_INPUTS
) -> str:
    """Return, in words, what makes the score of an image (1, H, W, C) NaN or infinite: weights, image or arithmetic.

    extra_inputs: the inputs beside it. The operation is named if it is found, and a reduced precision blamed if the
    network runs in one.
    """
    if weights := broken_weights(network):
        return weights
    if not np.isfinite(image).all():
        return "the image holds NaN or infinite values"
    place = _first_place(network, image, extra_inputs)
    about = f" in {network.precision}" if network.running.full else ""
    advice = "; trace the float32 model, without precision" if about else ""
    return (
        f"the weights and the image are finite, the network's own arithmetic is not{about}"
        + (f", first in the operation {place!r}" if place else "")
        + " (a number too large, a division by zero, a logarithm or root of a negative number)"
        + advice
    )


def broken_weights(network: TracedNetwork) -> str:
    """Return, in words, which weights are NaN or infinite, empty for none."""
    weights = [str(variable.name) for variable in network.function.variables if not _is_finite(variable)]
    if not weights:
        return ""
    named = ", ".join(weights[:NAMED]) + (f" and {len(weights) - NAMED} more" if len(weights) > NAMED else "")
    return f"weights of the network are NaN or infinite: {named}"


def check_weights(network: TracedNetwork, image: int) -> None:
    """Raise `TfvizError` if weights are NaN or infinite; asked once the result of image number `image` is doubtful."""
    if weights := broken_weights(network):
        raise TfvizError(f"image {image} has no score that could be explained: {weights}")


def _is_finite(variable: tf.Variable) -> bool:
    if not variable.dtype.is_floating:
        return True
    # Of a variable on several devices, the first copy.
    values = getattr(variable, "values", (variable,))[0]
    return bool(tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(values))))


def _first_place(network: TracedNetwork, image: np.ndarray, extra_inputs: Mapping[str, tf.Tensor]) -> str | None:
    """Return the name of the first operation on the image whose result holds NaN or infinite numbers, None for none.

    A function is compiled for this one image and thrown away: it looks at every floating-point value of the network.
    """
    depending = network.program.depending_on([network.image])
    outputs = [value for step in network.program.steps for value in step.outputs if value in depending]
    floating = [value for value in outputs if value.dtype.is_floating]

    def finite(images: tf.Tensor) -> list[tf.Tensor]:
        tensors = network.replay(images, extra_inputs)
        return [tf.reduce_all(tf.math.is_finite(tensors[value])) for value in floating]

    images = tf.constant(image)
    found = zip(floating, compile_function(finite, images=images)(images), strict=True)
    return next((_name(value) for value, is_finite in found if not is_finite), None)


def _name(value: Value) -> str | None:
    return value.step.name if value.step is not None else None
