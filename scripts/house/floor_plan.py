"""Where the rooms of a wing lie: each above those that it imports, at one width or beside each other."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

Imports = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Room:
    """From which floor to below which a room lies, and from where to where in the width of its wing, 0 to 1."""

    bottom: int
    top: int
    left: float = 0.0
    right: float = 1.0

    @property
    def center(self) -> float:
        return (self.left + self.right) / 2


def floors(imports: Imports) -> dict[str, int]:
    """Return the floor of each folder: 0 if it imports none, else one above the highest that it imports."""
    found: dict[str, int] = {}
    try:
        for name in TopologicalSorter(imports).static_order():
            found[name] = 1 + max((found[other] for other in imports[name]), default=-1)
    except CycleError as error:
        sys.exit(f"architecture.py: folders import each other in a circle: {' -> '.join(error.args[1])}")
    return found


def direct(imports: Imports) -> dict[str, set[str]]:
    """Return the imports that do not follow from others: the transitive reduction."""
    reached: dict[str, set[str]] = {}
    for name in TopologicalSorter(imports).static_order():
        reached[name] = {*imports[name]}.union(*(reached[other] for other in imports[name]))
    return {name: {*others}.difference(*(reached[other] for other in others)) for name, others in imports.items()}


def arrange(imports: Imports) -> dict[str, Room]:
    """Give each folder a room from its floor up to the first that imports it, and a part of the wing's width."""
    floor = floors(imports)
    height = 1 + max(floor.values())
    rooms = {}
    for name in sorted(floor, key=lambda name: (floor[name], name)):
        above = [floor[other] for other in imports if name in imports[other]]
        rooms[name] = Room(floor[name], min(above, default=height))
    _divide([*rooms], direct(imports), rooms)
    return rooms


def _divide(names: list[str], imports: Imports, rooms: dict[str, Room]) -> None:
    """Put rooms above each other if a ceiling goes through them all, else beside each other, in the width they have."""
    low, high = min(rooms[name].bottom for name in names), max(rooms[name].top for name in names)
    crossed = {floor for name in names for floor in range(rooms[name].bottom + 1, rooms[name].top)}
    ceilings = [floor for floor in range(low + 1, high) if floor not in crossed]
    if ceilings:
        _divide([name for name in names if rooms[name].top <= ceilings[0]], imports, rooms)
        _divide([name for name in names if rooms[name].bottom >= ceilings[0]], imports, rooms)
    elif len(names) > 1:
        for column in _beside_each_other(names, imports, rooms):
            _divide(column, imports, rooms)


def _beside_each_other(names: list[str], imports: Imports, rooms: dict[str, Room]) -> list[list[str]]:
    """Return columns of rooms that share the width of `names`, each near what it imports."""

    def place(column: list[str]) -> tuple[float, str]:
        below = [rooms[other].center for name in column for other in imports[name] if other not in names]
        return sum(below) / max(len(below), 1), min(column)

    columns = sorted(_columns(names, rooms), key=place)
    shares = [_most_on_a_floor([rooms[name] for name in column]) for column in columns]
    left, width = rooms[names[0]].left, rooms[names[0]].right - rooms[names[0]].left
    for column, share in zip(columns, shares, strict=True):
        right = left + width * share / sum(shares)
        rooms.update({name: replace(rooms[name], left=left, right=right) for name in column})
        left = right
    return columns


def _columns(names: list[str], rooms: dict[str, Room]) -> list[list[str]]:
    """Return the rooms that are as high as all together, each alone, and the others, or as few columns as hold them."""
    height = max(rooms[name].top for name in names) - min(rooms[name].bottom for name in names)
    high = [[name] for name in names if rooms[name].top - rooms[name].bottom == height]
    others = [name for name in names if [name] not in high]
    if high:
        return [*high, others] if others else high
    columns: list[list[str]] = []
    for name in others:
        free = [column for column in columns if rooms[column[-1]].top <= rooms[name].bottom]
        if free:
            free[0].append(name)
        else:
            columns.append([name])
    return columns


def _most_on_a_floor(rooms: list[Room]) -> int:
    return max(sum(other.bottom <= room.bottom < other.top for other in rooms) for room in rooms)
