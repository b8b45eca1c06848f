"""A wing of the house: its rooms with what is written in them, as high as that needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from house.floor_plan import arrange, direct
from house.imports import Folder
from house.text import FAINT, Text, height_of

GAP, PADDING = 18.0, 7.0


@dataclass(frozen=True)
class Box:
    """A rectangle, from its lower left corner."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def top(self) -> float:
        return self.bottom + self.height

    def moved(self, *, right: float = 0.0, up: float = 0.0) -> Box:
        """Return it elsewhere."""
        return Box(self.left + right, self.bottom + up, self.width, self.height)


class Wing:
    """The folders below one of those in tfviz, and its own files; lengths are those of the picture."""

    def __init__(self, root: str, folders: Mapping[str, Folder], width: float, color: str) -> None:
        """Lay the rooms out, each floor as high as its texts."""
        self.root, self.width, self.color = root, width, color
        self.folders = {name: folder for name, folder in folders.items() if folder["files"] or folder["imports"]}
        imports = {name: [*filter(self.folders.get, folder["imports"])] for name, folder in self.folders.items()}
        self.rooms, self.direct = arrange(imports), direct(imports)
        title = Text(root.rpartition("/")[2], 15, color, "bold")
        self.head = [title, *Text(folders[root]["about"], 9.5, color).wrapped(width - 2 * PADDING)]
        self.heights = [0.0] * max(room.top for room in self.rooms.values())  # of the floors
        for name, room in sorted(self.rooms.items(), key=lambda item: item[1].top - item[1].bottom):
            missing = height_of(self.texts(name)) + 2 * PADDING - self.box(name).height
            for floor in range(room.bottom, room.top):
                self.heights[floor] += max(missing, 0) / (room.top - room.bottom)

    @property
    def height(self) -> float:
        return height_of(self.head) + 2 * PADDING + self._floor(len(self.heights)) - GAP

    def stretch(self, height: float) -> None:
        """Make the floors higher, so that the wing is as high as is said."""
        factor = 1 + (height - self.height) / sum(self.heights)
        self.heights = [factor * old for old in self.heights]

    def box(self, name: str) -> Box:
        """Return where a room lies."""
        room, width = self.rooms[name], self.width - PADDING
        bottom = self._floor(room.bottom)
        height = self._floor(room.top) - GAP - bottom
        return Box(PADDING + room.left * width, bottom, (room.right - room.left) * width - PADDING, height)

    def _floor(self, floor: int) -> float:
        return PADDING + sum(self.heights[:floor]) + GAP * floor

    def texts(self, name: str) -> list[Text]:
        """Return what stands in a room: its name, what its `__init__` says it is, and its files."""
        folder = self.folders[name]
        if name == self.root:  # what it is stands at the head of the wing
            label, about = f"{self.root.rpartition('/')[2]}/*.py", ""
        else:
            label, about = name.removeprefix(f"{self.root}/"), folder["about"]
        texts = [Text(label, 11.5, self.color, "bold"), Text(about, 9.2), Text(", ".join(folder["files"]), 8.2, FAINT)]
        return [line for text in texts for line in text.wrapped(self.box(name).width - 2 * PADDING)]

    def arrows(self) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
        """Yield an arrow from each room to each of those that import it, unless others say so."""
        for name, others in self.direct.items():
            end = self.box(name)
            for other in sorted(others):
                start = self.box(other)
                yield (_toward(end, start), start.top), (_toward(start, end), end.bottom)


def _toward(other: Box, box: Box) -> float:
    """Return where an arrow leaves a box, above or below the middle of what it shares with another, or at that side."""
    left, right = max(box.left, other.left), min(box.right, other.right)
    return min(max((left + right) / 2, box.left + 2 * PADDING), box.right - 2 * PADDING)
