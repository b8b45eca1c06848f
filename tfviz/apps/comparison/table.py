"""The table of a comparison as plain text, and the sentences below it, which every form of it shows."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfviz.printable import printable
from tfviz.results.comparison import LEGEND, Findings, number_text
from tfviz.results.metrics import METRICS

COLUMNS = 100
MOST_PAIRS = 6
"""The pairs of metrics whose agreement is told, each by itself: those of four metrics."""
ARROWS = {"higher": "↑", "lower": "↓"}
UNMARKED = "a map that does not know the network can be perfect, so that being no better than one is not marked"


def counted(count: int, noun: str, nouns: str | None = None) -> str:
    """Return a number of things in words: `1 image`, `2 images`; nouns: the plural, if it is another one."""
    return f"{count} {noun if count == 1 else nouns or f'{noun}s'}"


def headings_of(found: Findings) -> list[str]:
    """Return the name of each metric with an arrow: up if higher is better."""
    return [f"{metric} {ARROWS[found.table.about[metric].better]}" for metric in found.metrics]


def sentences_of(found: Findings, *, with_marks: bool = True) -> Iterator[str]:
    """Yield what a reader must know of the table: images, intervals, marks, agreement, what is missing."""
    count, share = len(found.results.targets), f"{found.confidence:.0%}"
    yield f"Means over {counted(count, 'image')}, by {found.results.model}; ↑ higher is better, ↓ lower is better."
    if count > 1:
        yield f"Intervals hold {share} of {found.resamples} resamples of the images, the same for all methods."
    used = {mark for each in found.summaries.values() for row in each.values() for mark in row.marks}
    if used and with_marks:
        yield "; ".join(f"{mark} {meaning}" for mark, meaning in LEGEND.items() if mark in used) + "."
    if found.baselines and (unmarked := [each for each in found.metrics if not found.must_beat(each)]):
        yield f"By {', '.join(unmarked)} {UNMARKED}."
    yield from _about_agreement(found)
    for metric, reasons in found.table.undefined.items():
        for why in dict.fromkeys(reasons.values()):
            rows = ", ".join(row for row, each in reasons.items() if each == why)
            yield f"No {metric} of {rows}: {why}."
    yield from _about_work(found)


def _about_agreement(found: Findings) -> Iterator[str]:
    """Yield how far metrics order the methods alike: all pairs of a few metrics, of many the ends and the middle."""
    pairs = sorted((tau, " and ".join(both)) for both, tau in found.agreement.items() if tau == tau)
    if not pairs:
        return
    middle = np.median([tau for tau, _ in pairs])
    texts = [f"{names} {number_text(tau)}" for tau, names in pairs[::-1]]
    if len(texts) > MOST_PAIRS:
        texts = [f"most {texts[0]}", f"least {texts[-1]}", f"half of {len(texts)} pairs above {number_text(middle)}"]
    yield f"How far the metrics order the methods alike (Kendall's τ, 1 alike, -1 reversed): {', '.join(texts)}."


def _about_work(found: Findings) -> Iterator[str]:
    """Yield on how many images methods were run again, and what the metrics asked for and shared."""
    some = int(found.table.rerun.sum())
    if again := [metric for metric in found.metrics if METRICS[metric].repeats and some < len(found.results.targets)]:
        names = ", ".join(again)
        yield f"On {some} of the images, since the methods are run again for each (rerun_images=None: all): {names}."
    (asked, run), (wanted, explained) = found.passes, found.maps
    if asked:
        yield f"The metrics asked for the scores of {counted(asked, 'image')}; {_run_of(asked, run, 'run')}."
    if wanted:
        they, maps = "They" if asked else "The metrics", counted(wanted, "map")
        yield f"{they} asked for {maps} of methods that were run again; {_run_of(wanted, explained, 'made')}."


def _run_of(asked: int, run: int, done: str) -> str:
    """Return in words how many of what was asked for were run or made, and not shared."""
    if run == asked:
        return f"all were {done}" if run > 1 else f"it was {done}"
    return f"{run} {'was' if run == 1 else 'were'} {done}, the others shared"


def table_of_comparison(found: Findings) -> Table:
    """Return the table for a terminal: a line for each method, and one for each baseline below them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("method", no_wrap=True)
    for heading in headings_of(found):
        table.add_column(heading, justify="right", overflow="fold")
    for row in found.rows:
        cells = [found.summaries[metric][row] for metric in found.metrics]
        texts = [
            Text.assemble(f"{each.marks} {each.mean_text}".lstrip(), ("\n" + each.interval_text, "dim"))
            for each in cells
        ]
        table.add_row(printable(row), *texts, end_section=row == found.methods[-1])
    return table


def as_text(found: Findings, width: int = COLUMNS) -> str:
    """Return the table and its sentences as plain text of a width."""
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, legacy_windows=False)
    console.print(table_of_comparison(found))
    for sentence in sentences_of(found):
        console.print(Text(printable(sentence)))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")
