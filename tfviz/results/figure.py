"""Draws images beside their explanations as a matplotlib figure. The only module that needs matplotlib.

What stands where is decided by a layout (see `cells`); here it gets its inches. The height of each line follows from
its pictures' proportions and its longest title, because pictures of different sizes may share a figure. Pyplot knows
the figure, as it knows those of `plt.subplots`, unless it is told not to: it keeps every figure until it is closed.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tfviz.arrays import Picture
from tfviz.errors import TfvizError
from tfviz.results.cells import LAYOUTS, LineOfCells, Shown, as_batch, as_titles
from tfviz.results.checks import check_names, check_options, check_size, options_of, pick
from tfviz.results.color_scale import ColorScale
from tfviz.results.colors import color_table
from tfviz.results.text import wrap
from tfviz.results.tiles import tiles

COLUMN_INCHES = 2.4
TITLE_MARGIN_INCHES = 0.2
LINE_INCHES = 0.15
HIGHEST_BESIDE_OTHERS = 1.5
"""Heights in a width: a portrait beside landscapes would leave most of a figure white."""
LEAST_INCHES = 0.3
BAR_INCHES, BAR_GAP_INCHES, BAR_ROOM_INCHES, SIDE_BAR_INCHES = 0.08, 0.06, 0.28, 0.6
TITLE_CHARACTERS = 28
INWARDS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "horizontal": ({"ha": "left"}, {"ha": "right"}),
    "vertical": ({"va": "bottom"}, {"va": "top"}),
}
TITLE_POINTS, NUMBER_POINTS = 9, 7


class ExplanationFigure(Figure):
    """A matplotlib figure that a notebook shows once, whether pyplot knows it or not."""

    def _repr_png_(self) -> bytes:
        """Return the PNG that IPython asks for by this name; it knows plain figures only once pyplot is imported."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()

    def _ipython_display_(self) -> None:
        """Show the figure in a notebook; pyplot's inline backend would show it once more at the end of the cell."""
        if not matplotlib.get_backend().endswith("inline"):
            # Another backend has a window of its own, or none: IPython goes on to `_repr_png_`.
            raise NotImplementedError
        from matplotlib import pyplot

        shown = import_module("IPython.display")
        shown.display(shown.Image(self._repr_png_()))
        pyplot.close(self)


def plot(
    images: Sequence[ArrayLike] | Picture,
    maps: Mapping[str, ArrayLike],
    *,
    titles: str | Sequence[str] | None = None,
    signed: Mapping[str, bool | None] | None = None,
    own_colors: Mapping[str, bool] | bool = False,
    layout: str = "rows",
    per_image: int = 1,
    image_titles: Sequence[str] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    colorbar: bool | None = None,
    pyplot: bool = True,
    **look: Any,
) -> Figure:
    """Show images beside their explanations.

    Parameters
    ----------
    images : uint8 RGB (N, H, W, 3), a sequence of (H, W, 3) whose sizes may differ, or one (H, W, 3)
    maps : {name: array}
        The name becomes the title, the array is shown as `tiles` shows it. For a single image (H, W, 3) the arrays have
        no axis N either.
    titles : N strings, optional
        For each image, such as ``"tiger cat 0.87"``. A long one is broken, then shortened before its last word; a line
        break in it stays.
    signed : {name: bool}, optional
        Whether the sign of an array means something, as `tiles` takes it.
    own_colors : {name: bool} or bool
        Whether attributions keep their own colours, as `tiles` takes it, or whether all do.
    layout : str
        - ``"rows"``: an image per row and a method per column; rows of more than eight are broken.
        - ``"columns"``: an image per column and a method per row; more than eight columns continue below.
        - ``"row"``: everything in one row, as for a slide.
        - ``"classes"``: the N images are `per_image` copies of each, explained for as many classes. A row shows an
          image once and beside it its classes, in one scale; no attributions keep their own colours.
    per_image : int
        Of the layout ``"classes"``: how many classes there are of each image.
    image_titles : N / per_image strings, optional
        Of the layout ``"classes"``: over each image; `titles` are then over its classes.
    figsize : (width, height) in inches, optional
        By default 2.4 inches a column, and as high as the pictures and titles need.
    dpi : float, optional
        Pixels an inch; matplotlib's own setting by default.
    colorbar : bool, optional
        Whether to show which values the colours stand for: below each tile that has a scale or, where tiles share one,
        at the end of the row. By default only there.
    pyplot : bool
        Whether pyplot knows the figure, so that ``plt.show()`` and ``plt.savefig()`` find it. It then keeps the figure
        until ``plt.close(figure)``; programs that make many say False.
    **look
        `colormap`, `blend`, `alpha`, `clip_percentile` and `highlights`, as `tiles` takes them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidImagesError
        For images that are not uint8 RGB, or arrays that are not one map or attribution per image.
    TfvizError
        For a wrong number of titles, a size that is not two positive numbers, or an unknown option, name, layout,
        colour map or blend.
    """
    check_options("plot", look, [*options_of(plot), *options_of(tiles)])
    arrange = pick("layout", layout, LAYOUTS)
    check_size(figsize, dpi)
    pictures, arrays = as_batch(images, maps)
    row_titles = as_titles(titles, len(pictures), "image")
    of_images = as_titles(image_titles, len(pictures) // max(per_image, 1), "image of several classes")
    own = dict.fromkeys(arrays, own_colors) if isinstance(own_colors, bool) else own_colors
    check_names("signed", signed or {}, arrays)
    check_names("own_colors", own, arrays)
    shown = Shown(pictures, arrays, row_titles, signed or {}, own, look, per_image, of_images)
    size = None if figsize is None else (float(figsize[0]), float(figsize[1]))
    return _draw(arrange(shown), size, dpi, colorbar=colorbar, pyplot=pyplot)


def _draw(
    lines: list[LineOfCells],
    figsize: tuple[float, float] | None,
    dpi: float | None,
    *,
    colorbar: bool | None,
    pyplot: bool,
) -> Figure:
    """Return the figure of lines of cells."""
    width = max(len(line.cells) for line in lines)
    beside = SIDE_BAR_INCHES * any(line.scale is not None and colorbar is not False for line in lines)
    column = COLUMN_INCHES if figsize is None else max(figsize[0] - beside, 0.1) / width
    characters = max(round(TITLE_CHARACTERS * column / COLUMN_INCHES), 4)
    wrapped = [[wrap(cell.title, characters) for cell in line.cells] for line in lines]
    # A heading that reached beyond two columns would push the second aside.
    headings = [wrap(line.heading, int(characters * min(len(line.cells), 1.7))) for line in lines]
    heights = [_height(line, column) for line in lines]
    rooms = [
        TITLE_MARGIN_INCHES
        + LINE_INCHES * max(map(len, [heading, *titles]))
        + BAR_ROOM_INCHES * bool(colorbar and bars)
        for titles, heading, bars in zip(wrapped, headings, map(_has_bars, lines), strict=True)
    ]
    size = (COLUMN_INCHES * width + beside, sum(heights) + sum(rooms)) if figsize is None else figsize
    _check_room(size, rooms)
    figure = new_figure(pyplot, figsize=size, dpi=dpi, layout="constrained")
    grid = figure.subplots(len(lines), width, squeeze=False, gridspec_kw={"height_ratios": heights})
    for place in grid.flat:
        place.set_axis_off()
        # Centred pictures would move the titles after the layout has made room for them.
        place.set_anchor("N")
    for places, line, titles, heading in zip(grid, lines, wrapped, headings, strict=True):
        places[0].set_title("\n".join(heading), loc="left", fontsize=TITLE_POINTS, parse_math=False)
        _draw_line(places, line, titles, column, colorbar=colorbar)
    return figure


def _height(line: LineOfCells, column: float) -> float:
    """Return the inches of the highest picture of a line; one that is too high beside lower ones becomes narrower."""
    ratios = [cell.picture.shape[0] / cell.picture.shape[1] for cell in line.cells]
    return column * float(min(max(ratios), max(HIGHEST_BESIDE_OTHERS, min(ratios))))


def _check_room(size: tuple[float, float], rooms: Sequence[float]) -> None:
    """Raise `TfvizError` if titles and bars leave no room for the pictures of a figure of that size."""
    least = sum(rooms) + LEAST_INCHES * len(rooms)
    if size[1] < least:
        raise TfvizError(f"figsize {size} leaves no room for pictures: {least:.1f} inches is the least height for them")


def _has_bars(line: LineOfCells) -> bool:
    """Return whether a colour bar can stand below some cell of a line."""
    return any(cell.scale is not None for cell in line.cells)


def new_figure(pyplot: bool, **how: Any) -> Figure:
    """Return an empty figure, which pyplot knows if it is to."""
    if not pyplot:
        return ExplanationFigure(**how)
    from matplotlib import pyplot as plt

    return plt.figure(FigureClass=ExplanationFigure, **how)


def _draw_line(
    places: Sequence[Axes], line: LineOfCells, titles: Sequence[list[str]], column: float, *, colorbar: bool | None
) -> None:
    """Draw the cells of a line into their places, each `column` inches wide."""
    for place, cell, title in zip(places, line.cells, titles, strict=False):
        place.imshow(cell.picture)
        # Class names may hold dollar signs, which matplotlib would read as mathematics.
        place.set_title("\n".join(title), fontsize=TITLE_POINTS, parse_math=False)
        if colorbar and cell.scale is not None:
            height = min(column * cell.picture.shape[0] / cell.picture.shape[1], _height(line, column))
            gap, thick = BAR_GAP_INCHES / height, BAR_INCHES / height
            _draw_bar(place, (0, -gap - thick, 1, thick), cell.scale, "horizontal")
    if line.scale is not None and colorbar is not False:
        place = places[len(line.cells) - 1]
        _draw_bar(place, (1 + BAR_GAP_INCHES / column, 0, BAR_INCHES / column, 1), line.scale, "vertical")


def _draw_bar(place: Axes, bounds: tuple[float, float, float, float], scale: ColorScale, orientation: str) -> None:
    """Draw a colour bar beside a picture, at bounds (left, bottom, width, height) in parts of it."""
    colors = ScalarMappable(Normalize(scale.vmin, scale.vmax), ListedColormap(color_table(scale.colormap) / 255))
    ticks = [scale.vmin, scale.vmax] if scale.vmin == 0 else [scale.vmin, 0, scale.vmax]
    bar = place.figure.colorbar(colors, cax=place.inset_axes(bounds), orientation=orientation, ticks=ticks)
    bar.ax.tick_params(labelsize=NUMBER_POINTS, length=2, pad=1)
    bar.set_ticklabels([f"{tick:.2g}" for tick in ticks])
    numbers = bar.ax.get_xticklabels() if orientation == "horizontal" else bar.ax.get_yticklabels()
    # Centred on the ends of the bar, the numbers would reach into the next cell.
    for number, side in zip((numbers[0], numbers[-1]), INWARDS[orientation], strict=True):
        number.set(**side)
    bar.outline.set_linewidth(0.5)
