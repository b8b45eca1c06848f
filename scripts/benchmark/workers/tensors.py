"""The memory that TensorFlow uses: where it keeps what it once took, the process does not tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

CPU = "CPU:0"


def above(run: Callable[[], Any]) -> int | None:
    """Return the bytes of tensors at the peak of one run, above those that were there before.

    None where TensorFlow counts none: without oneDNN it takes and frees memory as everyone does, and the process tells.
    """
    try:
        tf.config.experimental.reset_memory_stats(CPU)
    except ValueError:
        run()
        return None
    before = tf.config.experimental.get_memory_info(CPU)["current"]
    run()
    return tf.config.experimental.get_memory_info(CPU)["peak"] - before
