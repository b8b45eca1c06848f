"""What native libraries write to the standard error, kept out."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 nowhere: image decoders and TensorFlow's start know no logger and heed no variable."""
    sys.stderr.flush()
    with _LOCK, open(os.devnull, "wb") as nowhere:
        saved = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
