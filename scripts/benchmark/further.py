"""Rows beside those of single methods: several at once, a sample, an ascent, many images, the first call, the start."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmark.measure import ROOT, Contest, Row, start
from benchmark.plan import SAMPLES, STEPS
from benchmark.rounds import alternate, medians, medians_of
from benchmark.worker import WorkerError

FOUR = ("saliency", "grad_cam", "full_grad", "layer_cam")
ITERATIONS = 100
FEW, MANY = 10, 1000  # images
FIRST_CALL = Path(__file__).parent / "workers" / "first_call.py"


def further(opened: Contest) -> Iterator[Row]:
    """Yield the further rows of one network."""
    parts = [four_at_once, per_sample, otherwise, ascent, first_call]
    if opened.network == "demo":
        parts.append(growth)
    for part in parts:
        started = time.perf_counter()
        try:
            yield from part(opened)
        except WorkerError as error:
            yield opened.row("", part.__name__.replace("_", " "), "", note=str(error))
        seconds = time.perf_counter() - started
        print(f"{opened.network}, {part.__name__.replace('_', ' ')}: {seconds:.0f} s", file=sys.stderr)
        opened.ours.ask("forget")


def four_at_once(opened: Contest) -> Iterator[Row]:
    """Yield four methods in one `explain` against saliency alone."""
    ours = opened.ours
    for batch in opened.settings.batches:
        ours.prepare("four", "explain", batch, {"methods": list(FOUR)})
        ours.prepare("one", "explain", batch, {"methods": ["saliency"]})
        times = alternate({name: partial(ours.run, name) for name in ("four", "one")}, opened.settings.rounds)
        memory = {"ours_mb": ours.peak("four")["above"] / 1e6, "theirs_mb": ours.peak("one")["above"] / 1e6}
        found = medians(times, "four", "one")._asdict()
        yield opened.row(batch, " + ".join(FOUR), "saliency alone", **found, **memory)


def per_sample(opened: Contest) -> Iterator[Row]:
    """Yield methods of many gradients, a sample of one image, against `gradient`, an image at its best batch size."""
    ours, batches = opened.ours, opened.settings.batches
    for batch in batches:
        ours.prepare(f"gradient {batch}", "gradient", batch, {})
    runs = {f"gradient {batch}": partial(scaled, partial(ours.run, f"gradient {batch}"), batch) for batch in batches}
    for method, options in (("smooth_grad", {"samples": SAMPLES}), ("integrated_gradients", {"steps": STEPS})):
        (count,) = options.values()
        seconds = ours.prepare(method, method, 1, options)["seconds"]
        if seconds > opened.settings.longest:
            yield opened.row(1, f"{method}, a sample", "gradient", note=f"left out: one run takes {seconds:.0f} s")
            continue
        times = alternate({**runs, method: partial(scaled, partial(ours.run, method), count)}, opened.settings.rounds)
        best = min(runs, key=lambda name: medians(times, method, name).theirs_ms)
        size = int(best.split()[1])
        against = f"gradient, an image of a batch of {size}"
        memory = {"ours_mb": ours.peak(method)["above"] / 1e6, "theirs_mb": ours.peak(best)["above"] / 1e6}
        found = medians(times, method, best)._asdict()
        yield opened.row(1, f"{method}, a sample of {count}", against, **found, **memory)


def otherwise(opened: Contest) -> Iterator[Row]:
    """Yield saliency in another precision and compiled by XLA against saliency as it is."""
    ways = {"bfloat16": {"precision": "bfloat16"}, "compiled by XLA": {"jit_compile": True}}
    for batch in opened.settings.batches:
        opened.ours.prepare("as it is", "saliency", batch, {})
        for way, options in ways.items():
            opened.ours.prepare(way, "traced otherwise", batch, options)
        runs = {way: partial(opened.ours.run, way) for way in ("as it is", *ways)}
        times = alternate(runs, opened.settings.rounds)
        for way in ways:
            found = medians(times, way, "as it is")._asdict()
            yield opened.row(batch, f"saliency, {way}", "saliency as it is", **found)


def scaled(run: Callable[[], float], count: int) -> float:
    """Return the milliseconds of one of so many."""
    return run() / count


def ascent(opened: Contest) -> Iterator[Row]:
    """Yield 100 iterations of a class visualisation against 100 compiled gradients."""
    ours, against = opened.ours, f"{ITERATIONS} compiled gradients"
    seconds = ours.prepare("steps", "steps", 1, {"iterations": ITERATIONS})["seconds"]
    if seconds > opened.settings.longest:
        yield opened.row(1, "class_visualization", against, note=f"left out: one run takes {seconds:.0f} s")
        return
    presets = ("simonyan", "fourier")
    for preset in presets:
        ours.prepare(preset, "class_visualization", 1, {"preset": preset, "iterations": ITERATIONS})
    times = alternate({name: partial(ours.run, name) for name in (*presets, "steps")}, opened.settings.rounds)
    for preset in presets:
        memory = {"ours_mb": ours.peak(preset)["above"] / 1e6, "theirs_mb": ours.peak("steps")["above"] / 1e6}
        found = medians(times, preset, "steps")._asdict()
        yield opened.row(1, f"class_visualization, {preset}", against, **found, **memory)


def growth(opened: Contest) -> Iterator[Row]:
    """Yield the time of an image, and the peak memory of the process, of 1,000 images against 10, 10 in a batch."""
    ours = opened.ours
    for method in ("saliency", "grad_cam"):
        for calls, meant in (("stream", "in calls of 10"), ("one", "in one call")):
            for count in (FEW, MANY):
                given = {"method": method, "count": count, "at_once": FEW, "calls": calls}
                ours.prepare(str(count), "many", FEW, given)
            runs = {str(count): partial(scaled, partial(ours.run, str(count)), count) for count in (FEW, MANY)}
            times = alternate(runs, opened.settings.rounds)
            what, against = f"{method}, an image of {MANY}, {meant}", f"an image of {FEW}"
            peaks = {count: fresh_peak(method, count, calls) for count in (FEW, MANY)}
            found = medians(times, str(MANY), str(FEW))._asdict()
            yield opened.row(FEW, what, against, **found)
            memory = {"ratio": peaks[MANY] / peaks[FEW], "ours_mb": peaks[MANY], "theirs_mb": peaks[FEW]}
            if calls == "one":
                side = opened.facts["image_shape"]
                held = 4 * MANY * (math.prod(side) + math.prod(side[:2])) / 1e6
                memory["note"] = f"the images and maps themselves are {held:.0f} MB"
            yield opened.row(FEW, f"{what}: peak memory of the process", against, **memory)


def fresh_peak(method: str, count: int, calls: str) -> float:
    """Return the peak memory, in MB, of a process that explains so many images of the demo and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "given.json").write_text(json.dumps({"model": "demo"}))
        with start(Path(sys.executable), "with_tfviz", Path(folder), {"PYTHONPATH": str(ROOT)}) as alone:
            given = {"method": method, "count": count, "at_once": FEW, "calls": calls}
            alone.prepare("many", "many", FEW, given)
            return alone.peak("many")["total"] / 1e6


def first_call(opened: Contest) -> Iterator[Row]:
    """Yield the first explanation of a fresh network in a fresh process against 3 times its warm time and a second."""
    network = json.loads((opened.ours.log.parent / "given.json").read_text())["model"]
    for method in ("saliency", "grad_cam"):
        pairs = []
        for _ in range(opened.settings.rounds):
            command = [sys.executable, str(FIRST_CALL), network, method]
            answer = json.loads(output_of(command).splitlines()[-1])
            pairs.append((1000 * answer["first"], 1000 * (3 * answer["warm"] + 1)))
        yield opened.row(1, f"{method}, the first call", "3 warm calls + 1 s", **medians_of(pairs)._asdict())


def start_up(rounds: int) -> Iterator[Row]:
    """Yield how long importing tfviz, its help and `tfviz explain` take, against limits or TensorFlow's import."""
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "nothing": [python, "-c", "pass"],
            "import tfviz": [python, "-c", "import tfviz"],
            "import tensorflow": [python, "-c", "import tensorflow"],
            "tfviz --help": [python, "-m", "tfviz", "--help"],
            "tfviz explain": [python, "-m", "tfviz", "explain", "--output", folder],
        }
        runs = {name: partial(milliseconds, command, folder) for name, command in commands.items()}
        for run in runs.values():
            run()
        times = alternate(runs, rounds)
    row = {"network": "demo", "batch": "", "version": ""}
    bare = medians_of([(each["import tfviz"] - each["nothing"], 100.0) for each in times])
    yield {**row, "what": "import tfviz", "against": "0.1 s", **bare._asdict()}
    yield {**row, "what": "tfviz --help", "against": "0.5 s", **with_limit(times, "tfviz --help", 500.0)}
    pairs = [(each["tfviz explain"], each["import tensorflow"] - each["nothing"]) for each in times]
    found = medians_of(pairs)
    share = f"TensorFlow's import is {found.theirs_ms / found.ours_ms:.0%} of it"
    yield {**row, "what": "tfviz explain", "against": "TensorFlow's own import", **found._asdict(), "note": share}


def with_limit(times: list[dict[str, float]], name: str, limit: float) -> dict[str, float]:
    """Return the medians of what must not take longer than `limit` milliseconds."""
    return medians_of([(each[name], limit) for each in times])._asdict()


def milliseconds(command: list[str], folder: str) -> float:
    """Return how long a command takes."""
    started = time.perf_counter()
    output_of(command, folder)
    return 1000 * (time.perf_counter() - started)


def output_of(command: list[str], folder: str | None = None) -> str:
    """Return what a command of this tfviz prints; raise `WorkerError` where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkerError(f"{' '.join(command[-3:])} failed: {done.stderr.strip().splitlines()[-1][:200]}")
    return done.stdout
