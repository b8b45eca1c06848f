"""The page that a notebook shows of an `Explanation`: its first rows as small pictures, and what helps to read them.

The page stays below `PAGE_BYTES`, whatever was explained: pictures share the bytes that are set aside for them, and
lists end early and say so. Images and maps are shrunk before they are made into pictures, so that large ones take
no longer than small ones. What cannot be shown, such as a map with NaN, is a sentence in its place and no error: a
notebook would print a traceback instead of the page.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tfviz.apps.explanation.shown import CLIP_PERCENTILE, own_colors_of, shown, signs_of
from tfviz.apps.explanation.titles import methods_within
from tfviz.apps.files import class_name
from tfviz.arrays import Floats, Picture
from tfviz.errors import TfvizError, one_line
from tfviz.markup import SENTENCE, Html, changed_options, element, escaped, list_of, page_of, warnings_of
from tfviz.methods import Results
from tfviz.methods.engine import INNER, INNER_OPTIONS, LAYER, find_method, method_of
from tfviz.network.replay import FULL
from tfviz.printable import printable
from tfviz.results import collapse, tiles, to_picture

PICTURE_BYTES = 150_000  # of all pictures together, before base64 makes four bytes of three
MOST_ROWS, MOST_PICTURES = 6, 48
CAPTION = 80  # characters of a name below a picture

LARGE, MEDIUM, FEW = 192, 144, 5
"""The longest side of a picture in pixels: the first if a row has at most so many, else the second."""
SHRINKING = (1, 0.85, 0.7, 0.55, 0.4, 0.25)
"""How far a picture is shrunk that takes more than its share of the bytes."""
TINY = 64  # pixels a side, up to which a picture keeps every pixel
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 75]

SCORES = {"none": "raw output", "custom": "score", "log_odds": "log odds"}
QUIET = "opacity:.75"
FIGURE = "display:inline-block;vertical-align:top;margin:4px 8px 4px 0"


def explanation_page(results: Results) -> str:
    """Return the page of an explanation: HTML without scripts, below 300,000 bytes."""
    columns = min(1 + len(results.maps), MOST_PICTURES)
    rows = min(len(results.targets), MOST_ROWS, max(1, MOST_PICTURES // columns))
    side, most_bytes = LARGE if columns <= FEW else MEDIUM, PICTURE_BYTES // (rows * columns or 1)
    small = _Small(results, signs_of(results), own_colors_of(results), side, most_bytes)
    parts = [
        element("p", *_heading(results), style="margin:0 0 4px"),
        *_options(results),
        *warnings_of(results.warnings),
    ]
    for row in range(rows):
        parts.append(element("p", *_about_row(results, row), style="margin:8px 0 0"))
        parts.append(element("div", *small.figures(row, columns)))
    if notes := _notes(results, rows, columns):
        parts.append(element("p", escaped(" ".join(notes), SENTENCE), style=f"{QUIET};margin:4px 0 0"))
    return page_of(*parts)


def _heading(results: Results) -> Iterator[Html]:
    """Yield what was explained, and what the score is."""
    count, each = len(results.targets) // results.targets_per_image, results.targets_per_image
    yield element("b", escaped("Explanation"))
    yield escaped(f" of {count} image{'s' * (count != 1)}{f', {each} targets each,' if each > 1 else ''} by ")
    yield element("b", escaped(results.model))
    yield element("br")
    yield escaped(f"The score is {results.scored_by}.", SENTENCE)


def _options(results: Results) -> Iterator[Html]:
    """Yield a list of the options that are not the default ones: those of the network, then those of each method."""
    part = results.origin.part if results.origin else {}
    usual = {"signature": None, "cut": None, "precision": FULL}
    own = {name: part[name] for name in (*usual, "random", "data_format") if name in part}
    found = {"network": [*changed_options(own, usual)]}
    found.update((name, [*_changed(method_of(name).name, given)]) for name, given in results.options.items())
    items = [
        Html(element("b", escaped(name, CAPTION)) + escaped(f": {', '.join(changed)}", SENTENCE))
        for name, changed in found.items()
        if changed
    ]
    if items:
        yield element("div", escaped("Options that are not the default:"))
        yield list_of(items)


def _changed(method: str, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options of a method that are not its defaults; layers are named below the pictures."""
    own = {name: value for name, value in options.items() if name not in (LAYER, INNER_OPTIONS)}
    yield from changed_options(own, find_method(method).options)
    if INNER in options:
        yield from (f"{options[INNER]} {each}" for each in _changed(options[INNER], options[INNER_OPTIONS]))


def _about_row(results: Results, row: int) -> Iterator[Html]:
    """Yield the image of a row, its target, and its probability and score as far as there are any."""
    score, target = results.scores[row], int(results.targets[row])
    yield escaped(f"Image {row // results.targets_per_image}: ")
    if np.isnan(score):
        yield escaped("no score")
        return
    numbers = [f"{SCORES.get(results.head, 'logit')} {score:.4g}"]
    if results.has_classes:
        name, number = class_name(target, results.class_names), class_name(target, None)
        yield element("b", escaped(name))
        yield escaped(f"{f' ({number})' if name != number else ''}, ")
        if results.head != "none":
            numbers.insert(0, f"probability {results.probabilities[row, target]:.3g}")
    yield escaped(", ".join(numbers))


def _notes(results: Results, rows: int, columns: int) -> list[str]:
    """Return what a reader must know of the pictures: what is left out, and how they were made."""
    notes = []
    if rest := len(results.targets) - rows:
        notes.append(f"{rest} more row{'s are' if rest > 1 else ' is'} not shown; plot() and save() take all.")
    if rest := 1 + len(results.maps) - columns:
        notes.append(f"{rest} more map{'s are' if rest > 1 else ' is'} not shown.")
    if rows:
        notes.append(
            "Each image is the network's input, stretched from black to white, with its channels as red, green and "
            "blue; plot(pictures, order=...) shows others."
        )
        channels = results.data_format.to_last(results.images[:1]).shape[3]
        if channels not in (1, 3):
            notes.append(f"Of the {channels} channels of images the mean is shown, and of attributions the sum.")
    return notes


@dataclass(frozen=True)
class _Small:
    """Makes small pictures of the rows of results: `side` pixels at most, of up to `most_bytes` each.

    signed, own_colors: as those of `Explanation`.
    """

    results: Results
    signed: Mapping[str, bool | None]
    own_colors: Mapping[str, bool]
    side: int
    most_bytes: int

    def figures(self, row: int, columns: int) -> Iterator[Html]:
        """Yield the image of a row and its first maps, each with its name below, `columns` in all."""
        try:
            picture: Picture | None = to_picture(self._values(self.results.images, row))[0]
        except TfvizError:
            picture = None
        yield self._figure(picture, "image", ["image"], "its image cannot be shown")
        for name in list(self.results.maps)[: columns - 1]:
            tile, problem = self._tile(name, row, picture)
            lines = self._caption(name)
            if row in self.results.zero_maps.get(name, {}):
                lines = [*lines, "zero everywhere"]
            yield self._figure(tile, name, lines, problem)

    def _tile(self, name: str, row: int, picture: Picture | None) -> tuple[Picture | None, str]:
        """Return the picture of a map, or None and why there is none."""
        try:
            values = shown(name, self._values(self.results.maps[name], row), "rgb")
            if picture is None:
                picture = np.full((*values.shape[1:3], 3), 128, np.uint8)
            look: dict[str, Any] = {"signed": self.signed[name], "own_colors": self.own_colors[name]}
            found = tiles([picture], values, clip_percentile=CLIP_PERCENTILE, **look)
        except TfvizError as error:
            return None, one_line(error)
        return found[0], ""

    def _values(self, values: NDArray[Any], row: int) -> Floats:
        """Return a row of images, attributions or maps with an axis of one image, channels last, and not too large.

        Of channels that are not those of a picture the mean is returned for images, and the sum for attributions.
        """
        found = np.asarray(values[row : row + 1], np.float32)
        if found.ndim == 4:
            found = self.results.data_format.to_last(found)
            if found.shape[3] not in (1, 3):
                is_image = values is self.results.images
                found = found.mean(axis=3, keepdims=True) if is_image else collapse(found, "sum")
        small = _shrunk(found[0], self.side)
        return small.reshape(1, *small.shape[:2], *found.shape[3:])

    def _caption(self, name: str) -> list[str]:
        """Return the lines below a map: its method, those within it, and the layer."""
        (outer, *inner), _ = methods_within(self.results, name)
        lines = [outer, *(f"of {each}" for each in inner)]
        return [*lines, f"at {self.results.layers[name]}"] if name in self.results.layers else lines

    def _figure(self, picture: Picture | None, name: str, lines: Sequence[str], problem: str) -> Html:
        """Return a figure with its caption, or with the problem in place of its picture."""
        if picture is None:
            content = element("p", escaped(f"not shown: {problem}"), style=f"{QUIET};margin:0")
        else:
            height, width = picture.shape[:2]
            scale = self.side / max(height, width)
            content = element(
                "img",
                src=_as_url(picture, self.most_bytes),
                alt=printable(name[:CAPTION])[:CAPTION],
                width=max(1, round(width * scale)),
                height=max(1, round(height * scale)),
                style="display:block" + ";image-rendering:pixelated" * (scale >= 2),
            )
        first, *others = [element("div", escaped(line, CAPTION)) for line in lines]
        below = element("div", *others, style=QUIET)
        caption = element("figcaption", first, below, style="font-size:.85em;line-height:1.25;margin-top:2px")
        return element("figure", content, caption, style=f"{FIGURE};width:{self.side}px")


def _shrunk(values: NDArray[Any], side: int) -> NDArray[Any]:
    """Return an image or map (h, w) or (h, w, C) of at most `side` pixels a side: larger ones as means over areas."""
    height, width = values.shape[:2]
    if max(height, width) <= side:
        return values
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA))


def _as_url(picture: Picture, most_bytes: int) -> str:
    """Return a picture as the URL that holds it, shrunk as far as it must be to take at most `most_bytes`."""
    for scale in SHRINKING:
        small = _shrunk(picture, round(max(picture.shape) * scale))[..., ::-1]
        for kind, parameters in (("png", []), ("jpeg", JPEG))[max(small.shape) > TINY :]:
            encoded = cv2.imencode(f".{kind}", small, parameters)[1].tobytes()
            if len(encoded) <= most_bytes:
                return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"
    # Even so small a picture may be a kilobyte of header and little else.
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"
