"""Turns a scene into pixels: smooth backgrounds, clutter, and shapes with a texture and a dark rim.

Each shape is a signed distance to its outline, negative inside; textures are distances to their marks. A distance gives
the share of a pixel that is covered, and so smooth edges at any angle without drawing at a higher resolution. The
clutter has the shapes of the classes, but is much smaller.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy
from numpy.typing import NDArray

from .scene import COLOURS, IMAGE_SIZE, REACHES, Item

Doubles = NDArray[numpy.float64]
Booleans = NDArray[numpy.bool_]

_CORNERS = {"square": 4, "star": 5}
_STAR_NOTCH = 0.52  # radius of a star's inner corners, in units of its outer ones
_RIM = 2.0
_RIM_SHADE = 0.4
_PERIODS = (8.5, 11.0)
_PALE = 0.82  # how far the texture's marks are from the shape's colour to white
_COLOUR_JITTER = 18.0
_CLUTTER_COUNTS = (14, 26)
_CLUTTER_REACHES = (2.0, 6.5)
_NOISE = 4.0


class _Patch(NamedTuple):
    """A window of the canvas, with the offsets (h, 1) and (1, w) of its pixels from a centre."""

    window: tuple[slice, slice]
    down: Doubles
    right: Doubles


def background(random: numpy.random.Generator) -> Doubles:
    """Draw a canvas (128, 128, 3) of values around 0..255: smooth colours, confetti, and fine noise."""
    tone = random.uniform(95, 200) + random.uniform(-35, 35, size=3)
    canvas = tone + _smooth(random.uniform(-40, 40, size=(4, 4, 3)))
    canvas += _smooth(random.uniform(-12, 12, size=(24, 24, 1)))
    for _ in range(random.integers(*_CLUTTER_COUNTS)):
        _draw_clutter(canvas, random)
    canvas += random.uniform(-_NOISE, _NOISE, size=canvas.shape)
    return canvas


def draw(canvas: Doubles, item: Item, random: numpy.random.Generator) -> Booleans:
    """Draw a shape at a random angle onto a canvas (128, 128, 3) of 0..255; return its mask (128, 128).

    Its texture is turned by another angle. The mask, bool, is True where a pixel's centre lies inside the outline, rim
    included.
    """
    patch = _patch(item.y, item.x, item.reach)
    inside = -_distance(item.kind.shape, *_rotate(patch, random.uniform()), item.reach)
    marks = _marks(item.kind.texture, *_rotate(patch, random.uniform()), random.uniform(*_PERIODS))
    colour = COLOURS[item.kind.colour] + random.uniform(-_COLOUR_JITTER, _COLOUR_JITTER, size=3)
    paint = _blend(numpy.broadcast_to(colour, (*inside.shape, 3)), colour + _PALE * (255 - colour), marks)
    paint = _blend(colour * _RIM_SHADE, paint, _cover(inside - _RIM))
    canvas[patch.window] = _blend(canvas[patch.window], paint, _cover(inside))
    mask = numpy.zeros(canvas.shape[:2], bool)
    mask[patch.window] = inside > 0
    return mask


def _draw_clutter(canvas: Doubles, random: numpy.random.Generator) -> None:
    """Draw a small, half transparent shape of any colour, without texture or rim, onto a canvas at a random place."""
    reach = random.uniform(*_CLUTTER_REACHES)
    y, x = random.uniform(0, IMAGE_SIZE, size=2)
    patch = _patch(y, x, reach)
    shape = list(REACHES)[random.integers(len(REACHES))]
    distance = _distance(shape, *_rotate(patch, random.uniform()), reach)
    opacity = random.uniform(0.3, 0.75) * _cover(-distance)
    canvas[patch.window] = _blend(canvas[patch.window], random.uniform(20, 245, size=3), opacity)


def _patch(y: float, x: float, reach: float) -> _Patch:
    """Return the window of the canvas around a shape of that reach, a pixel wider for its smooth edge."""
    rows, columns = (
        numpy.arange(max(0, math.floor(centre - reach - 1)), min(IMAGE_SIZE, math.ceil(centre + reach + 1)))
        for centre in (y, x)
    )
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    down, right = (numpy.asarray(line + 0.5 - centre, numpy.float64) for line, centre in ((rows, y), (columns, x)))
    return _Patch(window, down[:, None], right[None, :])


def _rotate(patch: _Patch, turns: float) -> tuple[Doubles, Doubles]:
    """Return the offsets (h, w) of a patch's pixels, down and right, in axes turned by that part of a full turn."""
    cosine, sine = math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns)
    return cosine * patch.down + sine * patch.right, cosine * patch.right - sine * patch.down


def _distance(shape: str, down: Doubles, right: Doubles, reach: float) -> Doubles:
    """Distance of points to a shape's outline in pixels, negative inside; beyond a corner, to the extended edge."""
    length = numpy.sqrt(down**2 + right**2)
    if shape == "circle":
        return length - reach
    # Folding the plane into half a corner's wedge leaves one edge, from the tip to the inner corner (or edge's middle).
    half = math.pi / _CORNERS[shape]
    bearing = numpy.abs(numpy.arctan2(down, right) % (2 * half) - half)
    notch = reach * (_STAR_NOTCH if shape == "star" else math.cos(half))
    along, across = notch * math.cos(half) - reach, notch * math.sin(half)
    aside = across * (length * numpy.cos(bearing) - reach) - along * length * numpy.sin(bearing)
    return aside / math.hypot(along, across)


def _marks(texture: str, down: Doubles, right: Doubles, period: float) -> Doubles:
    """How much of each pixel (h, w) a texture's pale marks cover, 0..1.

    period: pixels from one mark to the next. Offsets are folded into one period, so that all marks are drawn as one.
    """
    rows, columns = (numpy.abs(offset / period % 1 - 0.5) * period for offset in (down, right))
    if texture == "dotted":
        return _cover(0.33 * period - numpy.sqrt(rows**2 + columns**2))
    rows, columns = rows - period / 4, columns - period / 4
    if texture == "striped":
        return _cover(rows)
    return _cover(numpy.maximum(numpy.minimum(rows, -columns), numpy.minimum(-rows, columns)))


def _cover(depth: Doubles) -> Doubles:
    """Coverage 0..1 of pixels whose centres lie at this depth inside an edge."""
    return numpy.clip(depth + 0.5, 0, 1)


def _blend(below: Doubles, above: Doubles, opacity: Doubles) -> Doubles:
    """Lay colours (..., 3) over others, by an opacity (...) in 0..1."""
    return below + opacity[..., None] * (above - below)


def _smooth(grid: Doubles) -> Doubles:
    """Enlarge a coarse grid (n, n, channels) to the canvas by linear interpolation."""
    position = numpy.linspace(0, len(grid) - 1, IMAGE_SIZE)
    start = numpy.minimum(position.astype(int), len(grid) - 2)
    weight = (position - start)[:, None]
    rows = _blend(grid[start], grid[start + 1], numpy.broadcast_to(weight, (IMAGE_SIZE, len(grid))))
    return _blend(rows[:, start], rows[:, start + 1], weight.T)
