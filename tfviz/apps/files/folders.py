"""Replaces a folder by a finished one in one step.

Readers of the folder, such as a server that loads a SavedModel, then see the old one or the new one, never half of
either. Linux can exchange two folders at once (`renameat2`); Python does not offer that call, so it is made through the
C library. Other systems take three renames, undone if one of them fails.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import uuid
from pathlib import Path

_CURRENT_FOLDER, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


def replace_folder(new: Path, old: Path) -> list[str]:
    """Put the folder `new` in the place of `old`, which is removed where it exists; return what must be said of that.

    On Linux the two change places in one step, so that there is a whole folder at every moment. Elsewhere, and on file
    systems that cannot do that, `old` is moved aside first: a process killed between leaves it beside its place. To be
    said is that what was replaced cannot be removed.
    """
    if not old.exists() or not any(old.iterdir()):
        os.replace(new, old)
        return []
    if not _exchange(new, old):
        _exchange_in_steps(new, old)
    try:
        shutil.rmtree(new)
    except OSError as error:
        # The new one is in its place all the same.
        return [f"{old} is replaced, but not all that was there could be removed: {error.strerror}; see {new}"]
    return []


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; return whether that is possible here.

    It is not where the C library has no `renameat2` (macOS, old releases), where the file system refuses the flag, or
    where the call fails for any other reason, which the slower way then meets and reports.
    """
    with contextlib.suppress(AttributeError, OSError):
        rename = ctypes.CDLL(None).renameat2
        paths = (os.fsencode(one), os.fsencode(other))
        return bool(rename(_CURRENT_FOLDER, paths[0], _CURRENT_FOLDER, paths[1], _EXCHANGE) == 0)
    return False


def _exchange_in_steps(new: Path, old: Path) -> None:
    """Exchange two folders by three renames, the old one under a hidden name in between.

    If one is refused or interrupted (Ctrl-C too), those that were made are undone before the error goes on.
    """
    aside = old.with_name(f".{old.name}.previous.{uuid.uuid4().hex}")
    try:
        os.rename(old, aside)
        os.rename(new, old)
        os.rename(aside, new)
    except BaseException:
        # Wherever it was interrupted.
        if aside.exists():
            if old.exists():
                os.rename(old, new)
            os.rename(aside, old)
        raise
