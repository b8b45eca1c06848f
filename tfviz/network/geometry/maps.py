"""The feature maps among the values of a program, and where on the image each lies.

A map has one axis for the height and one for the width: heads of an attention and windows have not, and channels first
is another order. If the network leaves the image's size open, a map is what has four axes and was made of a map; where
it lies is then looked up in images of the three sizes of `TRIALS`, and believed if all of them agree.

Shape alone would take the weights of an attention, (N, heads, T, T), for a map, so a value must be one by where its
places lie. If that was lost on the way, as behind a random rotation, a likely map counts, too: methods still work
there, but the map is stretched over the image and a warning names the operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from tfviz.network.geometry.coordinates import Coordinates
from tfviz.network.geometry.following import follow
from tfviz.network.geometry.placement import MapAxes, Placement, common, map_axes
from tfviz.network.geometry.places import HEIGHT, WIDTH, Places, of_image
from tfviz.network.geometry.shapes import sizes_for
from tfviz.network.program import Program, Step, Value

# Heights and widths of the images in which the maps of a network of open image size are looked up. Not squares, nor
# multiples of a power of two alone: what brings pictures to a square, or to such a multiple, leaves those as they are.
# In the smallest, a margin of some pixels counts.
TRIALS = ((224, 288), (203, 331), (61, 45))
CHANNELS_LAST, CHANNELS_FIRST = (1, 2, 3), (2, 3, 1)
OPEN_SIZE = (
    "where they lie depends on the image's size, which trace(model, image_shape=(height, width, channels)) fixes"
)


class Maps:
    """The feature maps (N, h, w, c) of a program, or with their axes in another order.

    If the geometry was lost on the way, a map is what has four axes and was made of a map, as for an open size.

    is_open: whether the image's size is open. single: what would be a map if it had more than one place.
    """

    def __init__(self, program: Program, image: Value) -> None:
        self._program, self._image = program, image
        self.is_open = not image.shape[1:3].is_fully_defined()
        self._places = {} if self.is_open else follow(program, {image: of_image(image.shape)})
        self.single: set[Value] = set()
        self._axes: dict[Value, MapAxes] = {}
        likely = find_likely_maps(program, image)
        for step in program.steps:
            for value in step.outputs:
                if _may_be_map(value) and value in self._places and self._places[value].lost is None:
                    found = map_axes(value.shape, self._places[value], image.shape)
                    if found is not None and all(value.shape[axis] == 1 for axis in found.order[:2]):
                        self.single.add(value)
                    elif found is not None:
                        self._axes[value] = found
                elif value in likely:
                    self._axes[value] = MapAxes(_likely_order(value), None)
        self._tried: dict[int, tuple[dict[Value, tf.TensorShape], dict[Value, Places]]] = {}

    def __contains__(self, value: Value) -> bool:
        """Return whether a value is a map."""
        return value in self._axes

    @property
    def values(self) -> set[Value]:
        """All values that are maps."""
        return set(self._axes)

    def axes(self, value: Value) -> tuple[int, int, int]:
        """Return the axes of a map that are its height, its width and its channels."""
        return self._axes[value].order

    def size(self, value: Value) -> tuple[int | None, int | None]:
        """Return the height and width of a map, or of what has a single place, None if they follow the image."""
        if value in self.single:
            return 1, 1
        height, width, _ = self.axes(value)
        return value.shape[height], value.shape[width]

    def lost_at(self, value: Value) -> Step | None:
        """Return the operation that the image's geometry could not be followed through to a value."""
        found = self._places.get(value)
        return None if found is None else found.lost

    def placement(self, value: Value, to_map: Callable[[tf.Tensor], tf.Tensor] | None) -> Placement | None:
        """Return where a map lies, or the map (N, h, w, c) that `to_map` makes of tokens (N, T, D); None if unknown.

        It is unknown if the image's geometry was lost, if the cells do not lie at equal distances, or, in a network of
        open size, if it differs from size to size. Of tokens it is known for images of a known size alone.
        """
        if to_map is None:
            return self._axes[value].placement if not self.is_open else self._in_any_size(value)
        places = self._places.get(value)
        if places is None or places.lost is not None or places.batch:
            return None
        found = _arranged(places, value.shape, to_map)
        axes = None if found is None else map_axes(found[0], found[1], self._image.shape)
        return None if axes is None else axes.placement

    def _in_any_size(self, value: Value) -> Placement | None:
        """Return where a map lies in images of any size, None if not all of the `TRIALS` that can be traced agree."""
        found = [self._in_size(number, value) for number in range(len(TRIALS))]
        # A network may take no images that are so small.
        return common([each for number, each in enumerate(found) if self._tried[number][0]])

    def _in_size(self, number: int, value: Value) -> Placement | None:
        """Return where a map lies in images of one of the `TRIALS`, which are followed once each.

        What the model fixes of the image's size is kept, and 3 channels stand for open ones. While places are followed,
        the values of the program have the shapes of that trial.
        """
        size = [own or tried for own, tried in zip(self._image.shape[1:], (*TRIALS[number], 3), strict=True)]
        if number not in self._tried:
            shapes = sizes_for(self._program, self._image, size)
            with _assumed(shapes):
                places = follow(self._program, {self._image: of_image([-1, *size])}) if shapes else {}
            self._tried[number] = shapes, places
        shapes, places = self._tried[number]
        if value not in places or places[value].lost is not None:
            return None
        found = map_axes(shapes[value], places[value], [-1, *size])
        return None if found is None else found.placement


def _may_be_map(value: Value) -> bool:
    return bool(value.shape.rank == 4 and value.dtype.is_floating)


def _likely_order(value: Value) -> tuple[int, int, int]:
    """Return the axes of a likely map that are its height, width and channels, these being the one that is not open."""
    known = [axis for axis in CHANNELS_LAST if value.shape[axis] is not None]
    return CHANNELS_FIRST if known == [1] else CHANNELS_LAST


def _arranged(
    places: Places, shape: tf.TensorShape, to_map: Callable[[tf.Tensor], tf.Tensor]
) -> tuple[list[int], Places] | None:
    """Return the shape of the map of tokens, and the places of its cells: the coordinates go the tokens' way.

    `to_map`, which may be the user's own function, is run on tokens that hold their own coordinate, once for the height
    and once for the width. None if that is not the same for a whole row, or column, of the map, as of a function that
    mixes tokens; and if tokens have several coordinates, or ones along their channels.
    """
    along, cells = [], np.zeros([])
    for direction in (HEIGHT, WIDTH):
        if len(places.along[direction]) != 1 or not {0, 1}.issuperset(places.along[direction][0].axes):
            return None
        coordinates = places.along[direction][0]
        sizes = [places.rows, *shape[1:]]
        whole = coordinates.places.reshape([sizes[axis] if axis in coordinates.axes else 1 for axis in range(3)])
        tokens = np.broadcast_to(whole, sizes).astype(np.float32)
        # A network may be traced inside of a function that is being traced.
        with tf.init_scope():
            cells = to_map(tf.constant(tokens)).numpy()[0, :, :, 0]
        part = cells.mean(axis=1 - direction, dtype=np.float64)
        if not np.allclose(cells, np.expand_dims(part, 1 - direction), atol=1e-3):
            return None
        along.append((Coordinates((1 + direction,), part, coordinates.cell, coordinates.seen),))
    return [-1, *cells.shape, -1], Places((along[HEIGHT], along[WIDTH]))


@contextmanager
def _assumed(shapes: dict[Value, tf.TensorShape]) -> Iterator[None]:
    """Give values other shapes within the context: whatever follows places reads the shapes of the values."""
    before = {value: value.shape for value in shapes}
    try:
        for value, shape in shapes.items():
            value.shape = shape
        yield
    finally:
        for value, shape in before.items():
            value.shape = shape


def find_likely_maps(program: Program, image: Value) -> set[Value]:
    """Return the float values with four axes and more than one place that are made of a map.

    Four axes are not enough: the heads of an attention layer have them too. What is made of a map with fewer axes (a
    sequence of tokens) is not a map until it is reshaped to a grid that was seen before.
    """
    spatial, grids, maps = {image}, {tuple(image.shape[1:3])}, set()
    for step in program.steps:
        from_map = any(value in spatial for value in step.inputs)
        for value in step.outputs:
            rank, grid = value.shape.rank, tuple(value.shape[1:3]) if (value.shape.rank or 0) > 3 else ()
            if (from_map and rank is not None and rank > 3) or (rank == 4 and step.type == "Reshape" and grid in grids):
                spatial.add(value)
                if rank == 4 and value.dtype.is_floating and grid != (1, 1):
                    grids.add(grid)
                    maps.add(value)
    return maps & program.depending_on([image])
