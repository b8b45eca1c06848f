"""The memory that TensorFlow uses: it keeps what it once took, so that the process does not tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

CPU = "CPU:0"


def above(run: Callable[[], Any]) -> int:
    """Return the bytes of tensors at the peak of one run, above those that were there before."""
    tf.config.experimental.reset_memory_stats(CPU)
    before = tf.config.experimental.get_memory_info(CPU)["current"]
    run()
    return tf.config.experimental.get_memory_info(CPU)["peak"] - before
