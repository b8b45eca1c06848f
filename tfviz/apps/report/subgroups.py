"""Makes the tables of a report about groups of its pictures: what is right of all may be wrong of some.

A group is set against the rest, all pictures that are not in it. It is marked where the two intervals lie apart, which
is stricter than a test at the level of one interval. Of many cells some lie apart by chance all the same, and what is
not marked may differ: few pictures show large differences only.

Fewer than `FEWEST` pictures are not judged. The percentile bootstrap draws from what there is, and its intervals of few
values are too narrow: where 95 % are asked for, those of normal values cover the true mean in 0.49, 0.74, 0.79 and 0.84
of the cases for 2, 3, 4 and 5 values, and in 0.91 for 10 (measured with 1,500 samples each). A share, of which two
values are possible, has the interval of Wilson (1927), which does not end where all values are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tfviz.apps.comparison import counted, headings_of
from tfviz.apps.report.metadata import NONE_GIVEN
from tfviz.apps.report.pictures import ReportedPicture
from tfviz.apps.report.sections import ReportedCell, ReportedRow, ReportedTable
from tfviz.results.comparison import LEGEND, NO_BETTER, Findings, Summary, bootstrap_means, interval, number_text

FEWEST = 5
"""The pictures that a group, and the rest, must have to be judged."""
MOST_FEW = 8
"""The groups of too few pictures that are listed."""
TOO_FEW = "too few to judge"
CONFIDENCE, RESAMPLES = 0.95, 2000
DEVIATIONS = 1.959964
"""Of a normal distribution, which leave that confidence between them."""
CAPTION = (
    "Whether the network and its maps do as well on every group of pictures. A group is marked if its interval lies "
    "apart from that of all other pictures. Of many numbers some lie apart by chance; and of few pictures only large "
    "differences show, so that what is not marked may differ, too."
)
ABOUT_METHODS = "Below the groups are the means of the metrics, with their intervals, for the maps of each method."
NOTHING_KNOWN = "Neither true classes (--true) nor probabilities are known, and no methods are compared."
Ends = tuple[float, float]


@dataclass(frozen=True)
class _Groups:
    """The groups of pictures by a column; `of` is that of each picture."""

    column: str
    of: Sequence[str]

    @cached_property
    def members(self) -> Mapping[str, Sequence[int]]:
        """The pictures of each group, by their indices; the groups in the order of the page."""
        names = sorted(dict.fromkeys(self.of), key=_order)
        return {name: [index for index, each in enumerate(self.of) if each == name] for name in names}

    @property
    def judged(self) -> list[str]:
        """The groups of enough pictures."""
        return [name for name, members in self.members.items() if len(members) >= FEWEST]

    @property
    def few(self) -> list[str]:
        """The groups of too few pictures."""
        return [name for name, members in self.members.items() if len(members) < FEWEST]

    def rest(self, name: str) -> list[int]:
        """Return the pictures that are not in a group; none if they are too few to be compared with."""
        others = [index for index, each in enumerate(self.of) if each != name]
        return others if len(others) >= FEWEST else []


def subgroup_tables(
    groupings: Mapping[str, Sequence[str]], pictures: Sequence[ReportedPicture], found: Findings | None
) -> Iterator[ReportedTable]:
    """Yield the tables about groups of pictures: what the network does on them, then each method by the metrics.

    groupings: the group of each picture, by the column that tells it. found: the comparison on the same pictures, None
    if there is none.
    """
    caption = f"{CAPTION} {ABOUT_METHODS}" if found else CAPTION
    for column, of in groupings.items():
        groups = _Groups(column, of)
        network = _about_network(groups, pictures, caption)
        is_empty = found is None and len(network.header) == 2
        yield replace(network, notes=(*network.notes, NOTHING_KNOWN)) if is_empty else network
        if found is not None:
            yield from _about_methods(groups, found)
        caption = ""


def _order(name: str) -> tuple[int, float, str]:
    """Sort numbers by their value, then other names, then those of which nothing is given."""
    try:
        number = float(name)
    except ValueError:
        return (2 if name == NONE_GIVEN else 1), 0, name.casefold()
    return (0, number, name) if math.isfinite(number) else (1, 0, name.casefold())


# What the network does.


def _about_network(groups: _Groups, pictures: Sequence[ReportedPicture], caption: str) -> ReportedTable:
    """Return the table of all groups: pictures, share of right predictions, probability of what is explained."""
    columns: dict[str, Callable[[Sequence[int]], ReportedCell]] = {}
    right = [picture.is_right for picture in pictures]
    if all(each is not None for each in right):
        columns["correct predictions"] = lambda rows: _share([bool(right[row]) for row in rows])
    sure = [picture.targets[0].probability for picture in pictures]
    if all(each is not None for each in sure):
        columns["probability of the explained class"] = lambda rows: _mean([sure[row] or 0 for row in rows])
    rows = []
    for name in [*groups.judged, *groups.few[:MOST_FEW]]:
        is_judged = name in groups.judged
        cells = [
            _against_rest(groups, name, measure) if is_judged else ReportedCell(None) for measure in columns.values()
        ]
        count = ReportedCell(len(groups.members[name]), mark="" if is_judged else TOO_FEW)
        rows.append(ReportedRow(name, (count, *cells)))
    header = (groups.column, "pictures", *columns)
    return ReportedTable(f"By {groups.column}", caption, header, tuple(rows), tuple(_notes(groups)))


def _notes(groups: _Groups) -> Iterator[str]:
    if groups.few:
        few, has = counted(len(groups.few), "group"), "has" if len(groups.few) == 1 else "have"
        yield (
            f"{few} {has} fewer than {FEWEST} pictures, {TOO_FEW}: where 95 % are asked for, the interval of four "
            "values covers the true mean in fewer than eight of ten cases. Give more pictures; of a column of numbers, "
            "make ranges."
        )
    if (more := len(groups.few) - MOST_FEW) > 0:
        are = "is" if more == 1 else "are"
        yield f"{counted(more, 'more group')} of too few pictures {are} not listed."
    lonely = [name for name in groups.judged if not groups.rest(name)]
    if lonely:
        yield f"There are fewer than {FEWEST} other pictures to compare with: {', '.join(lonely)}."


def _against_rest(groups: _Groups, name: str, measure: Callable[[Sequence[int]], ReportedCell]) -> ReportedCell:
    """Return what is measured of a group, marked if it lies apart from the same of the rest."""
    own, rest = measure(groups.members[name]), groups.rest(name)
    if not rest:
        return own
    other = measure(rest)
    return _marked(own, _apart(_ends(own), _ends(other)))


def _ends(cell: ReportedCell) -> Ends:
    return (cell.low, cell.high) if cell.low is not None and cell.high is not None else (math.nan, math.nan)


def _marked(cell: ReportedCell, *marks: str) -> ReportedCell:
    return ReportedCell(cell.value, cell.low, cell.high, "; ".join(filter(None, (cell.mark, *marks))))


def _apart(own: Ends, rest: Ends) -> str:
    """Return in words that an interval lies apart from that of the rest; empty if it does not, or there is none."""
    where = "above" if own[0] > rest[1] else "below" if own[1] < rest[0] else ""
    return f"{where} the rest ({number_text(rest[0])} to {number_text(rest[1])})" if where else ""


def _share(values: Sequence[bool]) -> ReportedCell:
    """Return the share of what is true, with Wilson's interval."""
    count, share = len(values), sum(values) / len(values)
    spread = DEVIATIONS**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    return ReportedCell(share, max(0.0, middle - half), min(1.0, middle + half))


def _mean(values: Sequence[float]) -> ReportedCell:
    """Return the mean, with the interval of the bootstrap."""
    means = bootstrap_means(np.asarray(values, np.float64)[np.newaxis], RESAMPLES, seed=0)
    (low,), (high,) = interval(means, CONFIDENCE)
    return ReportedCell(float(np.mean(values)), float(low), float(high))


# What the methods do.


def _about_methods(groups: _Groups, found: Findings) -> Iterator[ReportedTable]:
    """Yield a table for each method: the groups that are judged by the metrics."""
    parts = {name: part for name, part in found.by(groups.of).items() if name in groups.judged}
    rests = {name: found.select(rest) for name in groups.judged if (rest := groups.rest(name))}
    for method in found.methods if parts else ():
        rows = []
        for name in groups.judged:
            part = parts[name]
            own = [part.summaries[metric][method] for metric in found.metrics]
            other = [rests[name].summaries[metric][method] if name in rests else None for metric in found.metrics]
            cells = [_cell(*each) for each in zip(own, other, strict=True)]
            rows.append(ReportedRow(name, (ReportedCell(len(groups.members[name])), *cells)))
        header = (groups.column, "pictures", *headings_of(found))
        yield ReportedTable(f"{method} by {groups.column}", "", header, tuple(rows), subject=method)


def _cell(own: Summary, rest: Summary | None) -> ReportedCell:
    """Return the mean of a group, marked if a baseline is as good there, or if it lies apart from the rest."""
    if own.count < FEWEST:
        return ReportedCell(None, mark=own.why or TOO_FEW)
    is_compared = rest is not None and rest.count >= FEWEST
    apart = _apart((own.low, own.high), (rest.low, rest.high)) if rest is not None and is_compared else ""
    marks = [apart, LEGEND[NO_BETTER] if own.is_no_better else ""]
    return _marked(ReportedCell(own.mean, own.low, own.high), *marks)
