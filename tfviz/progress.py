"""Progress bars for work that takes longer than a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

PATIENCE = 1.0  # seconds before a bar is shown


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that counts work as done; a bar on the terminal's standard error appears after a second."""
    started = time.monotonic()
    console = Console(stderr=True)
    bar = Progress(console=console, auto_refresh=False, transient=True, disable=not console.is_terminal)
    task = bar.add_task(description, total=total)

    def advance(amount: int) -> None:
        bar.advance(task, amount)
        if time.monotonic() - started > PATIENCE:
            bar.start()
            bar.refresh()

    try:
        yield advance
    finally:
        # Stopping a bar that was never shown would print an empty line.
        if bar.live.is_started:
            bar.stop()
