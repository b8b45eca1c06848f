"""Arranges pictures in a grid with captions, as one picture: for files and pages, without matplotlib.

Cells are as large as the largest picture, and the captions of a row take equally many lines. OpenCV writes them. Its
letters have no accents (OpenCV 4 would write question marks), differ in width, and cannot be read below
`SMALLEST_SCALE`; so accents are removed, the characters per line are found by measuring, and a narrow picture gets a
wider cell.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Picture
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results.checks import check_each_picture
from tfviz.results.text import wrap

WHITE = 255
BLACK = (0, 0, 0)
FONT = cv2.FONT_HERSHEY_SIMPLEX
# Below this scale OpenCV's letters run together; below this width a caption is a column of syllables.
SMALLEST_SCALE = 0.4
SMALLEST_CAPTION_WIDTH = 112
WIDTH_AT_SCALE_ONE = 640


def montage(
    pictures: Sequence[ArrayLike] | Picture,
    *,
    columns: int | None = None,
    captions: Sequence[str] | None = None,
    padding: int = 8,
) -> Picture:
    """Put pictures in a grid on white, row by row.

    Parameters
    ----------
    pictures : uint8 (N, H, W, 3), or a sequence of (H, W, 3)
        If their sizes differ, each is centred in a cell of the largest height and the largest width.
    columns : int, optional
        Pictures per row; by default as many as make the grid nearly square.
    captions : N strings, optional
        Written under the pictures in up to three lines; longer ones are shortened before their last word.
    padding : int
        White pixels between the cells and around them.

    Returns
    -------
    uint8 (height, width, 3)

    Raises
    ------
    InvalidImagesError
        For no pictures, or pictures that are not uint8 RGB.
    TfvizError
        For a wrong number of captions, fewer than one column or a negative padding.
    """
    if not len(pictures) or any(np.ndim(picture) != 3 for picture in pictures):
        raise InvalidImagesError("a montage needs at least one picture, each of shape (H, W, 3)")
    checked = check_each_picture(pictures)
    columns = math.ceil(math.sqrt(len(checked))) if columns is None else columns
    if columns < 1 or padding < 0:
        raise TfvizError(f"columns must be at least 1 and padding at least 0, got {columns} and {padding}")
    if captions is not None and (isinstance(captions, str) or len(captions) != len(checked)):
        raise TfvizError(f"expected a list of {len(checked)} captions, one per picture, got {captions!r}")
    cells = _same_size(checked, SMALLEST_CAPTION_WIDTH if captions else 1)
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    if captions is not None:
        texts = [captions[start : start + columns] for start in range(0, len(cells), columns)]
        rows = [_captioned(row, captions) for row, captions in zip(rows, texts, strict=True)]
    return _grid(rows, padding)


def _same_size(pictures: list[Picture], smallest_width: int) -> list[Picture]:
    """Return pictures centred in white cells of the largest height and width, at least `smallest_width` wide."""
    height = max(picture.shape[0] for picture in pictures)
    width = max(smallest_width, *(picture.shape[1] for picture in pictures))
    cells = [np.full((height, width, 3), WHITE, np.uint8) for _ in pictures]
    for cell, picture in zip(cells, pictures, strict=True):
        top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
        cell[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return cells


def _captioned(cells: list[Picture], captions: Sequence[str]) -> list[Picture]:
    """Return the cells of a row with their captions below, all of them as high as the one with the most lines."""
    width = cells[0].shape[1]
    scale = max(SMALLEST_SCALE, width / WIDTH_AT_SCALE_ONE)
    broken = [_lines(caption, width, scale) for caption in captions]
    most = max(map(len, broken))
    return [
        np.concatenate([cell, _written(lines, most, width, scale)]) for cell, lines in zip(cells, broken, strict=True)
    ]


def _lines(caption: str, width: int, scale: float) -> list[str]:
    """Lines with as many characters as fit, counted down because letters differ in width."""
    # OpenCV 4 writes accented letters as question marks.
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", caption) if not unicodedata.combining(letter))
    for characters in range(max(len(plain), 1), 1, -1):
        lines = wrap(plain, characters)
        if all(_text_size(line, scale)[0] <= width for line in lines):
            return lines
    return wrap(plain, 1)


def _text_size(text: str, scale: float) -> tuple[int, int]:
    """Width, and height with descenders, in pixels."""
    (width, height), baseline = cv2.getTextSize(text, FONT, scale, 1)
    return int(width), int(height + baseline)


def _written(lines: list[str], most: int, width: int, scale: float) -> Picture:
    """A white strip, high enough for `most` lines, with these lines centred in it."""
    line_height = round(1.2 * _text_size("Ag", scale)[1])
    strip = np.full((most * line_height, width, 3), WHITE, np.uint8)
    for number, line in enumerate(lines, start=1):
        left = (width - _text_size(line, scale)[0]) // 2
        bottom = number * line_height - round(0.3 * line_height)
        cv2.putText(strip, line, (left, bottom), FONT, scale, BLACK, 1, cv2.LINE_AA)
    return strip


def _grid(rows: list[list[Picture]], padding: int) -> Picture:
    """Return rows of cells on white; those of a row have one height, and all cells one width."""
    height = sum(row[0].shape[0] + padding for row in rows) + padding
    width = len(rows[0]) * (rows[0][0].shape[1] + padding) + padding
    grid = np.full((height, width, 3), WHITE, np.uint8)
    top = padding
    for row in rows:
        for index, cell in enumerate(row):
            left = padding + index * (cell.shape[1] + padding)
            grid[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
        top += row[0].shape[0] + padding
    return grid
