"""One network against its own forward pass, a tape written by hand, the arithmetic and the peers."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.compare import compare, same_logits
from benchmark.environments import PEERS, python_of
from benchmark.plan import BY_HAND, METHODS
from benchmark.rounds import Times, alternate, medians
from benchmark.worker import Worker, WorkerError

ROOT = Path(__file__).parents[2]
FORWARD, TAPE, FLOOR, TENSORFLOW_PEER = "forward pass", "tape by hand", "arithmetic floor", "fastest TensorFlow peer"

Row = dict[str, Any]


@dataclass
class Settings:
    """What the command line chose. longest: seconds that one run may take; what would take longer is left out."""

    batches: list[int]
    methods: list[str]
    rounds: int
    peers: list[str]
    environments: Path
    longest: float


@dataclass
class Contest:
    """One network and all that is run on it."""

    network: str
    settings: Settings
    ours: Worker
    facts: dict[str, Any]
    rate: float  # multiply-adds a second
    peers: dict[str, Worker] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    peaks: dict[tuple[str, int], float] = field(default_factory=dict)

    def row(self, batch: int | str, what: str, against: str, **values: Any) -> Row:
        """Return one row of the table."""
        version = self.versions.get(against.split(" (")[-1].rstrip(")"), "")
        return {
            "network": self.network,
            "batch": batch,
            "what": what,
            "against": against,
            "version": version,
            **values,
        }

    def peak(self, name: str, batch: int, worker: Worker) -> float:
        """Return the peak memory of what was prepared, above the loaded network, in MB; measured once."""
        if (name, batch) not in self.peaks:
            self.peaks[name, batch] = worker.peak(name)["above"] / 1e6
        return self.peaks[name, batch]


def contest(network: str, settings: Settings, stack: ExitStack) -> tuple[Contest, list[Row]]:
    """Open a network in tfviz and in every peer; return rows for those that cannot."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    (folder / "given.json").write_text(json.dumps({"model": network}))
    ours = stack.enter_context(start(Path(sys.executable), "with_tfviz", folder, {"PYTHONPATH": str(ROOT)}))
    facts = ours.ask("hello")
    times = alternate(prepare_rates(ours, facts), settings.rounds)
    opened = Contest(Path(network).stem, settings, ours, facts, rate_of(times, facts))
    rows = []
    for name in settings.peers:
        try:
            opened.peers[name] = open_peer(name, opened, folder, stack)
        except (WorkerError, OSError, subprocess.CalledProcessError) as error:
            rows.append(opened.row("", "everything", name, note=reason_of(error)))
    return opened, rows


def start(python: Path, module: str, folder: Path, environment: dict[str, str]) -> Worker:
    """Return a worker that has started."""
    return Worker(python, module, folder, environment)


def open_peer(name: str, opened: Contest, folder: Path, stack: ExitStack) -> Worker:
    """Return a peer's worker that has the same network; raise `WorkerError` where it has not."""
    unknown = json.loads((folder / "network.json").read_text())["unknown"]
    if unknown:
        raise WorkerError(f"the network cannot be rebuilt there: {', '.join(unknown[:3])}")
    peer = PEERS[name]
    python = python_of(name, opened.settings.environments)
    worker = stack.enter_context(start(python, peer.module, folder, peer.environment))
    said = worker.ask("hello")
    opened.versions[name] = said["versions"]
    if not same_logits(opened.facts["logits"], said["logits"]):
        raise WorkerError("its logits of the same images differ by more than 1e-4")
    return worker


def reason_of(error: Exception) -> str:
    """Return why something failed, in one line."""
    if isinstance(error, subprocess.CalledProcessError):
        said = [line for line in (error.stderr or "").splitlines() if line.startswith("ERROR")]
        return f"could not be installed: {said[-1] if said else error}"[:200]
    return str(error)


def prepare_rates(ours: Worker, facts: dict[str, Any]) -> dict[str, Callable[[], float]]:
    """Return the work that measures the machine's rate, ready to run."""
    for work in facts["rates"]:
        ours.prepare(work, "rate", 1, {"work": work})
    return {work: partial(ours.run, work) for work in facts["rates"]}


def rate_of(times: Iterable[Times], facts: dict[str, Any]) -> float:
    """Return the machine's multiply-adds a second: the best of a large matrix product and a well-shaped convolution."""
    rounds = list(times)
    return max(count * 1000 / min(each[work] for each in rounds) for work, count in facts["rates"].items())


def measure(opened: Contest) -> Iterator[Row]:
    """Yield the rows of every method at every batch size."""
    for batch in opened.settings.batches:
        prepare_rates(opened.ours, opened.facts)
        forward = opened.ours.prepare(FORWARD, "forward", batch, {})["seconds"]
        for number, method in enumerate(opened.settings.methods, 1):
            started = time.perf_counter()
            try:
                yield from measure_method(opened, method, batch, forward)
            except WorkerError as error:
                yield opened.row(batch, method, FORWARD, note=str(error))
            place = f"{opened.network}, batch {batch}, {method} ({number} of {len(opened.settings.methods)})"
            print(f"{place}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
        for worker in (opened.ours, *opened.peers.values()):
            with suppress(WorkerError):  # one that has ended says so in every row
                worker.ask("forget")


def measure_method(opened: Contest, method: str, batch: int, forward: float) -> Iterator[Row]:
    """Yield the rows of one method at one batch size, whose forward pass takes so many seconds."""
    work, longest = METHODS[method], opened.settings.longest
    expected = sum(work.passes(opened.facts)) * forward
    if expected > longest:
        yield opened.row(batch, method, FORWARD, note=f"left out: one run would take {expected:.0f} s")
        return
    options = work.options(opened.facts["image_shape"][0])
    answer = opened.ours.prepare(method, method, batch, options)
    if answer["seconds"] > longest:
        yield opened.row(batch, method, FORWARD, note=f"left out: one run takes {answer['seconds']:.0f} s")
        return
    ours = np.load(answer["file"])
    contenders: dict[str, Worker] = {} if work.loop else {FORWARD: opened.ours}
    same = {FORWARD: ""}
    if method in BY_HAND:
        contenders[TAPE] = opened.ours
        found = opened.ours.prepare(TAPE, "tape", batch, {"method": method})
        same[TAPE] = compare(ours, np.load(found["file"]))
    for name in opened.peers:
        if method in PEERS[name].methods:
            try:
                found = prepare_peer(opened, name, method, batch, options)
            except WorkerError as error:
                yield opened.row(batch, method, name, note=str(error))
            else:
                contenders[name], same[name] = opened.peers[name], compare(ours, found)
    yield from rows_of(opened, method, batch, contenders, same)


def prepare_peer(opened: Contest, name: str, method: str, batch: int, options: dict[str, Any]) -> np.ndarray:
    """Return the result of a peer's method; raise `WorkerError` where it fails or takes too long to be timed."""
    answer = opened.peers[name].prepare(method, method, batch, options)
    if answer["seconds"] > 3 * opened.settings.longest:
        raise WorkerError(f"left out: one run takes {answer['seconds']:.0f} s")
    return np.load(answer["file"])


def rows_of(
    opened: Contest, method: str, batch: int, contenders: dict[str, Worker], same: dict[str, str]
) -> Iterator[Row]:
    """Time a method and all its contenders in the same rounds, and yield a row for each, and for the floor."""
    runs = {name: partial(opened.ours.run, name) for name in (method, *opened.facts["rates"])}
    runs |= {name: partial(worker.run, method if name in PEERS else name) for name, worker in contenders.items()}
    times = alternate(runs, opened.settings.rounds)
    above = opened.peak(method, batch, opened.ours)
    least = 1000 * sum(METHODS[method].passes(opened.facts)) * batch * opened.facts["multiply_adds"]
    floors = [{**each, FLOOR: least / rate_of([each], opened.facts)} for each in times]
    rows = [opened.row(batch, method, FLOOR, **medians(floors, method, FLOOR)._asdict())]
    for name, worker in contenders.items():
        found = medians(times, method, name)._asdict()
        theirs = opened.peak(name, batch, worker) if name not in PEERS else worker.peak(method)["above"] / 1e6
        note = PEERS[name].methods[method] if name in PEERS else ""
        rows.append(opened.row(batch, method, name, **found, theirs_mb=theirs, same=same[name], note=note))
    rivals = [row for row in rows if row["against"] in PEERS and PEERS[row["against"]].uses_tensorflow]
    if rivals:
        fastest = min(rivals, key=lambda row: row["theirs_ms"])
        rows.append({**fastest, "against": f"{TENSORFLOW_PEER} ({fastest['against']})"})
    yield from ({**row, "ours_mb": above} for row in rows)
