"""Writes what a command prints: trouble to the standard error, results to the standard output.

Everything is escaped on its way: file names, labels and layer names come from strangers, and an escape sequence in one
could move the cursor or rewrite what stands on the screen.
"""

from __future__ import annotations

import sys

from tfviz.printable import printable


def say(message: str) -> None:
    """Write one line about what went wrong to the standard error."""
    print(f"tfviz: {' '.join(printable(message).split())}", file=sys.stderr)


def tell(*lines: object) -> None:
    """Write lines about what was done to the standard output."""
    print(*map(printable, lines), sep="\n")
