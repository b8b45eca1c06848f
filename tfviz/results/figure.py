"""Draws images beside their explanations as a matplotlib figure. The only module that needs matplotlib.

A row holds one image, a column one method; a row longer than `MOST_COLUMNS` continues on the next line and then repeats
its titles. The height of each line follows from its picture's proportions and its longest title, because pictures of
different sizes may share a figure. The figure is made without pyplot, so that nothing global changes and no backend is
chosen for the user; a notebook shows it by `_repr_png_`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from tfviz.arrays import Picture
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results.checks import check_pictures
from tfviz.results.text import wrap
from tfviz.results.tiles import tiles

COLUMN_INCHES = 2.4
MOST_COLUMNS = 8
TITLE_MARGIN_INCHES = 0.2
LINE_INCHES = 0.15
TITLE_CHARACTERS = 28
TITLE_POINTS = 9


class ExplanationFigure(Figure):
    """A matplotlib figure that no backend or pyplot state knows of, and that a notebook shows all the same."""

    def _repr_png_(self) -> bytes:
        """Return the PNG that IPython asks for by this name; it knows plain figures only once pyplot is imported."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def plot(
    images: Sequence[ArrayLike] | Picture,
    maps: Mapping[str, ArrayLike],
    *,
    titles: str | Sequence[str] | None = None,
    signed: Mapping[str, bool | None] | None = None,
    **look: Any,
) -> Figure:
    """Show images, one per row, beside their explanations, one per column; long rows are broken.

    Parameters
    ----------
    images : uint8 RGB (N, H, W, 3), a sequence of (H, W, 3) whose sizes may differ, or one (H, W, 3)
    maps : {name: array}
        The name becomes the column's title, the array is shown as `tiles` shows it. For a single image (H, W, 3) the
        arrays have no axis N either.
    titles : N strings, optional
        For each image, such as ``"tiger cat 0.87"``. A long one is broken, then shortened before its last word.
    signed : {name: bool}, optional
        Whether the sign of an array means something, as `tiles` takes it.
    **look
        `colormap`, `blend`, `clip_percentile` and `highlights`, as `tiles` takes them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidImagesError
        For images that are not uint8 RGB, or arrays that are not one map or attribution per image.
    TfvizError
        For a wrong number of titles, or an unknown colour map or blend.
    """
    pictures, arrays = _as_batch(images, maps)
    row_titles = [""] * len(pictures) if titles is None else [titles] if isinstance(titles, str) else titles
    if len(row_titles) != len(pictures):
        raise TfvizError(f"expected {len(pictures)} titles, one per image, got {len(row_titles)}")
    columns = [pictures]
    for name, array in arrays.items():
        try:
            columns.append(tiles(pictures, array, signed=(signed or {}).get(name), **look))
        except InvalidImagesError as error:
            raise InvalidImagesError(f"{name!r}: {error}") from error
    return _draw(columns, row_titles, list(maps))


def _as_batch(
    images: Sequence[ArrayLike] | Picture, maps: Mapping[str, ArrayLike]
) -> tuple[list[Picture], dict[str, NDArray[Any]]]:
    """Return the pictures as a list and the arrays by name, both with an axis N; raise for other images."""
    arrays = {name: np.asarray(values) for name, values in maps.items()}
    single = getattr(images, "ndim", 0) == 3
    if single:
        arrays = {name: values[np.newaxis] for name, values in arrays.items()}
    pictures = [check_pictures(image) for image in (np.asarray(images)[np.newaxis] if single else images)]
    if not pictures or any(picture.ndim != 3 for picture in pictures):
        raise InvalidImagesError("a plot needs at least one image, each of shape (H, W, 3)")
    return pictures, arrays


def _draw(columns: list[list[Picture]], row_titles: Sequence[str], column_titles: list[str]) -> Figure:
    """Return the figure of columns of pictures; a row that is longer than `MOST_COLUMNS` continues on the next line."""
    width = min(len(columns), MOST_COLUMNS)
    lines = []
    for row, cells in enumerate(zip(*columns, strict=True)):
        # If rows are broken, every line needs the titles of its columns.
        titled = row == 0 or len(columns) > width
        names = [row_titles[row], *(column_titles if titled else [""] * len(column_titles))]
        named = list(zip(cells, names, strict=True))
        lines += [named[start : start + width] for start in range(0, len(cells), width)]
    wrapped = [[wrap(title, TITLE_CHARACTERS) for _, title in line] for line in lines]
    heights = [COLUMN_INCHES * line[0][0].shape[0] / line[0][0].shape[1] for line in lines]
    room = [TITLE_MARGIN_INCHES + LINE_INCHES * max(map(len, titles)) for titles in wrapped]
    size = (COLUMN_INCHES * width, sum(heights) + sum(room))
    figure = ExplanationFigure(figsize=size, layout="constrained")
    grid = figure.subplots(len(lines), width, squeeze=False, gridspec_kw={"height_ratios": heights})
    for place in grid.flat:
        place.set_axis_off()
        # Centred pictures would move the titles after the layout has made room for them.
        place.set_anchor("N")
    for places, line, titles in zip(grid, lines, wrapped, strict=True):
        for place, (picture, _), title in zip(places, line, titles, strict=False):
            place.imshow(picture)
            # Class names may hold dollar signs, which matplotlib would read as mathematics.
            place.set_title("\n".join(title), fontsize=TITLE_POINTS, parse_math=False)
    return figure
