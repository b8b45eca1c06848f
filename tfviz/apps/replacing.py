"""A finished folder takes the place of another in one step."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from pathlib import Path

_CURRENT_FOLDER, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


def replace_folder(new: Path, old: Path) -> None:
    """Put the folder `new` in the place of `old`, which is removed where it exists.

    On Linux the two change places in one step, so that there is a whole folder at every moment. Elsewhere, and on file
    systems that cannot do that, `old` is moved aside first: a process killed between leaves it beside its place.
    """
    if old.exists() and any(old.iterdir()):
        if not _exchange(new, old):
            _exchange_in_steps(new, old)
        shutil.rmtree(new)
    else:
        os.replace(new, old)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; return whether that is possible here."""
    with contextlib.suppress(AttributeError, OSError):
        rename = ctypes.CDLL(None).renameat2
        paths = (os.fsencode(one), os.fsencode(other))
        return bool(rename(_CURRENT_FOLDER, paths[0], _CURRENT_FOLDER, paths[1], _EXCHANGE) == 0)
    return False


def _exchange_in_steps(new: Path, old: Path) -> None:
    aside = old.with_name(f".{old.name}.previous.{os.getpid()}")
    os.rename(old, aside)
    try:
        os.rename(new, old)
    except OSError:
        os.rename(aside, old)
        raise
    os.rename(aside, new)
