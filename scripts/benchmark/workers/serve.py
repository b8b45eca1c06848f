"""Holds one library with one network, and runs what it is told, a JSON object a line.

    python serve.py MODULE FOLDER

MODULE is one of the modules `with_*` beside this file. It has `load(folder)`, `versions()` and
`prepare(network, method, images, targets, options)`, which returns a function without arguments that gives an array.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SHORT = 0.05  # seconds: what takes less is run once more before it is timed, since other processes ran meanwhile
LONG = 5  # seconds: beside a first run that takes longer, compiling does not count
PAGE = os.sysconf("SC_PAGE_SIZE")


class Server:
    """The answers to what is asked."""

    def __init__(self, module: Any, folder: Path) -> None:
        self.module, self.folder = module, folder
        self.network = module.load(folder)
        self.images = np.load(folder / "images.npy")
        self.runs: dict[str, Any] = {}
        self.seconds: dict[str, float] = {}

    def hello(self) -> dict[str, Any]:
        """Return the versions of what is held, and the logits of the first images."""
        logits = np.asarray(self.module.logits(self.network, self.images[:2].astype(np.float32)))
        return {"versions": self.module.versions(), "logits": logits.tolist(), **getattr(self.network, "facts", {})}

    def prepare(self, name: str, method: str, batch: int, options: dict[str, Any]) -> dict[str, Any]:
        """Compile a method, run it, keep its result as a file and itself under `name`; return how long a run takes."""
        images = self.images[np.arange(batch) % len(self.images)].astype(np.float32)
        targets = np.full(batch, json.loads((self.folder / "network.json").read_text())["target"], np.int32)
        run = self.module.prepare(self.network, method, images, targets, options)
        file, started = self.folder / f"{self.module.__name__}.npy", time.perf_counter()
        np.save(file, np.asarray(run()))
        seconds = time.perf_counter() - started
        if seconds < LONG:
            started = time.perf_counter()
            run()
            seconds = time.perf_counter() - started
        self.runs[name], self.seconds[name] = run, seconds
        return {"file": str(file), "seconds": seconds}

    def run(self, name: str) -> dict[str, Any]:
        """Return how long one run takes."""
        run = self.runs[name]
        if self.seconds[name] < SHORT:
            run()
        started = time.perf_counter()
        run()
        return {"milliseconds": 1000 * (time.perf_counter() - started)}

    def peak(self, name: str) -> dict[str, Any]:
        """Return the bytes that one run takes at its peak, above those that lay in memory before, and in total.

        A library that keeps what it once took tells by its module's `above` what it uses of that.
        """
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        before = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
        above = getattr(self.module, "above", run_alone)(self.runs[name])
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        total = 1024 * int(status["VmHWM"].split()[0])
        return {"above": total - before if above is None else above, "total": total}

    def forget(self) -> dict[str, Any]:
        """Drop what was prepared."""
        self.runs.clear()
        return {}


def run_alone(run: Callable[[], Any]) -> None:
    """Run; the process tells what it took."""
    run()


def main() -> None:
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = None
    for line in sys.stdin:
        question = json.loads(line)
        try:
            server = server or Server(importlib.import_module(sys.argv[1]), Path(sys.argv[2]))
            answer = getattr(server, question.pop("what"))(**question)
        except Exception as error:  # whatever a library raises is its row in the table
            said = " ".join(str(error).split())[:200]
            answer = {"error": f"{type(error).__name__}: {said}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
