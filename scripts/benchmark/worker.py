"""A process that holds one library and one network, and runs what it is told: `workers/serve.py`, seen from outside."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

SERVE = Path(__file__).parent / "workers" / "serve.py"
PAUSE = 0.02  # seconds after which the threads of the process that ran last have gone to sleep
PATIENCE = 900  # seconds that one answer may take


class WorkerError(RuntimeError):
    """What a worker could not do, in one line."""


class Worker:
    """One library with one network in a process of its own; ends with the `with` block."""

    _last: Worker | None = None

    def __init__(self, python: Path, module: str, folder: Path, environment: dict[str, str]) -> None:
        self.log = folder / f"{module}.log"
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(python), str(SERVE), module, str(folder)],
                env={**kept, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.prepared: set[str] = set()

    def __enter__(self) -> Worker:
        """Return the worker."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()

    def ask(self, what: str, **given: Any) -> dict[str, Any]:
        """Return the answer to one question; raise `WorkerError` where the process cannot give it."""
        watch = threading.Timer(PATIENCE, self.process.kill)
        watch.start()
        try:
            self.process.stdin.write(json.dumps({"what": what, **given}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watch.cancel()
        if not line:
            raise WorkerError(f"its process ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def prepare(self, name: str, method: str, batch: int, options: dict[str, Any]) -> dict[str, Any]:
        """Compile a method under a name and run it; return the file of its result and how long a warm run takes."""
        answer = self.ask("prepare", name=name, method=method, batch=batch, options=options)
        self.prepared.add(name)
        return answer

    def run(self, name: str) -> float:
        """Run what was prepared under a name and return its milliseconds, when other processes are at rest."""
        if Worker._last is not self:
            time.sleep(PAUSE)
        Worker._last = self
        milliseconds: float = self.ask("run", name=name)["milliseconds"]
        return milliseconds

    def peak(self, name: str) -> dict[str, float]:
        """Run what was prepared, and return its peak memory: `above` what lay in memory before, and the `total`."""
        return self.ask("peak", name=name)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else f"exit status {self.process.poll()}"
