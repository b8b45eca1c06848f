"""The parts of the page that other scripts measure: rounding, and the throughput of `tfviz batch`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmark.stamp import said
from benchmark.table import Report, number, paragraph, table

SHARES = ("median", "90 %", "99 %", "largest")


def parts(report: Report) -> Iterable[list[str]]:
    """Yield the parts that a report has."""
    if "throughput" in report:
        yield ["## `tfviz batch`"]
        yield from throughput(report["throughput"])
    if "rounding" in report:
        yield ["## Rounding"]
        yield from rounding(report["rounding"])


def throughput(found: dict[str, Any]) -> Iterable[list[str]]:
    """Yield the pictures a second of each way to explain a folder of pictures, and the memory."""
    rates, peaks = found["rates"], found["peaks"]
    yield paragraph(
        f"`{found['method']}` of the embedded network's pictures by `python scripts/batch_benchmark.py`, medians of "
        f"{found['rounds']} rounds, beside a plain loop over the same files that writes nothing. Megabytes are the "
        f"peak of the largest process. {of(found)}"
    )
    sizes = list(next(iter(peaks.values())))
    lines = []
    for name, rate in rates.items():
        memory = [number(peaks.get(name, {}).get(size), "{:.0f}") for size in sizes]
        lines.append([name, f"{rate:.0f}", f"{rate / rates['plain loop']:.2f}", *memory])
    titles = [f"MB at {int(size):,} pictures" for size in sizes]
    yield table(("run", "pictures a second", "against the loop", *titles), lines)


def rounding(found: dict[str, Any]) -> Iterable[list[str]]:
    """Yield how far gradients are from those in float64."""
    yield paragraph(
        "On a machine of CPUs alone gradients take shortcuts, which `tfviz.trace(model, fast=False)` switches off. The "
        f"relative L2 distance of gradients from those in float64, over {found['pictures']} pictures each, by "
        "`python scripts/rounding.py`; where it is large, a ReLU near zero has tipped over, with a tape of your own as "
        f"well. Which kernels TensorFlow takes depends on the processor. {of(found)}"
    )
    lines = [[row["network"], row["gradient"], *(f"{row[each]:.1e}" for each in SHARES)] for row in found["rows"]]
    yield table(("network", "gradient", *SHARES), lines)


def of(stamp: dict[str, Any]) -> str:
    """Return what a part is of, as a sentence."""
    return f"Measured on {stamp['date']}, commit {stamp['commit']}; {said(stamp)}."
