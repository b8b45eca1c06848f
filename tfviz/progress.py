"""Progress bars for work that takes longer than a second.

A compiled loop could report its progress only by calling Python from its graph. So a long loop is cut into stretches of
half a second instead, each one compiled call, and the bar moves between them. The first stretch is one step, since ten
steps of a large batch can outlast the bar's patience. A bar inside another one's work is a line below.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

PATIENCE = 1.0  # seconds before a bar is shown
INTERVAL = 0.5  # seconds of work between two looks at the clock

_SHOWN = threading.local()  # its `bar` is the one on the terminal now: there is room for one


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that counts work as done; a bar on the terminal's standard error appears after a second.

    total: the steps of all the work; the function is given how many more were done. Only the main thread shows a bar,
    and none is shown if standard error is a file or a pipe. Work inside of other work gets a line below that one's bar.
    """
    if getattr(_SHOWN, "bar", None) is not None:
        with _line(_SHOWN.bar, description, total) as advance:
            yield advance
        return
    console = Console(stderr=True)
    # The bars of several threads would write over each other.
    is_shown = console.is_terminal and threading.current_thread() is threading.main_thread()
    bar = Progress(console=console, auto_refresh=False, transient=True, disable=not is_shown)
    _SHOWN.bar = bar
    try:
        with _line(bar, description, total) as advance:
            yield advance
    finally:
        _SHOWN.bar = None
        # Stopping a bar that was never shown would print an empty line.
        if bar.live.is_started:
            bar.stop()


@contextmanager
def _line(bar: Progress, description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances a line of a bar, which is shown once `PATIENCE` has passed, and removed after.

    The bar is drawn only when work is counted, not by a thread of its own, so it stands still during a long step.
    """
    started = time.monotonic()
    task = bar.add_task(description, total=total, visible=False)

    def advance(amount: int) -> None:
        bar.advance(task, amount)
        if time.monotonic() - started > PATIENCE:
            bar.update(task, visible=True)
            bar.start()
            bar.refresh()

    try:
        yield advance
    finally:
        bar.remove_task(task)


def stretches(total: int, description: str, stops: Collection[int] = ()) -> Iterator[tuple[int, int]]:
    """Yield the (first, last) of stretches of `total` steps, and show a bar as `progress` does.

    The caller's loop does the steps `first` to `last` - 1 in one compiled call, and may break off. A stretch takes half
    a second at the speed of the one before, and ends at each of the `stops`.
    """
    done, length = 0, 1
    with progress(description, total) as advance:
        while done < total:
            last = min(done + length, total, *(stop for stop in stops if stop > done))
            started = time.monotonic()
            yield done, last
            # A step can be faster than the clock's ticks.
            seconds = max(time.monotonic() - started, 1e-6)
            length = max(1, int((last - done) * INTERVAL / seconds))
            advance(last - done)
            done = last
