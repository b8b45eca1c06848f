"""Draw `notebooks/architecture.png`: the folders of tfviz as the rooms of a house, each above those that it imports.

    python scripts/architecture.py

What is drawn stands in the file as JSON, too, so that a test can tell whether the picture is that of the source.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from house.floor_plan import direct, floors
from house.imports import GROUND, ROOF, ROOT, Folder, read_folders
from house.text import FAINT, FAMILY, INK, Text, height_of
from house.wing import GAP, PADDING, Box, Wing
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle
from PIL import Image, PngImagePlugin

PICTURE = ROOT / "notebooks" / "architecture.png"
KEY = "folders"  # of the JSON in the picture

# Lengths are pixels of README, which shows pictures 900 wide; the file has twice as many.
WIDTH, SCALE, MARGIN, GUTTER = 900.0, 2, 6.0, 26.0
# Wings from left to right as data flows, those of a column from top to bottom, and their width.
COLUMNS = ((("network",), 278.0), (("methods", "results", "demo"), 206.0), (("apps",), 352.0))
# Dark and light shades of Okabe and Ito's colours; no two wings are told apart by them alone.
COLORS = {
    "network": ("#00568A", "#E1EDF6"),
    "methods": ("#A04000", "#FBEADB"),
    "results": ("#006B4F", "#DCF0E9"),
    "demo": ("#4D4D4D", "#ECECEC"),
    "apps": ("#85356B", "#F5E6EF"),
}
STONE, ARROW = "#F1F1F1", "#444444"  # of the roof and the ground floor, and of wide arrows
READING = (
    Text("How to read it", 11.5, weight="bold"),
    Text("Data flows upwards, and from left to right.", 9.2),
    Text("A narrow arrow leads from a folder to one that imports it, a wide one from a wing to another.", 9.2),
    Text("Left out: what follows from other arrows, those from the ground floor, those to the roof.", 9.2),
    Text("No circles: no folder imports one above it, or in a wing to its right.", 9.2),
)


def build(folders: Mapping[str, Folder]) -> dict[str, Wing]:
    """Return the wings of the house, each as high as its texts."""
    wings = {}
    for names, width in COLUMNS:
        for name in names:
            inside = {path: folder for path, folder in folders.items() if "/" in path and wing_of(path) == name}
            wings[name] = Wing(f"{ROOF}/{name}", inside, width, COLORS[name][0])
    return wings


def place(wings: Mapping[str, Wing], legend: float) -> dict[str, Box]:
    """Make all columns equally high, the one with the legend above it too, and return where each wing then lies."""
    gaps = {names: GAP * (len(names) - 1) + (legend if len(names) > 1 else 0) for names, _ in COLUMNS}
    needed = {names: sum(wings[name].height for name in names) for names, _ in COLUMNS}
    height = max(gaps[names] + needed[names] for names, _ in COLUMNS)
    boxes, left = {}, MARGIN
    for names, width in COLUMNS:
        bottom, factor = 0.0, (height - gaps[names]) / needed[names]
        for name in reversed(names):
            wings[name].stretch(factor * wings[name].height)
            boxes[name] = Box(left, bottom, width, wings[name].height)
            bottom = boxes[name].top + GAP
        left += width + GUTTER
    return boxes


def flows(folders: Mapping[str, Folder]) -> list[tuple[str, str]]:
    """Return which wing leads to which: it is imported there, and not in between."""
    inside = {name: folder for name, folder in folders.items() if name not in (ROOF, GROUND)}
    imports: dict[str, set[str]] = {name: set() for name in COLORS}
    for name, folder in inside.items():
        imports[wing_of(name)] |= {wing_of(other) for other in folder["imports"] if other in inside} - {wing_of(name)}
    return [(other, name) for name, others in direct(imports).items() for other in sorted(others)]


def wing_of(folder: str) -> str:
    """Return the wing of a folder: `network` of `tfviz/network/program`."""
    return folder.split("/")[1]


def draw(folders: Mapping[str, Folder]) -> Figure:
    """Return the house: the wings side by side, between the ground floor and the roof."""
    wings = build(folders)
    legend = [line for text in READING for line in text.wrapped(COLUMNS[1][1])]
    boxes = place(wings, height_of(legend) + GAP)
    ground = slab("ground floor, tfviz/*.py", "what all folders may import: ", folders[GROUND])
    roof = slab("tfviz", "what users import and call: the package itself, ", folders[ROOF])
    bottom = MARGIN + height_of(ground) + 2 * PADDING + GAP
    boxes = {name: box.moved(up=bottom) for name, box in boxes.items()}
    top = max(box.top for box in boxes.values())
    figure, axes = sheet(top + GAP + height_of(roof) + 2 * PADDING + MARGIN)
    draw_ground(axes, bottom - GAP, ground)
    draw_roof(axes, top + GAP, roof)
    for name, box in boxes.items():
        draw_wing(axes, wings[name], box, COLORS[name][1])
    for start, end in flows(folders):
        draw_flow(axes, boxes[start], boxes[end])
    write(axes, boxes[COLUMNS[1][0][0]].left, top, legend)
    return figure


def slab(title: str, about: str, folder: Folder) -> list[Text]:
    """Return what is written on the roof or the ground floor."""
    return [Text(title, 11.5, weight="bold"), Text(f"{about}{', '.join(folder['files'])}", 9.2)]


def sheet(height: float) -> tuple[Figure, Axes]:
    """Return an empty white sheet, measured in pixels."""
    figure = Figure(figsize=(WIDTH / 100, height / 100), dpi=100 * SCALE)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def fill(axes: Axes, box: Box, color: str, edge: str = "none") -> None:
    """Draw a box over what was drawn before."""
    axes.add_patch(Rectangle((box.left, box.bottom), box.width, box.height, facecolor=color, edgecolor=edge))


def write(axes: Axes, left: float, top: float, lines: Sequence[Text]) -> None:
    """Write lines below each other."""
    for line in lines:
        top -= line.height
        font = FontProperties(family=FAMILY, weight=line.weight, size=0.72 * line.size)
        axes.text(left, top + 0.3 * line.size, line.words, color=line.color, fontproperties=font)


def draw_ground(axes: Axes, top: float, lines: Sequence[Text]) -> None:
    """Draw the ground floor below all wings."""
    fill(axes, Box(MARGIN, MARGIN, WIDTH - 2 * MARGIN, top - MARGIN), STONE, FAINT)
    write(axes, MARGIN + PADDING, top - PADDING, lines)


def draw_roof(axes: Axes, bottom: float, lines: Sequence[Text]) -> None:
    """Draw the roof over all wings."""
    top, slope = bottom + height_of(lines) + 2 * PADDING, 50
    corners = [(MARGIN, bottom), (WIDTH - MARGIN, bottom), (WIDTH - slope, top), (slope, top)]
    axes.add_patch(Polygon(corners, facecolor=STONE, edgecolor=FAINT))
    write(axes, slope, top - PADDING, lines)


def draw_wing(axes: Axes, wing: Wing, box: Box, background: str) -> None:
    """Draw a wing, its rooms, and the arrows between them."""
    fill(axes, box, background)
    write(axes, box.left + PADDING, box.top - PADDING, wing.head)
    for (x, y), (end_x, end_y) in wing.arrows():
        points = (box.left + x, box.bottom + y), (box.left + end_x, box.bottom + end_y)
        style = "-|>,head_length=3,head_width=1.6"
        axes.add_patch(FancyArrowPatch(*points, arrowstyle=style, color=wing.color, shrinkA=0, shrinkB=0))
    for name in wing.rooms:
        room = wing.box(name).moved(right=box.left, up=box.bottom)
        fill(axes, room, "white", wing.color)
        write(axes, room.left + PADDING, room.top - 0.7 * PADDING, wing.texts(name))


def draw_flow(axes: Axes, start: Box, end: Box) -> None:
    """Draw a wide arrow from a wing to one on its right, in the middle of the height that they share."""
    y = (max(start.bottom, end.bottom) + min(start.top, end.top)) / 2
    left, neck, right = start.right + 2, end.left - 14, end.left - 2
    upper = [(left, y + 6), (neck, y + 6), (neck, y + 12), (right, y)]
    axes.add_patch(Polygon([*upper, *((x, 2 * y - height) for x, height in upper[-2::-1])], color=ARROW))


def palette() -> Image.Image:
    """Return the colours of the file, few to keep it small: those drawn with, and mixtures at edges."""
    pairs = [pair for dark, light in COLORS.values() for pair in ((dark, light), (dark, "white"))]
    pairs += [(INK, "white"), (FAINT, "white"), (ARROW, "white"), (STONE, STONE)]
    mixed = [np.linspace(to_rgb(dark), to_rgb(light), 5) for dark, light in pairs]
    colors = np.unique(np.round(255 * np.concatenate(mixed)).astype(int), axis=0)
    found = Image.new("P", (1, 1))
    found.putpalette(colors.ravel().tolist())
    return found


def save(folders: Mapping[str, Folder], path: Path) -> None:
    """Write the picture and what it shows, or end in one line if there is a circle."""
    floors({name: folder["imports"] for name, folder in folders.items()})
    drawn = io.BytesIO()
    draw(folders).savefig(drawn, format="png")
    facts = PngImagePlugin.PngInfo()
    facts.add_text(KEY, json.dumps(folders))
    small = Image.open(drawn).convert("RGB").quantize(palette=palette(), dither=Image.Dither.NONE)
    small.save(path, optimize=True, pnginfo=facts)


if __name__ == "__main__":
    save(read_folders(), PICTURE)
