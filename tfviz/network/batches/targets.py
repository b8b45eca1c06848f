"""What is explained of each image: one table of targets, however they were asked for.

Users give nothing, a class, a class for each image, or one-hot rows; `explain` and the command line ask for several
classes of every image, or for its best ones. The best are known only after the forward pass, so that an entry may be a
rank in place of a class: `Head.resolve` replaces it in the compiled function.

A compiled function takes a block of columns of the table and unrolls them. More columns than that run block by block,
and the last block is filled up, so that one compiled function serves all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.arrays import refuse_masked
from tfviz.class_names import find_class
from tfviz.errors import InvalidTargetsError
from tfviz.network.heads import Head

PREDICTED = -1
# Columns in one compiled function, which makes a backward pass of its own for each. A loop over them in the graph would
# take any number, but TensorFlow has no fast gradient of max-pooling if the pooling is outside of the loop: for
# three columns of saliency on SqueezeNet it took 1.4 to 1.8 times as long.
MOST = 8


@dataclass(frozen=True, eq=False)
class Targets:
    """The targets of N images, k of each: int32 (N, k), or (k,) if they are the same for all.

    An entry is a class or, below 0, a rank: -1 is the predicted class, -2 the next best.
    """

    table: np.ndarray

    @property
    def per_image(self) -> int:
        """How many targets each image has."""
        return int(self.table.shape[-1])

    @property
    def width(self) -> int:
        """How many targets of an image are computed at once."""
        return -(-self.per_image // -(-self.per_image // MOST))

    @property
    def flat(self) -> np.ndarray:
        """The targets (N · k,) as a compiled function takes them; those of an image stand together."""
        return self.table.reshape(-1)

    def images_at_once(self, batch_size: int) -> int:
        """Return how many images have at most `batch_size` targets together in one run, at least 1."""
        return max(1, batch_size // self.width)

    def of_images(self, first: int, last: int) -> Targets:
        """Return the targets of the images `first` to `last` - 1; raise `InvalidTargetsError` if there are too few."""
        if self.table.ndim == 1:
            return Targets(np.tile(self.table, (last - first, 1)))
        if len(self.table) < last:
            raise InvalidTargetsError(f"{self._how_many()} for more than {last - 1} images")
        return Targets(self.table[first:last])

    def check_needed(self, head: Head) -> None:
        """Raise `InvalidTargetsError` for targets of a network without a classifier.

        This is not done by `as_targets`, so that a method that needs a score can first say how to get one.
        """
        if head.lacking and (self.table != PREDICTED).any():
            raise InvalidTargetsError("this network has no classifier, and so no targets; pass None")

    def check_count(self, images: int) -> None:
        """Raise `InvalidTargetsError` unless there are targets for that many images."""
        if self.table.ndim == 2 and len(self.table) != images:
            raise InvalidTargetsError(f"{self._how_many()} for {images} images")

    def blocks(self) -> list[Targets]:
        """Return as many columns at a time as are computed at once, the last block filled up with the last column."""
        filled = np.pad(self.table, [(0, 0), (0, -self.per_image % self.width)], mode="edge")
        return [Targets(each) for each in np.split(filled, filled.shape[1] // self.width, axis=1)]

    def joined(self, found: Sequence[Any]) -> Any:
        """Return the results for `blocks`, nested arrays (N · width, ...), as one; those of an image stand together."""
        return tf.nest.map_structure(self._side_by_side, *found)

    def _how_many(self) -> str:
        return "there is 1 target" if len(self.table) == 1 else f"there are {len(self.table)} targets"

    def _side_by_side(self, *blocks: np.ndarray) -> np.ndarray:
        columns = [block.reshape(-1, self.width, *block.shape[1:]) for block in blocks]
        wanted = np.concatenate(columns, axis=1)[:, : self.per_image]
        return wanted.reshape(-1, *wanted.shape[2:])


def same_for_all(targets: Sequence[int]) -> Targets:
    """Return the same targets, classes or ranks, for every image."""
    return Targets(np.array(targets, np.int32))


def best_classes(head: Head, top: int) -> Targets:
    """Return the `top` best classes of every image, as ranks.

    Raises `InvalidTargetsError` if the network has fewer classes or none, or `top` is not an integer of at least 1.
    """
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise InvalidTargetsError(f"top is {top!r}, expected an integer of at least 1")
    if not head.has_classes:
        raise InvalidTargetsError(
            "top asks for the best classes, but this network is explained by a score without classes"
        )
    if top > (head.num_classes or 0):
        raise InvalidTargetsError(f"top is {top}, but the network has only {head.num_classes} classes")
    return same_for_all(range(PREDICTED, PREDICTED - top, -1))


def as_targets(head: Head, targets: Any) -> Targets:
    """Return targets as users give them: None for the predicted class, a class, classes (N,) or one-hot rows (N, K).

    A class may be given by its name, if the head has names.

    Raises `InvalidTargetsError`, and `InvalidImagesError` for a masked array. How many images there are is not known
    yet, see `Targets.check_count`.
    """
    if isinstance(targets, Targets):
        return targets
    if targets is None:
        return same_for_all([PREDICTED])
    refuse_masked("targets", targets)
    try:
        array = np.asarray(targets)
    except ValueError as error:
        raise InvalidTargetsError("targets are rows of different lengths, expected class indices (N,)") from error
    if array.ndim == 2:
        array = _from_one_hot(head, array)
    if array.dtype.kind not in "iu" and array.size:
        array = _from_names(head, targets, array)
    if array.ndim > 1:
        raise InvalidTargetsError(f"targets have the shape {array.shape}, expected one class index, or indices (N,)")
    _check_classes(head, array)
    return Targets(array.astype(np.int32)[..., np.newaxis])


def _check_classes(head: Head, classes: np.ndarray) -> None:
    """Raise `InvalidTargetsError` for targets that are not classes of the network."""
    # Evaluations that know only classes call the one number of a custom score class 0.
    wrong = classes[(classes < 0) | (classes >= (head.num_classes or 1))]
    if wrong.size and not head.lacking:
        raise InvalidTargetsError(_out_of_range(head, int(wrong[0])))


def _out_of_range(head: Head, wrong: int) -> str:
    if head.num_classes is None:
        return "this network was traced with a score of your own, which has no targets; pass None, or 0"
    return f"target {wrong} is out of range: the network has {head.num_classes} classes, 0 to {head.num_classes - 1}"


def _from_one_hot(head: Head, array: np.ndarray) -> Any:
    is_one_hot = np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()
    if array.shape[1] != head.num_classes or not is_one_hot:
        raise InvalidTargetsError(
            f"targets have the shape {array.shape}; expected indices (N,) or one-hot rows (N, {head.num_classes})"
        )
    return np.argmax(array, axis=1)


def _from_names(head: Head, targets: Any, array: np.ndarray) -> np.ndarray:
    """Return the classes that `targets` name, of which `array` was made; raise `InvalidTargetsError`.

    Indices may be among the names. The array does not tell them apart: NumPy makes texts of both.
    """
    given = targets if isinstance(targets, list | tuple) else array.reshape(-1).tolist()
    names = [each for each in given if isinstance(each, str)]
    if not names or array.ndim > 1 or not all(isinstance(each, str) or _is_index(each) for each in given):
        raise InvalidTargetsError(
            f"targets are of type {array.dtype}, expected class indices (integers) or class names"
        )
    if not head.has_classes:
        raise InvalidTargetsError(
            f"there is no class {names[0]!r}: this network is explained by a score without classes"
        )
    if head.class_names is None:
        raise InvalidTargetsError(
            f"no class names to find {names[0]!r} in; give its index, or the names of all classes, in their order: "
            "trace(model, class_names=[...])"
        )
    found = {name: find_class(name, head.class_names) for name in dict.fromkeys(names)}
    return np.array([found.get(each, each) for each in given]).reshape(array.shape)


def _is_index(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
