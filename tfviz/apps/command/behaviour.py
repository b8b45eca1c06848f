"""One line on the standard error for each error and warning of a command.

`CommandGroup` runs every subcommand and decides what becomes of exceptions: what a user can mend, such as a
`TfvizError` or a full disk, is one line and a non-zero exit status; wrong usage is reported by typer, in a box;
anything else is a bug in tfviz, whose traceback is wanted. Only tfviz's own warnings are printed, each text once,
unless Python is told otherwise (`-W`).
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from tfviz.errors import TfvizError, TfvizWarning
from tfviz.terminal import say

INTERRUPTED = 130
BROKEN_OPENCV = {
    "multiarray": "it was built for another NumPy: pip install -U opencv-python",
    # The distributions of OpenCV all write into one folder, which goes with the first of them.
    "module 'cv2' has no attribute": "a part of it was uninstalled: pip install --force-reinstall --no-deps "
    "opencv-python",
    ".so": "on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0",
}
"""What to do, by a part of the message with which its import fails."""


class CommandGroup(TyperGroup):
    """All commands: what a user causes ends in one line on the standard error and a non-zero exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            warnings.simplefilter("always", TfvizWarning)
            warnings.showwarning = _show_once(set())
            try:
                result = super().invoke(ctx)
                sys.stdout.flush()
                return result
            except TfvizError as error:
                say(str(error))
                raise typer.Exit(1) from error
            except (ImportError, AttributeError) as error:
                if not (advice := _about_opencv(error)):
                    raise
                say(f"OpenCV cannot start: {error}; {advice}")
                raise typer.Exit(1) from error
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                # What Python still holds would fail again as it ends.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                say(f"the standard output cannot be written: {error.strerror}")
                raise typer.Exit(1) from error
            except KeyboardInterrupt:
                raise typer.Exit(INTERRUPTED) from None


def _about_opencv(error: ImportError | AttributeError) -> str:
    """Return what to do about an error of OpenCV's import; empty for errors that cv2 has no part in."""
    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules += [str(error.name), str(getattr(getattr(error, "obj", None), "__name__", ""))]
    if all(name.partition(".")[0] != "cv2" for name in modules):
        return ""
    return next((advice for sign, advice in BROKEN_OPENCV.items() if sign in str(error)), "")


def _show_once(shown: set[str]) -> Callable[..., None]:
    """Return what prints a warning whose text is not among those `shown` already."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in shown:
            say(f"warning: {message}")
        shown.add(str(message))

    return show
