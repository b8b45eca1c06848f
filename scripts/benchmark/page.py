"""The page of what was measured: every number on it is computed from the rows of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from benchmark import beside
from benchmark.environments import PEERS
from benchmark.measure import FLOOR, FORWARD, TAPE, TENSORFLOW_PEER
from benchmark.plan import METHODS
from benchmark.stamp import said
from benchmark.table import CONTENDERS, Report, Row, is_lost, lines_of, number, overview, paragraph, rows_of, table

RUN = """\
```bash
python scripts/benchmark.py --quick   # four methods on two networks, in two minutes
python scripts/benchmark.py --peers   # all of it, in hours, into the folder benchmark/
python scripts/benchmark.py --help    # networks, batches, methods, peers and rounds
```

Each peer gets an environment of its own in `~/.cache/tfviz-benchmark`. The weights of the three large networks are
random. Take a machine that does nothing else: PyTorch's threads wait by spinning, and a busy core makes captum look
ten times slower than it is. This page is made by `python scripts/benchmark.py --peers --output notebooks`; with
`--add` only what is named is measured anew, on the same machine and release, and with `--render` nothing is."""

HOW = """\
All contenders run on the same weights and images, one after the other in each round, and a ratio is the median of the
rounds' **(our time) / (their time): below 1 we are faster**. A peer is timed only where its logits agree with ours to
1e-4. `tape by hand` is a gradient tape as most people write it, compiled; `forward pass` the network alone, compiled;
`arithmetic floor` the multiply-adds of the passes that a method needs at least, at the machine's own rate. `demo` is
the embedded network. Memory is the peak of one run above the loaded network. Nothing was measured on a GPU."""

ASKED: dict[str, Callable[[Row], bool]] = {
    f"`gradient`, `saliency` / {TAPE}": lambda row: row["against"] == TAPE,
    f"`grad_cam` / {FORWARD}": lambda row: row["against"] == FORWARD,
    f"a method / the {TENSORFLOW_PEER}": lambda row: row["against"].startswith(TENSORFLOW_PEER),
    **{f"a method / {name}": lambda row, name=name: row["against"] == name for name in PEERS},
    "beyond single calls": lambda row: row["what"] not in METHODS,
}


def page(report: Report) -> str:
    """Return a report as Markdown."""
    rows = rows_of(report)
    parts = [
        ["# Benchmark"],
        ["*Written by `scripts/benchmark.py` from `benchmark.json`, never by hand.*"],
        *(measured(report, rows) if rows else []),
        *beside.parts(report),
        ["## Run it yourself"],
        [RUN],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def measured(report: Report, rows: list[Row]) -> Iterable[list[str]]:
    """Yield the parts that are about rows."""
    if words := summary(rows):
        yield paragraph(words)
    yield [HOW]
    yield machine(report, rows)
    yield ["## Where we lose"]
    yield from lost(rows)
    if any(row["against"] in PEERS for row in rows):
        yield ["## Against each library"]
        yield from against_peers(rows)
    if further := [row for row in rows if row["what"] not in METHODS]:
        yield ["## Beyond single calls"]
        yield lines_of(further, ("network", "batch", "what", "ours", "against", "ratio", "target", "reached", "note"))
    yield ["## Memory"]
    yield from memory(rows)
    yield ["## All ratios"]
    yield ["Bold where we lose; ms and MB are ours."]
    for name, found in by_network(rows).items():
        methods = [row for row in found if row["what"] in METHODS]
        places = {(row["batch"], row["what"]) for row in methods}
        yield from folded(f"{name}: {counted(len(places), 'row')}", overview(methods))
    if left_out := [row for row in rows if row.get("ratio") is None]:
        yield from folded(f"{len(left_out)} not timed", lines_of(left_out, ("network", "batch", "what", "note")))


def summary(rows: list[Row]) -> str:
    """Return the numbers in a sentence or two, as far as they were measured."""
    ratios = {(row["network"], row["batch"], row["what"], row["against"]): row.get("ratio") for row in rows}
    alone = {
        "`saliency` takes {:.2f} of the time of a gradient tape compiled by hand": ("saliency", TAPE),
        "`grad_cam` {:.2f} of a forward pass": ("grad_cam", FORWARD),
    }
    on_one = [number(ratios.get(("squeezenet", 1, *place)), words) for words, place in alone.items()]
    peers = [number(ratio_to(rows, name, 1), f"{{:.2f}} of {name}'s") for name in PEERS]
    over = f"Over all methods and {counted(len(by_network(rows)), 'network')}"
    sentences = {
        "For one picture on SqueezeNet {}.": on_one,
        f"{over}, the median call with one picture takes {{}} time.": peers,
    }
    return " ".join(words.format(", ".join(filter(None, found))) for words, found in sentences.items() if any(found))


def machine(report: Report, rows: list[Row]) -> list[str]:
    """Return what the numbers are of."""
    runs = [f"{run['date']} (commit {run['commit']}, {run['rounds']} rounds)" for run in report["runs"]]
    rates = [f"{name} {rate:.0f}" for name, rate in report["rates"].items()]
    items = {
        "- **Measured on** {}.": "; ".join(dict.fromkeys(runs)),
        "- **Machine and release:** {}.": said(report),
        "- **Peers:** {}.": "; ".join(sorted({row["version"] for row in rows} - {""})),
        "- **Rate:** {} billion multiply-adds a second.": ", ".join(rates),
        "- {}": report["note"],
    }
    return [line for words, found in items.items() if found for line in paragraph(words.format(found))]


def lost(rows: list[Row]) -> Iterable[list[str]]:
    """Yield what misses its target, and where another is faster."""
    asked = [row for row in rows if row["reached"] is not None]
    missed = [row for row in asked if not row["reached"]]
    reached = len(asked) - len(missed)
    yield [f"Of {counted(len(asked), 'target')} {reached} {'is' if reached == 1 else 'are'} reached."]
    if asked:
        yield table(("ratio", "target", "reached", "furthest from it"), targets(asked))
    if missed:
        columns = ("network", "batch", "what", "against", "ratio", "target", "note")
        yield from folded(f"{counted(len(missed), 'target')} missed", lines_of(missed, columns))
    compared = [row for row in rows if row["against"] in CONTENDERS[2:] and row.get("ratio") is not None]
    if slower := sorted(filter(is_lost, compared), key=lambda row: -row["ratio"]):
        yield [f"In {len(slower)} of {len(compared)} comparisons with a tape by hand or a peer we are slower:"]
        yield lines_of(slower, ("network", "batch", "what", "against", "ratio", "same numbers", "note"))
    if near := floors(rows):
        yield paragraph(
            f"What is left are convolutions: `saliency` takes {near} times the arithmetic alone, and algorithms that "
            "save arithmetic, such as Winograd's, are not exact to 1e-6. What compiles a tape as we do (xplique, "
            "tf-explain) is about as fast where arithmetic is most of the time; a CAM takes at least its forward pass."
        )


def targets(asked: list[Row]) -> Iterable[list[str]]:
    """Yield a line for each kind of target, that which is missed most first."""
    found = {name: [row for row in asked if belongs(row)] for name, belongs in ASKED.items()}
    reached = {name: sum(row["reached"] for row in rows) for name, rows in found.items()}
    for name in sorted(filter(found.get, found), key=lambda name: reached[name] / len(found[name])):
        worst = max(found[name], key=lambda row: row["ratio"] / row["target"])
        yield [name, limits(found[name]), f"{reached[name]} of {len(found[name])}", described(worst)]


def floors(rows: list[Row]) -> str:
    """Return how near to the arithmetic the saliency of each network is at its largest batch."""
    found = {row["network"]: row for row in rows if row["what"] == "saliency" and row["against"] == FLOOR}
    nearest = sorted(found.values(), key=lambda row: row["ratio"])
    return ", ".join(f"{row['ratio']:.2f} ({row['network']}, batch {row['batch']})" for row in nearest)


def against_peers(rows: list[Row]) -> Iterable[list[str]]:
    """Yield the medians over all methods and networks, and what each library computes otherwise."""
    batches = sorted({row["batch"] for row in rows if row["what"] in METHODS})
    yield ["Median ratio over all methods and networks, and of how many:"]
    lines = []
    for name in PEERS:
        shown = [
            number(ratio_to(rows, name, batch), f"{{:.2f}} ({len(ratios_to(rows, name, batch))})") for batch in batches
        ]
        lines.append([name, *shown])
    yield table(("library", *(f"batch {batch}" for batch in batches)), lines)
    yield from folded("What they compute otherwise", table(("library", "method", "otherwise"), differences()))


def differences() -> Iterable[list[str]]:
    """Yield a line for each method that a library has with other numbers."""
    for name, peer in PEERS.items():
        for method, otherwise in peer.methods.items():
            if otherwise:
                yield [name, f"`{method}`", otherwise]


def memory(rows: list[Row]) -> Iterable[list[str]]:
    """Yield the peaks of a network's usual methods and its largest."""
    peaks: dict[tuple[str, Any], dict[str, float]] = {}
    for row in rows:
        if row["what"] in METHODS and row.get("ours_mb") is not None:
            peaks.setdefault((row["network"], row["batch"]), {})[row["what"]] = row["ours_mb"]
    usual = ("grad_cam", "saliency", "full_grad", "smooth_grad", "integrated_gradients")
    lines = []
    for place, found in peaks.items():
        largest = max(found, key=lambda name: found[name])
        lines.append(
            [*place, *(number(found.get(name), "{:.0f}") for name in usual), f"{found[largest]:.0f} (`{largest}`)"]
        )
    yield ["MB of one run above the loaded network:"]
    yield table(("network", "batch", *(f"`{name}`" for name in usual), "most"), lines)


def ratio_to(rows: list[Row], name: str, batch: int) -> float | None:
    """Return the median ratio against a peer, None where it was not timed."""
    found = ratios_to(rows, name, batch)
    return median(found) if found else None


def ratios_to(rows: list[Row], name: str, batch: int) -> list[float]:
    """Return the ratios of all methods and networks against a peer."""
    found = [row for row in rows if row["against"] == name and row["batch"] == batch and row["what"] in METHODS]
    return [row["ratio"] for row in found if row.get("ratio") is not None]


def by_network(rows: list[Row]) -> dict[str, list[Row]]:
    """Return the rows of each network."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["network"], []).append(row)
    return found


def described(row: Row) -> str:
    """Return a row as words."""
    return f"{row['ratio']:.2f} for {row['target']:.2f}: {row['network']}, batch {row['batch']}, {row['what']}"


def limits(rows: list[Row]) -> str:
    """Return the least and the largest target."""
    found = sorted({row["target"] for row in rows})
    return f"≤ {found[0]:.2f}" if len(found) == 1 else f"≤ {found[0]:.2f} to {found[-1]:.2f}"


def counted(number: int, noun: str) -> str:
    """Return a number of things as words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def folded(title: str, lines: list[str]) -> Iterable[list[str]]:
    """Yield lines that are shown when their title is clicked: a table needs an empty line before it."""
    yield [f"<details><summary>{title}</summary>"]
    yield lines
    yield ["</details>"]
