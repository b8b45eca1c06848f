"""Reads which class each image truly is of, from a CSV file of file names and labels.

Labels are texts here: their classes are known once the model is open. A file may list more images than are explained,
such as all of a data set, but every image that is explained must have one row.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfviz.errors import InvalidTargetsError, one_line, suggestion
from tfviz.paths import special_kind


@dataclass(frozen=True)
class TrueLabel:
    """A label as it was written, and where, in words: `labels.csv, row 3`."""

    text: str
    place: str


def read_true_labels(path: Path, images: Sequence[Path]) -> dict[Path, TrueLabel]:
    """Return the label of each image file, read from a CSV file of two columns: the file and its class.

    A file is given by its name or by the end of its path, `cats/1.jpg`. Rows of other files are passed over, and so is
    a header.

    Raises `InvalidTargetsError`, naming the row, if the file cannot be read, a row has not two columns, names several
    images or one that another row names, or an image has no row.
    """
    places = {image: Path(image).absolute().parts for image in images}
    found: dict[Path, TrueLabel] = {}
    rows = _rows(path)
    for number, name, text in rows:
        parts = Path(name).parts
        meant = [image for image, place in places.items() if parts and place[-len(parts) :] == parts]
        here = f"{path.name}, row {number}"
        if len(meant) > 1:
            listed = ", ".join(map(str, meant[:3]))
            raise InvalidTargetsError(f"{here}: {name} is the name of several images; give more of the path: {listed}")
        for image in meant:
            if image in found:
                raise InvalidTargetsError(f"{here}: {name} has a label already, in {found[image].place}")
            found[image] = TrueLabel(text, here)
    for image in images:
        if image not in found:
            hint = suggestion(image.name, [name for _, name, _ in rows], f"rows name it as {image.name},LABEL")
            raise InvalidTargetsError(f"{path} has no row for {image}; {hint}")
    return found


def _rows(path: Path) -> list[tuple[int, str, str]]:
    """Return the line and the two cells of each row that is not blank."""
    if kind := special_kind(path):
        raise InvalidTargetsError(f"true labels {path} cannot be read: it {kind}")
    rows = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            for given in reader:
                cells = [cell.strip() for cell in given]
                if len(cells) == 2 and all(cells):
                    rows.append((reader.line_num, cells[0], cells[1]))
                elif any(cells):
                    raise InvalidTargetsError(_not_two(f"{path.name}, row {reader.line_num}", cells))
    except OSError as error:
        raise InvalidTargetsError(f"true labels {path} cannot be read: {error.strerror}") from error
    except (UnicodeError, csv.Error) as error:
        raise InvalidTargetsError(f"true labels {path}: {one_line(error)}; expected a CSV file in UTF-8") from error
    return rows


def _not_two(place: str, cells: Sequence[str]) -> str:
    """Return what is wrong with a row that does not hold a file and its class."""
    hint = "; a class with a comma in its name needs quotes" if len(cells) > 2 else ""
    return f"{place}: expected a file and its class, with a comma between them, got {','.join(cells)!r}{hint}"
