"""Reads tables of boxes: the true places in pictures, by the names of their files.

A table is a CSV file with a row for each box, `FILE,X,Y,WIDTH,HEIGHT`, or a JSON file, `{FILE: [X, Y, WIDTH, HEIGHT]}`
or `{FILE: [[X, Y, WIDTH, HEIGHT], ...]}`. As in COCO, X and Y are the left upper corner, in pixels of the picture as it
is shown, turned upright and before it is fitted to a network. The boxes of one picture are one place.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.apps.files.json_texts import read_json
from tfviz.apps.files.output import MOST_NAMED
from tfviz.errors import InvalidImagesError, one_line, suggestion
from tfviz.paths import special_kind

COLUMNS = ["x", "y", "width", "height"]
EXPECTED = "expected a file and its box, x,y,width,height in pixels, the last two above 0"
ROUNDING = 1
"""Pixels by which a box may reach out of its picture: what rounding makes of one at the edge."""


@dataclass(frozen=True)
class Box:
    """A box, (x, y, width, height), and where it was written, in words: `boxes.csv, row 3`."""

    numbers: tuple[float, ...]
    place: str


def read_boxes(path: Path, images: Sequence[Path]) -> tuple[dict[Path, list[Box]], list[str]]:
    """Return the boxes of each image file, and a warning about names in the table that are of none of them.

    A file is given by its name or by the end of its path, `cats/1.jpg`.

    Raises `InvalidImagesError`, naming the row, if the table cannot be read, a row is not a file and a box or names
    several images, or an image has no box.
    """
    places = {image: image.absolute().parts for image in images}
    found: dict[Path, list[Box]] = {image: [] for image in images}
    unknown: dict[str, None] = {}
    for name, box in _rows(path):
        parts = Path(name).parts
        meant = [image for image, place in places.items() if parts and place[-len(parts) :] == parts]
        if len(meant) > 1:
            listed = ", ".join(map(str, meant[:MOST_NAMED]))
            raise InvalidImagesError(
                f"{box.place}: {name} is the name of several images; give more of the path: {listed}"
            )
        for image in meant:
            found[image].append(box)
        if not meant:
            unknown[name] = None
    for image, boxes in found.items():
        if not boxes:
            hint = suggestion(image.name, unknown, f"rows name it as {image.name},X,Y,WIDTH,HEIGHT")
            raise InvalidImagesError(f"{path} has no box for {image}; {hint}")
    return found, _about_unknown(path, list(unknown))


def fill_boxes(boxes: Sequence[Box], image: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask (H, W) of an image's size that is true in its boxes, as `tfviz.results.box_mask` fills them.

    Raises `InvalidImagesError` for a box that reaches out of the image.
    """
    height, width = size
    inside = np.zeros(size, bool)
    for box in boxes:
        x, y, wide, high = box.numbers
        if min(x, y) < -ROUNDING or x + wide > width + ROUNDING or y + high > height + ROUNDING:
            raise InvalidImagesError(
                f"{box.place}: the box {_in_words(box.numbers)} reaches out of {image}, which has {width}x{height} "
                f"pixels; {EXPECTED}"
            )
        # A pixel is inside if its centre is.
        left, top, right, bottom = (max(math.ceil(edge - 0.5), 0) for edge in (x, y, x + wide, y + high))
        inside[top:bottom, left:right] = True
    return inside


def _about_unknown(path: Path, names: Sequence[str]) -> list[str]:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    listed = ", ".join(names[:MOST_NAMED])
    return [f"{path} has boxes of files that are not among the images: {listed}{more}"] if names else []


def _rows(path: Path) -> Iterator[tuple[str, Box]]:
    """Yield the file and the box of each row; raise `InvalidImagesError` for what is none, or cannot be read."""
    if kind := special_kind(path):
        raise InvalidImagesError(f"boxes {path} cannot be read: it {kind}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        yield from _of_json(path, read_json(text)) if path.suffix.lower() == ".json" else _of_csv(path, text)
    except OSError as error:
        raise InvalidImagesError(f"boxes {path} cannot be read: {error.strerror}") from error
    except InvalidImagesError:
        raise
    except (ValueError, csv.Error, RecursionError) as error:
        kind = path.suffix.lower().lstrip(".").upper()
        raise InvalidImagesError(f"boxes {path}: {one_line(error)}; expected a {kind} file in UTF-8") from error


def _of_csv(path: Path, text: str) -> Iterator[tuple[str, Box]]:
    """Yield the rows of a CSV text; a header is passed over if its columns are those that are expected."""
    reader = csv.reader(text.splitlines(), skipinitialspace=True)
    is_first = True
    for given in reader:
        name, *cells = [cell.strip() for cell in given] or [""]
        if not any((name, *cells)):
            continue
        is_header = is_first and [cell.lower() for cell in cells] == COLUMNS
        is_first = False
        if not is_header:
            yield name, _box(f"{path.name}, row {reader.line_num}", [name, *cells], cells)


def _of_json(path: Path, content: Any) -> Iterator[tuple[str, Box]]:
    """Yield the boxes of a JSON content, `{FILE: box or list of boxes}`."""
    if not isinstance(content, dict):
        raise InvalidImagesError(f"{path.name}: expected an object, {{FILE: [X, Y, WIDTH, HEIGHT], ...}}")
    for name, given in content.items():
        several = isinstance(given, list) and given and all(isinstance(each, list) for each in given)
        for numbers in given if several else [given]:
            cells = numbers if isinstance(numbers, list) else [numbers]
            yield name, _box(f"{path.name}, {name!r}", cells, cells)


def _box(place: str, shown: Sequence[Any], cells: Sequence[Any]) -> Box:
    """Return a box of what stands in a row; raise `InvalidImagesError` with what is shown if it is none."""
    try:
        numbers = tuple(float(cell) for cell in cells if not isinstance(cell, bool))
    except (TypeError, ValueError):
        numbers = ()
    if len(cells) == len(numbers) == len(COLUMNS) and all(map(math.isfinite, numbers)) and min(numbers[2:]) > 0:
        return Box(numbers, place)
    raise InvalidImagesError(f"{place}: {EXPECTED}, got {','.join(map(str, shown))[:60]!r}")


def _in_words(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)
