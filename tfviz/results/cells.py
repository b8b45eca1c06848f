"""Arranges pictures, and what methods found in them, as lines of cells: what a figure shows, without matplotlib.

A layout is a function from what is shown to lines, in a table by the name that users type. Everywhere but in
`by_class` each tile has a scale of its own, so that a weak map can be seen beside a strong one; classes of one image
share theirs, because there the comparison is what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.arrays import Picture
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results.checks import check_each_picture
from tfviz.results.color_scale import ColorScale, as_maps, color_scales, is_picture
from tfviz.results.scale import resize
from tfviz.results.tiles import tiles

MOST_COLUMNS = 8
OF_SCALES = ("colormap", "clip_percentile", "highlights")


class Cell(NamedTuple):
    """A picture with a title; the colour scale is None where its colours stand for no value."""

    picture: Picture
    title: str
    scale: ColorScale | None = None


class LineOfCells(NamedTuple):
    """Cells side by side. heading: over all of them. scale: the one that they have in common, if any."""

    cells: list[Cell]
    heading: str = ""
    scale: ColorScale | None = None


@dataclass(frozen=True)
class Shown:
    """What a figure shows of N pictures, each uint8 (H, W, 3).

    arrays: what each method found, N of each, by the words over it. titles: N. signed, own_colors: as `tiles` takes
    them, by the same words. look: other options of `tiles`. per_image: how many rows in turn are classes of one image.
    image_titles: one for each of these images.
    """

    pictures: list[Picture]
    arrays: dict[str, NDArray[Any]]
    titles: Sequence[str]
    signed: Mapping[str, bool | None]
    own_colors: Mapping[str, bool]
    look: Mapping[str, Any]
    per_image: int
    image_titles: Sequence[str]

    def table(self) -> list[list[Cell]]:
        """Return the cells of each picture: itself, and its tile of every method."""
        columns = [list(map(Cell, self.pictures, self.titles))]
        for name, array in self.arrays.items():
            found, scales = self.tiles(name, self.pictures, array, own_colors=self.own_colors.get(name, False))
            columns.append([Cell(tile, name, scale) for tile, scale in zip(found, scales, strict=True)])
        return [list(cells) for cells in zip(*columns, strict=True)]

    def tiles(
        self, name: str, pictures: list[Picture], array: NDArray[Any], *, own_colors: bool = False
    ) -> tuple[list[Picture], list[ColorScale | None]]:
        """Return the tiles of what a method found in pictures, and their scales; raise with the method's name."""
        of_method: dict[str, Any] = {"signed": self.signed.get(name), "own_colors": own_colors}
        of_scales = {key: self.look[key] for key in OF_SCALES if key in self.look}
        try:
            return tiles(pictures, array, **of_method, **self.look), color_scales(array, **of_method, **of_scales)
        except InvalidImagesError as error:
            raise InvalidImagesError(f"{name!r}: {error}") from error


def as_titles(titles: str | Sequence[str] | None, count: int, of: str) -> Sequence[str]:
    """Return a title for each of `count`; raise `TfvizError` for another number."""
    found = [""] * count if titles is None else [titles] if isinstance(titles, str) else titles
    if len(found) != count:
        raise TfvizError(f"expected {count} titles, one per {of}, got {len(found)}")
    return [str(title) for title in found]


def as_batch(
    images: Sequence[ArrayLike] | Picture, maps: Mapping[str, ArrayLike]
) -> tuple[list[Picture], dict[str, NDArray[Any]]]:
    """Return the pictures as a list and the arrays by name, both with an axis N; raise for other images."""
    arrays = {name: np.asarray(values) for name, values in maps.items()}
    single = getattr(images, "ndim", 0) == 3
    if single:
        arrays = {name: values[np.newaxis] for name, values in arrays.items()}
    several = np.asarray(images)[np.newaxis] if single else images
    if not len(several) or any(np.ndim(image) != 3 for image in several):
        raise InvalidImagesError("a plot needs at least one image, each of shape (H, W, 3)")
    return check_each_picture(several), arrays


def in_rows(shown: Shown) -> list[LineOfCells]:
    """A line per picture; one that is longer than `MOST_COLUMNS` continues on the next line and repeats its titles."""
    lines = []
    for row, cells in enumerate(shown.table()):
        # If rows are broken, every line needs the titles of its columns.
        if row and len(cells) <= MOST_COLUMNS:
            cells[1:] = [cell._replace(title="") for cell in cells[1:]]
        lines += [LineOfCells(cells[start : start + MOST_COLUMNS]) for start in range(0, len(cells), MOST_COLUMNS)]
    return lines


def in_columns(shown: Shown) -> list[LineOfCells]:
    """A column per picture and a line per method; more columns than `MOST_COLUMNS` continue below."""
    table = shown.table()
    lines = []
    for start in range(0, len(table), MOST_COLUMNS):
        first, *others = map(list, zip(*table[start : start + MOST_COLUMNS], strict=True))
        lines.append(LineOfCells(first))
        lines += [LineOfCells([cell._replace(title="") for cell in cells], cells[0].title) for cells in others]
    return lines


def in_one_row(shown: Shown) -> list[LineOfCells]:
    """All cells in one line, picture after picture."""
    return [LineOfCells([cell for cells in shown.table() for cell in cells])]


def by_class(shown: Shown) -> list[LineOfCells]:
    """A line per image and method: the image below the method, and its classes side by side in one scale."""
    if not shown.arrays:
        raise TfvizError("the layout 'classes' needs maps: it shows those of several classes side by side")
    if shown.per_image < 1 or len(shown.pictures) % shown.per_image:
        raise TfvizError(f"{len(shown.pictures)} rows are not those of whole images of {shown.per_image} classes each")
    lines = []
    for start in range(0, len(shown.pictures), shown.per_image):
        rows = slice(start, start + shown.per_image)
        of_image = shown.image_titles[start // shown.per_image]
        for name, array in shown.arrays.items():
            found, scale = _side_by_side(shown, name, array, rows)
            first = Cell(shown.pictures[start], f"{name}\n{of_image}" if of_image else name)
            lines.append(LineOfCells([first, *map(Cell, found, shown.titles[rows])], scale=scale))
    return lines


def _side_by_side(shown: Shown, name: str, array: NDArray[Any], rows: slice) -> tuple[list[Picture], ColorScale | None]:
    """Return the tiles of the classes of one image, and the scale that they share.

    They are made as one wide tile, so that whatever scales a tile scales all of them. One that shows nothing says so.
    """
    if array.ndim not in (3, 4) or len(array) != len(shown.pictures):
        # With the words of `tiles`.
        shown.tiles(name, shown.pictures, array)
    pictures, found = shown.pictures[rows], array[rows]
    if is_picture(found):
        return shown.tiles(name, pictures, found)[0], None
    if found.ndim == 4:
        read = as_maps(found, shown.signed.get(name), own_colors=False)
        found = found if read is None else read.maps
    alone, scales = shown.tiles(name, pictures, found)
    wide = np.concatenate(list(resize(found, pictures[0].shape[:2])), axis=1)
    (tile,), (scale,) = shown.tiles(name, [np.concatenate(pictures, axis=1)], wide[np.newaxis])
    together = np.split(tile, len(pictures), axis=1)
    if shown.look.get("highlights") is not None:
        return together, scale
    return [one if own is None else part for one, own, part in zip(alone, scales, together, strict=True)], scale


LAYOUTS: dict[str, Callable[[Shown], list[LineOfCells]]] = {
    "rows": in_rows,
    "columns": in_columns,
    "row": in_one_row,
    "classes": by_class,
}
