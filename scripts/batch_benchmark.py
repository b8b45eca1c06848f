#!/usr/bin/env python
"""Measure `tfviz batch` on pictures of the embedded network: pictures a second against a plain loop, and memory.

Every run is a process of its own. Its pictures a second are those by which a long run is longer than a short one, over
the seconds that it takes longer, so that starting TensorFlow, Beam and the workers does not count. The plain loop
reads, decodes and explains the same files 32 at once, and writes nothing. Runs alternate, and medians are printed.
Memory is the peak of the largest process of a run alone: with two workers, a machine needs that of all of them.
`--output notebooks` puts all of it into the benchmark's page there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmark import arguments as given, report

from tfviz import demo
from tfviz.apps.files.output import write_picture

METHOD = "grad_cam"
LOOP = """
import sys
import numpy as np
import tfviz
from tfviz.apps.files.images import read_image
from tfviz.demo import load_network
network = tfviz.trace(load_network())
paths = sys.argv[2:]
for start in range(0, len(paths), 32):
    images = np.stack([read_image(path) for path in paths[start : start + 32]])
    tfviz.explain(network, images, methods=sys.argv[1])
"""
WORKERS = {"1 worker": [], "2 workers": ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]}


def run(kind: str, paths: list[Path], folder: Path) -> tuple[float, float]:
    """Return the seconds and the peak megabytes of a run over some pictures."""
    links = folder / f"{len(paths)}"
    if not links.exists():
        links.mkdir()
        for path in paths:
            (links / path.name).symlink_to(path)
    arguments = ["-c", LOOP, METHOD, *map(str, sorted(links.iterdir()))]
    if kind in WORKERS:
        arguments = ["-m", "tfviz", "batch", f"--input={links}/*", f"--method={METHOD}", f"--output={folder}/out"]
    # A process in between, whose children are those of this run alone.
    peak = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)\n"
    peak += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    started = time.monotonic()
    command = [sys.executable, "-c", peak, sys.executable, *arguments, *WORKERS.get(kind, [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **QUIET})
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.monotonic() - started, int(done.stdout) / 1024


QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000, 2000, 4000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=given.folder, help="folder of the benchmark's page (default none)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        drawn = demo.generate(250, seed=0).images
        paths = [folder / "pictures" / f"{number:05}.png" for number in range(max(options.sizes))]
        for number, path in enumerate(paths):
            write_picture(path, drawn[number % len(drawn)])
        short, long = min(options.sizes), max(options.sizes)
        rates: dict[str, list[float]] = {"plain loop": [], **{kind: [] for kind in WORKERS}}
        for _ in range(options.rounds):
            for kind, found in rates.items():
                seconds = [run(kind, paths[:size], folder)[0] for size in (short, long)]
                found.append((long - short) / (seconds[1] - seconds[0]))
        peaks = {kind: {size: run(kind, paths[:size], folder)[1] for size in options.sizes} for kind in WORKERS}
    medians = {kind: statistics.median(found) for kind, found in rates.items()}
    print_all(rates, medians, peaks)
    if options.output:
        part = {"method": METHOD, "rounds": options.rounds, "rates": medians, "peaks": peaks}
        report.put("throughput", part, options.output)


def print_all(rates: dict[str, list[float]], medians: dict[str, float], peaks: dict[str, dict[int, float]]) -> None:
    for kind, found in rates.items():
        each = ", ".join(f"{rate:.0f}" for rate in found)
        ratio = medians[kind] / medians["plain loop"]
        print(f"{kind}: {medians[kind]:.0f} pictures a second ({each}), {ratio:.2f} of the plain loop")
    for kind, sizes in peaks.items():
        shown = ", ".join(f"{size} pictures {peak:.0f} MB" for size, peak in sizes.items())
        print(f"{kind}, peak of the largest process alone: {shown}")


if __name__ == "__main__":
    main()
