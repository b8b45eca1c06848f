"""Paths that lead to no file or folder, named as what they are."""

from __future__ import annotations

import stat
from pathlib import Path

ABSENT = "does not exist"
_KINDS = {
    stat.S_ISFIFO: "a FIFO",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


def trouble_with(path: Path) -> str:
    """Return what keeps a path from being a file or folder, to be read behind its name; empty where nothing does."""
    try:
        path.stat()
    except FileNotFoundError:
        return special_kind(path) or ABSENT
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return special_kind(path)


def special_kind(path: Path) -> str:
    """Return what a path is that is neither a file nor a folder nor absent, to be read behind its name; else empty.

    A FIFO would be waited for, and a device may have no end.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return f"is a broken link to {path.readlink()}" if path.is_symlink() else ""
    except (OSError, ValueError):
        return ""
    kind = next((name for is_kind, name in _KINDS.items() if is_kind(mode)), None)
    return f"is {kind}, neither a file nor a folder" if kind else ""
