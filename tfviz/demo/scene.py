"""Composes a demo picture before anything is drawn: which shapes it holds, with which attributes, and where.

A class is a combination of colour, texture and shape. Only 9 of the 27 combinations are classes, chosen as a Latin
square: each attribute, and each pair of attributes, also occurs in distractors. So a network must find all three in one
place, and a correct explanation must point at that place.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy

IMAGE_SIZE = 128
COLOURS = {"red": (214, 52, 48), "green": (34, 152, 74), "blue": (46, 92, 212)}
TEXTURES = ("striped", "dotted", "checked")
# The farthest point of a shape in units of its radius, chosen so that all shapes cover about the same area.
REACHES = {"circle": 1.0, "square": 1.25, "star": 1.35}

_RADII = (15.0, 22.0)
_SHAPE_COUNTS = (3, 4)
_GAP = 2.0
_PLACING_ATTEMPTS = 12


class ShapeKind(NamedTuple):
    """The attributes of a shape; its words, in this order, are the name of a class."""

    colour: str
    texture: str
    shape: str


def _is_class(kind: ShapeKind) -> bool:
    """Whether the positions of the attributes add up to a multiple of three, which makes the classes a Latin square.

    Each attribute's value then belongs to three classes, and each pair of values to one class and to two distractors:
    only all three attributes in one place identify the deciding shape.
    """
    return (list(COLOURS).index(kind.colour) + TEXTURES.index(kind.texture) + list(REACHES).index(kind.shape)) % 3 == 0


_KINDS = tuple(ShapeKind(*words) for words in itertools.product(COLOURS, TEXTURES, REACHES))
CLASS_KINDS = tuple(kind for kind in _KINDS if _is_class(kind))
DISTRACTOR_KINDS = tuple(kind for kind in _KINDS if not _is_class(kind))
CLASS_NAMES: tuple[str, ...] = tuple(" ".join(kind) for kind in CLASS_KINDS)
"""The classes of the embedded network, in its order."""


@dataclass(frozen=True)
class Item:
    """A shape in a picture: its centre and radius are in pixels."""

    kind: ShapeKind
    y: float
    x: float
    radius: float

    @property
    def reach(self) -> float:
        """Distance of the farthest point from the centre, in pixels."""
        return REACHES[self.kind.shape] * self.radius

    def touches(self, other: Item) -> bool:
        """Tell whether the two might overlap at some angle."""
        distance = self.reach + other.reach + _GAP
        return (self.y - other.y) ** 2 + (self.x - other.x) ** 2 < distance**2


@dataclass(frozen=True)
class Scene:
    """The deciding shape, the index of its class in `CLASS_NAMES`, and the distractors; no two shapes touch."""

    label: int
    deciding: Item
    distractors: tuple[Item, ...]


def compose(random: numpy.random.Generator) -> Scene:
    """Draw a scene with one deciding shape, of any class, and two or three distractors, of no class."""
    label = int(random.integers(len(CLASS_KINDS)))
    count = int(random.integers(_SHAPE_COUNTS[0], _SHAPE_COUNTS[1] + 1))
    kinds = [DISTRACTOR_KINDS[index] for index in random.integers(len(DISTRACTOR_KINDS), size=count)]
    # Shapes placed early find more room, so the deciding one takes its turn at random, or its place would give it away.
    turn = int(random.integers(count))
    kinds[turn] = CLASS_KINDS[label]
    items = None
    while items is None:
        items = _arrange(kinds, random)
    return Scene(label, items[turn], (*items[:turn], *items[turn + 1 :]))


def _arrange(kinds: list[ShapeKind], random: numpy.random.Generator) -> list[Item] | None:
    """Place shapes of these kinds apart from each other, in this order; None if there is no room for one.

    Each has `_PLACING_ATTEMPTS` tries; `compose` then begins anew, as the first shapes may leave no room for the last.
    """
    items: list[Item] = []
    for kind in kinds:
        for _ in range(_PLACING_ATTEMPTS):
            item = _drop(kind, random)
            if not any(item.touches(other) for other in items):
                items.append(item)
                break
        else:
            return None
    return items


def _drop(kind: ShapeKind, random: numpy.random.Generator) -> Item:
    """Place a shape of random size entirely inside the picture, without regard to the others."""
    radius = float(random.uniform(*_RADII))
    margin = REACHES[kind.shape] * radius + _GAP
    y, x = random.uniform(margin, IMAGE_SIZE - margin, size=2)
    return Item(kind, float(y), float(x), radius)
