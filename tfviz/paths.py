"""Describes paths that do not lead to a file or folder: absent, unreadable, broken links, FIFOs, sockets, devices.

They are recognised before anything is opened, since a FIFO would be waited for and a device may have no end. The
descriptions are worded to follow the path's name in an error: "photo.png is a FIFO, neither a file nor a folder".
"""

from __future__ import annotations

import stat
from pathlib import Path

SAVED_MODEL = "saved_model.pb"
"""The file that makes a folder a SavedModel."""
ABSENT = "does not exist"
_KINDS = {
    stat.S_ISFIFO: "a FIFO",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


def trouble_with(path: Path) -> str:
    """Return why a path does not lead to a file or folder, worded to follow its name; empty if it does.

    `ABSENT` is for a path at which there is nothing, so that callers can word that themselves. Whether the content may
    be read is not asked: only opening it tells.
    """
    try:
        path.stat()
    except FileNotFoundError:
        return special_kind(path) or ABSENT
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return special_kind(path)


def special_kind(path: Path) -> str:
    """Return what a path is if it is a broken link, FIFO, socket or device, worded to follow its name; else empty."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return f"is a broken link to {path.readlink()}" if path.is_symlink() else ""
    except (OSError, ValueError):
        return ""
    kind = next((name for is_kind, name in _KINDS.items() if is_kind(mode)), None)
    return f"is {kind}, neither a file nor a folder" if kind else ""
