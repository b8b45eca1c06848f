"""Reads which group each picture of a report belongs to, from a CSV file with a header.

One column names the files, see `FILE_COLUMNS`, and the others hold what is known of them: the scanner, the hospital,
the age. Cells stand between commas, semicolons, tabs or bars, as spreadsheets write them. A file may tell of more
pictures than are explained, such as all of a data set; of a picture that it does not tell of, nothing is given.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfviz.errors import InvalidImagesError, TfvizError, one_line, suggestion
from tfviz.paths import special_kind

FILE_COLUMNS = ("file", "filename", "image", "path")
"""What the column that names the files may be called, in any case, and with spaces, hyphens or underscores."""
NONE_GIVEN = "(none given)"
"""The group of pictures whose cell is empty, or that have no row."""
DELIMITERS = (",", ";", "\t", "|")
MOST_IMAGES, MOST_LISTED = 3, 12
MOST_COMPARED = 1000
"""The rows of other files among which one is sought whose name is meant."""


@dataclass(frozen=True)
class Grouping:
    """The groups of pictures by a column: `of` names that of each image file."""

    column: str
    of: Mapping[Path, str]


@dataclass(frozen=True)
class Metadata:
    """What a file tells of pictures. warnings: what it does not."""

    groupings: Sequence[Grouping] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class _Row:
    """A row: its number, and its cells without spaces around them, as many as there are columns."""

    number: int
    cells: Sequence[str]


@dataclass(frozen=True)
class _Table:
    """A file, the titles of its columns, and its rows."""

    path: Path
    header: Sequence[str]
    rows: Sequence[_Row]

    def column(self, name: str) -> int:
        """Return the index of a column by its title; raise `TfvizError` if there is none, or several."""
        count = self.header.count(name)
        if count > 1:
            raise TfvizError(f"{self.path} has {count} columns called {name!r}, so that --by could mean any of them")
        if not count:
            others = [each for index, each in enumerate(self.header) if index != self.files and each]
            exist = f"there are {_listed(others)}" if others else "there is none but that of the files"
            hint = suggestion(name, others, exist, always=True)
            raise TfvizError(f"{self.path} has no column {name!r}; {hint}")
        if self.header.index(name) == self.files:
            raise TfvizError(f"{self.path}: the column {name!r} names the files; --by takes another one")
        return self.header.index(name)

    @property
    def files(self) -> int:
        """The index of the column that names the files: the first of those in `FILE_COLUMNS`."""
        plain = [*map(_plain, self.header)]
        return next(plain.index(name) for name in FILE_COLUMNS if name in plain)


def read_metadata(path: Path, columns: Sequence[str], images: Sequence[Path]) -> Metadata:
    """Return the groups of image files by each of some columns of a CSV file.

    A row names a file by its full path, by its path from the working folder or from the folder of the CSV file, or by
    the end of its path, such as its name.

    Raises `TfvizError`, in one line, if the file cannot be read or is not such a table, or has no such column, or two
    rows of an image differ in it, and `InvalidImagesError` if a row names several images, or none has a row.
    """
    table = _read(path)
    indices = {column: table.column(column) for column in columns}
    found = dict(_rows_of(table, images))
    if not found:
        names = [row.cells[table.files] for row in table.rows[:MOST_COMPARED]]
        hint = suggestion(images[0].name, names, f"rows name it as {images[0].name}")
        raise InvalidImagesError(f"{path} has no row for any of the {len(images)} images, such as {images[0]}; {hint}")
    groups = [
        Grouping(column, {image: _value(table, image, found.get(image, ()), index) for image in images})
        for column, index in indices.items()
    ]
    lacking = [image for image in images if image not in found]
    return Metadata(groups, _about_lacking(path, lacking))


def _about_lacking(path: Path, images: Sequence[Path]) -> tuple[str, ...]:
    if not images:
        return ()
    warnings = f"{path.name} has no row for {_listed(images, MOST_IMAGES)}, and so their group is {NONE_GIVEN}"
    return (warnings,)


def _value(table: _Table, image: Path, rows: Sequence[_Row], column: int) -> str:
    """Return the group of an image by a column; raise `TfvizError` if its rows differ."""
    values = {row.cells[column]: row.number for row in reversed(rows)}
    if len(values) > 1:
        (one, first), (other, second) = sorted(values.items(), key=lambda each: each[1])[:2]
        title = table.header[column]
        raise TfvizError(
            f"{table.path} says two things of {image}: {title} is {one!r} in row {first}, {other!r} in row {second}"
        )
    return next(iter(values), "") or NONE_GIVEN


def _rows_of(table: _Table, images: Sequence[Path]) -> Iterator[tuple[Path, list[_Row]]]:
    """Yield each image that has rows, with these."""
    places = {image: Path(os.path.abspath(image)) for image in images}
    by_name = defaultdict(list)
    for image, place in places.items():
        by_name[place.name].append(image)
    found = defaultdict(list)
    for row in table.rows:
        name = row.cells[table.files]
        candidates = by_name.get(Path(name).name, ()) if name else ()
        exact = {Path(os.path.abspath(base / name)) for base in (table.path.parent, Path())}
        meant = [image for image in candidates if places[image] in exact]
        parts = Path(name).parts
        meant = meant or [image for image in candidates if places[image].parts[-len(parts) :] == parts]
        if len(meant) > 1:
            raise InvalidImagesError(
                f"{table.path}, row {row.number}: {name} is the name of several images; give more of the path: "
                f"{_listed(meant, MOST_IMAGES)}"
            )
        for image in meant:
            found[image].append(row)
    yield from found.items()


def _read(path: Path) -> _Table:
    """Return the table in a file."""
    if kind := special_kind(path):
        raise TfvizError(f"metadata {path} cannot be read: it {kind}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _parsed(path, file.read())
    except OSError as error:
        raise TfvizError(f"metadata {path} cannot be read: {error.strerror}") from error
    except (UnicodeError, csv.Error) as error:
        raise TfvizError(f"metadata {path}: {one_line(error)}; expected a CSV file in UTF-8") from error


def _parsed(path: Path, text: str) -> _Table:
    mark, header = _header(path, text)
    reader, rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True), []
    next(reader)
    for given in reader:
        cells = _cells(given)
        if any(cells[len(header) :]):
            raise TfvizError(
                f"{path}, row {reader.line_num}: it has {len(cells)} cells, and the header {len(header)}; a cell that "
                f"holds {mark!r} needs quotes"
            )
        filled = [*cells, *[""] * (len(header) - len(cells))][: len(header)]
        rows.append(_Row(reader.line_num, filled))
    return _Table(path, header, rows)


def _header(path: Path, text: str) -> tuple[str, list[str]]:
    """Return what stands between the cells of a file, and the titles of its columns: one of them names the files."""
    headers = {}
    for mark in DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True)
        headers[mark] = _cells(next(reader, []))
    for mark, header in headers.items():
        if {*map(_plain, header)} & {*FILE_COLUMNS}:
            return mark, header
    header = max(headers.values(), key=len)
    exist = f"there are {_listed(header)}" if any(header) else "the first line is empty"
    names = f"{', '.join(FILE_COLUMNS[:-1])} or {FILE_COLUMNS[-1]}"
    raise TfvizError(f"{path} has no column that names the files, called {names}; {exist}")


def _listed(names: Sequence[object], most: int = MOST_LISTED) -> str:
    more = len(names) - most
    return ", ".join(map(str, names[:most])) + (f" and {more} more" if more > 0 else "")


def _cells(given: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in given]


def _plain(title: str) -> str:
    return re.sub(r"[\s_-]+", "", title).lower()
