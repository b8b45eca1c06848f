"""Keeps the output of native libraries off the terminal, and imports TensorFlow without its noise.

Image decoders and TensorFlow's start write to file descriptor 2 themselves; no logger and no Python stream sees it, so
the descriptor is sent to nowhere for that moment. It belongs to the whole process, hence the lock.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tfviz.errors import UnsupportedModelError

_LOCK = threading.Lock()


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 nowhere while the block runs; one block at a time, for all threads.

    What other threads write to standard error meanwhile is lost as well, so the block should be short.
    """
    sys.stderr.flush()
    with _LOCK, open(os.devnull, "wb") as nowhere:
        saved = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def start_tensorflow() -> None:
    """Import TensorFlow without its noise; raise `UnsupportedModelError` if Keras is set to another backend.

    For commands, whose process is ours: it sets environment variables and the levels of loggers, which a library must
    leave to whoever imports it. `TF_CPP_MIN_LOG_LEVEL` stays as it is if it is set already.
    """
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise UnsupportedModelError(
            f"Keras is set to the {backend} backend, expected tensorflow: unset KERAS_BACKEND or set it to tensorflow"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("tensorflow", "absl", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if "tensorflow" not in sys.modules:
        with silent_stderr():
            import tensorflow  # noqa: F401  # imported for its noise, which is made once
