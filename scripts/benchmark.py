"""Times tfviz against the network itself, a tape written by hand, the arithmetic and its peers: ratios from one run.

    python scripts/benchmark.py                        # everything of tfviz alone, five networks
    python scripts/benchmark.py --peers                # against all peers too, each in an environment made here
    python scripts/benchmark.py --quick                # what is slow or fast, in a minute
    python scripts/benchmark.py --model squeezenet --batch 1 --method saliency --peers captum xplique
    python scripts/benchmark.py --model vgg16 --batch 8 --add    # to the rows of an earlier run
    python scripts/benchmark.py --peers --output notebooks       # the page that is read
    python scripts/benchmark.py --render --output notebooks      # the page anew from its data, nothing measured

Every contender of a method runs once in each round, on the same images and weights, in alternating order, and each
ratio is the median over the rounds of (our time) / (their time). What another library computes is compared with
ours: `equal` with the relative distance, or the correlation `r` and why. The floor is the network's multiply-adds,
forward and backward, at the machine's own rate in the same round. Memory is the peak of one run above the network.

Writes `benchmark.json`, the data, and `benchmark.md`, the page that is made of nothing else, after every network, over
those of an earlier run unless nothing is measured. Rows of two machines or releases never stand in one file: `--add`
refuses that. What `scripts/rounding.py` and `scripts/batch_benchmark.py` put there stays. Progress goes to the standard
error.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmark import arguments as given, further, report as kept
from benchmark.environments import PEERS
from benchmark.measure import Contest, Settings, contest, measure
from benchmark.plan import BATCHES, METHODS, NETWORKS
from benchmark.worker import WorkerError

NOTHING = {"batch": "", "what": "everything", "against": "", "version": ""}
CACHE = Path.home() / ".cache" / "tfviz-benchmark"


def main() -> None:
    arguments = read_arguments()
    earlier = earlier_of(arguments)
    if arguments.render:
        print(kept.write(earlier, arguments.output))
        return
    report = kept.new(arguments.rounds)
    run = report["runs"][0]
    for _ in networks(arguments, report):
        if is_measured(run):
            kept.write(kept.added(earlier, report), arguments.output)
    if arguments.further:
        try:
            run["rows"] += further.start_up(arguments.rounds)
        except WorkerError as error:
            run["rows"].append({**NOTHING, "network": "demo", "note": str(error)})
    if not is_measured(run):
        notes = "; ".join(dict.fromkeys(f"{row['network']}: {row['note']}" for row in run["rows"]))
        raise SystemExit(f"benchmark.py: nothing was measured, and nothing is written; {notes}")
    print(kept.write(kept.added(earlier, report), arguments.output))
    print(f"written: {arguments.output / kept.MARKDOWN} and {arguments.output / kept.JSON}", file=sys.stderr)


def earlier_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the report that is rendered or added to, an empty one for none; end where that cannot be."""
    if arguments.render:
        if not (arguments.output / kept.JSON).exists():
            raise SystemExit(f"benchmark.py: there is no {arguments.output / kept.JSON} to make a page of")
        return kept.read(arguments.output)
    try:
        if arguments.add:
            earlier = kept.read(arguments.output)
            kept.refuse_mixture(earlier, kept.new())
            return earlier
    except kept.MixedError as error:
        raise SystemExit(f"benchmark.py: {error}") from error
    return kept.new()


def is_measured(run: dict[str, Any]) -> bool:
    """Return whether any row holds more than why there is nothing."""
    return any("ratio" in row for row in run["rows"])


def networks(arguments: argparse.Namespace, report: dict[str, Any]) -> Iterator[None]:
    """Add the rows of each network to a report, and yield after each."""
    settings = Settings(
        arguments.batch, arguments.method, arguments.rounds, arguments.peers, arguments.environments, arguments.longest
    )
    started = time.perf_counter()
    for number, name in enumerate(arguments.model, 1):
        run_network(name, settings, arguments.further, report)
        yield
        minutes = (time.perf_counter() - started) / 60
        print(f"{number} of {len(arguments.model)} networks, {minutes:.0f} min so far", file=sys.stderr)


def run_network(name: str, settings: Settings, with_further: bool, report: dict[str, Any]) -> None:
    """Add the rows of one network to the last run of a report, row by row."""
    rows = report["runs"][-1]["rows"]
    with ExitStack() as stack:
        try:
            opened, failed = contest(name, settings, stack)
        except WorkerError as error:
            rows.append({**NOTHING, "network": Path(name).stem, "note": str(error)})
            print(f"{name} could not be run: {error}", file=sys.stderr)
            return
        report["rates"][opened.network] = opened.rate / 1e9
        rows += failed
        announce(opened, settings)
        for row in measure(opened):
            rows.append(row)
        for row in further.further(opened) if with_further else ():
            rows.append(row)


def announce(opened: Contest, settings: Settings) -> None:
    """Say roughly how long a network takes: at twice the floor, with all contenders."""
    image = opened.facts["multiply_adds"] / opened.rate
    runs = (settings.rounds + 3) * (2 + len(opened.peers) / 2)
    expected = 0.0
    for batch in settings.batches:
        for method in settings.methods:
            seconds = 3 * batch * sum(METHODS[method].passes(opened.facts)) * image
            expected += runs * seconds if seconds <= settings.longest else 0
    print(f"{opened.network}: about {expected / 60:.0f} minutes", file=sys.stderr)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = f"several times (default {', '.join(NETWORKS)})"
    parser.add_argument("--model", action="append", type=given.network, help=f"{given.EXPECTED}; {models}")
    sizes = f"batch size, several times (default {', '.join(map(str, BATCHES))})"
    parser.add_argument("--batch", action="append", type=given.count, help=sizes)
    parser.add_argument("--method", action="append", choices=METHODS, help="several times (default all)")
    parser.add_argument("--rounds", type=given.count, default=7, help="(default %(default)s)")
    parser.add_argument("--peers", nargs="*", choices=PEERS, help="libraries to run against; all if none is named")
    parser.add_argument(
        "--environments", type=given.folder, default=CACHE, help="where the peers live (default %(default)s)"
    )
    longest = "seconds a run may take, else it is left out (default %(default)s)"
    parser.add_argument("--longest", type=given.seconds, default=5, help=longest)
    parser.add_argument("--quick", action="store_true", help="demo and squeezenet, batch 1, four methods, 3 rounds")
    rows = "rows beside those of single methods (default: where no method is named)"
    parser.add_argument("--further", action=argparse.BooleanOptionalAction, default=None, help=rows)
    output = f"folder of {kept.MARKDOWN} and {kept.JSON} (default %(default)s)"
    parser.add_argument("--output", type=given.folder, default=Path("benchmark"), help=output)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--add", action="store_true", help="keep the other rows that the output holds")
    either.add_argument("--render", action="store_true", help="write the page of the output's data anew, and end")
    chosen = parser.parse_args()
    if chosen.further is None:
        chosen.further = not chosen.method and not chosen.quick
    if chosen.quick:
        chosen.rounds = 3
    chosen.model = chosen.model or list(NETWORKS[:2] if chosen.quick else NETWORKS)
    chosen.batch = chosen.batch or list(BATCHES[:1] if chosen.quick else BATCHES)
    chosen.method = chosen.method or (
        ["saliency", "full_grad", "grad_cam", "smooth_grad"] if chosen.quick else [*METHODS]
    )
    chosen.peers = [*PEERS] if chosen.peers == [] else chosen.peers or []
    return chosen


if __name__ == "__main__":
    main()
