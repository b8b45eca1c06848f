"""What a command writes to the terminal, escaped, so that no name in it can move the cursor."""

from __future__ import annotations

import sys

from tfviz.printable import printable


def say(message: str) -> None:
    """Write one line about what went wrong to the standard error."""
    print(f"tfviz: {' '.join(printable(message).split())}", file=sys.stderr)


def tell(*lines: object) -> None:
    """Write lines about what was done to the standard output."""
    print(*map(printable, lines), sep="\n")
