"""Ends a loop for each image as soon as its result is known well enough.

What is looked at is an error that the state tells, such as the standard error of a mean, at every so many items and no
others, so that neither the batch nor what fits into memory decides where an image ends. From there on its state stays
as it is, while others go on. A loop that looks often ends a little too early: an error that was underestimated by
chance ends it, one that was overestimated does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfviz.arrays import name_images
from tfviz.methods.engine.loop import Diagnosed, Loop, Until, per_row

STANDARD_ERROR = "standard_error"
MISSED = "tolerance_missed"
USED = "samples_used"


class Stopping(NamedTuple):
    """The state of a loop, whether each image is still open, bool (N,), and how many items it has used, int32 (N,)."""

    state: Any
    open: tf.Tensor
    used: tf.Tensor


def until_precise(loop: Loop, error: Callable[[Any], tf.Tensor], tolerance: Any, every: int) -> Loop:
    """Return a loop that ends for each image when its error is at most a tolerance.

    All tensors of its state must have a row for each image. `USED` and `MISSED`, which is 1 where the last item was not
    enough, are among the diagnostics.

    error: of a state, (N,). tolerance: a number or a scalar. every: after that many items is looked.
    """
    count = tf.shape(tf.nest.flatten(loop.start)[0])[:1]

    def gather(before: Stopping, items: tf.Tensor) -> Stopping:
        state = kept_where(before.open, loop.gather(before.state, items), before.state)
        done = items[-1] + 1
        is_enough = (done % every == 0) & (error(state) <= tolerance)
        return Stopping(state, before.open & ~is_enough, before.used + tf.cast(before.open, tf.int32) * tf.size(items))

    def finish(last: Stopping) -> Diagnosed:
        found, missed = loop.finish(last.state), last.open & (error(last.state) > tolerance)
        known = found if isinstance(found, Diagnosed) else Diagnosed(found, {})
        about = {USED: tf.cast(last.used, tf.float32), MISSED: tf.cast(missed, tf.float32)}
        return Diagnosed(known.result, known.diagnostics | about)

    start = Stopping(loop.start, tf.ones(count, tf.bool), tf.zeros(count, tf.int32))
    until = Until(lambda done: (done // every + 1) * every, lambda last: ~tf.reduce_any(last.open))
    return Loop(loop.items, start, gather, finish, until)


def kept_where(is_open: tf.Tensor, new: Any, old: Any) -> Any:
    """Return the new rows of images that are open, and the old ones of others, of nested tensors (N, ...)."""
    return tf.nest.map_structure(lambda ours, theirs: tf.where(per_row(is_open, ours), ours, theirs), new, old)


def relative_error(result: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
    """Return the L2 norm of the standard errors (N,), relative to that of a result (N, ...).

    variance: of each number of the result, as an estimate. 0 where it is, whatever the result; infinite for one of 0.
    """
    norm, error = (
        tf.sqrt(tf.reduce_sum(tf.reshape(each, [tf.shape(each)[0], -1]), axis=1))
        for each in (tf.square(result), variance)
    )
    return tf.where(error == 0, 0.0, error / norm)


def judge_tolerance(name: str) -> Callable[[Mapping[str, np.ndarray]], list[str]]:
    """Return the function that warns about images for which a method did not reach the tolerance that was asked for."""

    def judge(diagnostics: Mapping[str, np.ndarray]) -> list[str]:
        rows = np.flatnonzero(diagnostics.get(MISSED, ()))
        if not rows.size:
            return []
        worst, used = diagnostics[STANDARD_ERROR][rows].max(), diagnostics[USED][rows].max()
        return [
            f"{name} of image {name_images(rows)} did not reach its tolerance in {used:.0f} samples: the error is "
            f"still {worst:.1%} of the map; take more of them, or another tolerance"
        ]

    return judge
