"""The `tfviz` command.

Two settings of the process come before the command itself: a limit for OpenCV, and escapes for characters that the
terminal cannot show.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from tfviz.apps.command import app

OPENCV_LIMIT = "OPENCV_IO_MAX_IMAGE_PIXELS"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command with `arguments`, by default those of the process, and exit with its status."""
    # OpenCV reads it when it is imported: a second defence, behind our own reading of headers, for this process alone.
    os.environ.setdefault(OPENCV_LIMIT, str(1 << 28))
    # A terminal whose encoding lacks a character gets an escape for it, not a traceback at the end of a run.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(args=arguments, prog_name="tfviz")


if __name__ == "__main__":
    main()
