"""Baselines: images that stand for nothing there, from which attributions are counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.arrays import refuse_masked
from tfviz.errors import InvalidImagesError, TfvizError, suggestion
from tfviz.methods.engine import gaussian_blur

NAMED_BASELINES = ("zeros", "blurred", "uniform", "black", "white")
BLUR = 0.1  # of the shorter side: what is left are the colours of large areas


def check_baseline(shape: tuple[int, ...], options: Mapping[str, Any]) -> None:
    """Raise if the `baseline` among the options does not fit images of a shape (H, W, C)."""
    for each in as_list(options["baseline"]):
        if not isinstance(each, str) and np.shape(each) not in ((), shape[2:], shape):
            raise _unfit(np.asarray(each), f"a colour {shape[2:]} or an image {shape}")


def checked_baseline(name: str, baseline: Any) -> Any:
    """Return a baseline; raise if it would not fit any image."""
    for each in as_list(baseline):
        if isinstance(each, str):
            if each not in NAMED_BASELINES:
                expected = f"expected {', '.join(NAMED_BASELINES)}, a colour or an image"
                raise TfvizError(f"no baseline {each!r}; {suggestion(each, NAMED_BASELINES, expected, always=True)}")
            continue
        refuse_masked("baselines", each)
        try:
            array = np.asarray(each)
        except ValueError:  # lists of several lengths
            array = np.asarray(None)
        if array.dtype.kind not in "fiu" or array.ndim not in (0, 1, 3):
            raise _unfit(array, "a colour (C,) or an image (H, W, C)")
        if not np.isfinite(array).all():
            raise InvalidImagesError("the baseline holds NaN or infinite values")
    return baseline


def _unfit(array: np.ndarray, expected: str) -> InvalidImagesError:
    """Return the error for a baseline of the wrong shape or type."""
    return InvalidImagesError(
        f"the baseline has the shape {array.shape} and the type {array.dtype}; expected a number, {expected}, in the "
        "space of the images"
    )


def as_list(baseline: Any) -> list[Any]:
    """Return the baselines as a list, also a single one; raise `TfvizError` for an empty list, or one of numbers.

    Several numbers could be a colour or as many grey baselines; a colour is given as an array.
    """
    if not isinstance(baseline, list | tuple):
        return [baseline]
    if len(baseline) > 1 and all(isinstance(each, int | float) for each in baseline):
        raise TfvizError(
            f"baseline is a list of numbers, {baseline!r}: give a colour as an array, np.array({baseline!r})"
        )
    if not baseline:
        raise TfvizError(
            f"baseline is an empty list; expected one or more of {', '.join(NAMED_BASELINES)}, a colour or an image"
        )
    return list(baseline)


def baseline_image(baseline: Any, images: tf.Tensor, seed: Any) -> tf.Tensor:
    """Return the baseline (N, H, W, C) of every image."""
    if not isinstance(baseline, str):
        return tf.zeros_like(images) + tf.cast(baseline, tf.float32)
    if baseline == "blurred":
        shorter = tf.reduce_min(tf.shape(images)[1:3])
        return gaussian_blur(images, BLUR * tf.cast(shorter, tf.float32))
    if baseline == "uniform":
        lowest, highest = (reduce(images, axis=(1, 2, 3), keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
        return lowest + (highest - lowest) * tf.random.stateless_uniform(tf.shape(images)[1:], [seed, 0])
    if baseline in ("black", "white"):
        reduce = tf.reduce_min if baseline == "black" else tf.reduce_max
        return tf.zeros_like(images) + reduce(images, axis=(1, 2), keepdims=True)
    return tf.zeros_like(images)
