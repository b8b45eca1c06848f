"""Arranges tokens (N, T, D), or a map whose axes are in another order, as a map (N, h, w, c).

A `Grid` says for each place along an axis which patch stands there, so that class, distillation and register tokens are
left out wherever they stand. A function of the user's is tried on numbered tokens instead: the result shows the map's
shape, and which token became which patch. Random tokens then show whether it does no more than put them into their
places.

The same function makes a map of a layer's tokens and of their gradient, so it must be linear for a CAM to be right.
Picking, reordering and reshaping are; adding a position would put it into the gradient, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import tensorflow as tf

from tfviz.errors import TfvizError

# Makes a map (N, h, w, c) of tokens (N, T, D).
TokensToMap = Callable[[tf.Tensor], tf.Tensor]
# Stands for a token that is not a patch: a class, distillation or register token.
NO_PATCH = -1


@dataclass(frozen=True)
class Arrangement:
    """How a value makes a map: the shape of the map (h, w, c), and the function that makes it.

    to_map: from a tensor of the value's shape, any number of images, to (N, h, w, c). channel_axis: the axis of the
    value that becomes the map's channels, along which single channels are scaled or switched off.
    """

    shape: tuple[int | None, ...]
    to_map: TokensToMap
    channel_axis: int = -1


def transposition(axes: tuple[int, int, int], shape: tf.TensorShape) -> Arrangement:
    """Return how a value of a shape makes a map (N, h, w, c), of which `axes` are the height, width and channels.

    A network in another layout, or one converted from it, transposes its maps.
    """
    return Arrangement(tuple(shape[axis] for axis in axes), lambda value: tf.transpose(value, [0, *axes]), axes[2])


@dataclass(frozen=True)
class Grid:
    """The patches along an axis.

    height, width: of the map, in patches. places: for each place along the axis the number of a patch, row by row, or
    `NO_PATCH`.
    """

    height: int
    width: int
    places: tuple[int, ...]

    @property
    def patches(self) -> list[int]:
        """The numbers of the patches that stand there, in ascending order."""
        return sorted(place for place in self.places if place != NO_PATCH)

    def moved(self, places: tuple[int, ...]) -> Grid:
        """Return the grid of an axis that has these places of this one, -1 for none of them; see `Carried.places`."""
        found = tuple(NO_PATCH if place < 0 else self.places[place] for place in places)
        return Grid(self.height, self.width, found)

    def joined(self, other: Grid | None) -> Grid:
        """Return the grid of an axis that joins two, each of which has no patches where the other has them."""
        if other is None:
            return self
        pairs = zip(self.places, other.places, strict=True)
        return Grid(self.height, self.width, tuple(theirs if own == NO_PATCH else own for own, theirs in pairs))

    def arrangement(self, depth: int) -> Arrangement | None:
        """Return how tokens of that depth make a map, None if a patch is missing or stands there twice.

        Patches are missing in what was merged or cut to windows, and behind what dropped some.
        """
        if self.patches != list(range(self.height * self.width)):
            return None
        return Arrangement((self.height, self.width, depth), self._to_map)

    def _to_map(self, tokens: tf.Tensor) -> tf.Tensor:
        order = np.argsort(self.places)[-self.height * self.width :]
        return tf.reshape(tf.gather(tokens, order, axis=1), [-1, self.height, self.width, tokens.shape[-1]])


class UserFunction:
    """The user's own function from tokens to a map, tried on every sequence of tokens.

    It is tried on tokens of one image, whose numbers show the map's shape and which token becomes which patch. A
    sequence at which it raises, or of which it does not make one map with several places, is left to the program.
    """

    def __init__(self, function: TokensToMap) -> None:
        self._function = function
        self._tried: dict[tuple[int, ...], tf.Tensor | None] = {}
        self._refusal = "this network has no sequence of tokens (N, T, D) of known length"

    def check(self) -> None:
        """Raise `TfvizError` if the function took no sequence at all, with what it did to the last one."""
        if all(result is None for result in self._tried.values()):
            raise TfvizError(f"tokens_to_map makes no map here: {self._refusal}")

    def arrangement(self, rows: Fraction, length: int, depth: int) -> Arrangement | None:
        """Return how it makes a map of tokens (rows for each image, length, depth), None if it does not."""
        result = self._try(int(rows), length, depth)
        return None if result is None else Arrangement(tuple(result.shape[1:]), self._function)

    def grid(self, rows: Fraction, length: int, depth: int) -> Grid | None:
        """Return which token it makes which patch, None if it does more than put tokens into their places.

        It does more if a number of the map is not that of a token, if a token stands there twice, or if random tokens
        do not stand there as they are: the mean of the tokens 1 and 3 is not 2, nor is a token behind a ReLU itself.
        Such a map can be looked at, but what was done to its tokens cannot be followed further.
        """
        shape = (int(rows), length, depth)
        result = self._try(*shape)
        if result is None:
            return None
        numbers = result[0, :, :, 0].numpy().ravel() - 1
        if not np.isin(numbers, np.arange(length)).all() or np.unique(numbers).size < numbers.size:
            return None
        tokens = numbers.astype(int)
        drawn = np.random.default_rng(0).normal(size=length).astype(np.float32)
        found, _ = self._call(drawn, shape)
        expected = drawn[tokens].reshape(1, *result.shape[1:3], 1)
        if found is None or found.shape != result.shape or not np.all(found.numpy() == expected):
            return None
        places = np.full(length, NO_PATCH)
        places[tokens] = np.arange(tokens.size)
        return Grid(result.shape[1], result.shape[2], tuple(map(int, places)))

    def _try(self, *shape: int) -> tf.Tensor | None:
        if shape not in self._tried:
            self._tried[shape] = self._run(shape)
        return self._tried[shape]

    def _run(self, shape: tuple[int, ...]) -> tf.Tensor | None:
        """Return the map of numbered tokens; None if the function is not for this shape, and why is kept.

        Token number i, from 1, holds i in all of its channels. Raises `TfvizError` if the function returns anything but
        four axes, since that is a mistake in it and not a sequence that it is not meant for.
        """
        rows, length, _ = shape
        if rows < 1 or length < 2:
            return None
        result, error = self._call(np.arange(1, length + 1, dtype=np.float32), shape)
        if result is None:
            self._refusal = f"of tokens {shape} it raises {error}"
            return None
        if result.shape.rank != 4:
            raise TfvizError(
                f"tokens_to_map returns the shape {tuple(result.shape)} for tokens {shape}, expected a map (N, h, w, c)"
            )
        if result.shape[0] != 1 or tuple(result.shape[1:3]) == (1, 1):
            self._refusal = f"of tokens {shape} it makes {tuple(result.shape)}"
            return None
        return result

    def _call(self, values: np.ndarray, shape: tuple[int, ...]) -> tuple[tf.Tensor | None, str]:
        """Return what it makes of tokens that hold a value in all of their channels; None, and why, if it raises."""
        # A network may be traced inside of a function that is being traced.
        with tf.init_scope():
            # The user's function may raise anything.
            try:
                return tf.convert_to_tensor(self._function(tf.broadcast_to(values[:, np.newaxis], shape))), ""
            except Exception as error:
                return None, " ".join(str(error).split())[:200]
