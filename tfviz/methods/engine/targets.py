"""Explains several targets of each image, which share its forward pass: a column holds one target of every image.

A compiled function takes a block of columns and unrolls them. More columns than that run block by block, and the last
block is filled up, so that one compiled function serves all. A target may be a rank, since the best classes are known
only after the forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import InvalidTargetsError
from tfviz.network.batches import Batch
from tfviz.network.traced import TracedNetwork

# Columns in one compiled function, which makes a backward pass of its own for each. A loop over them in the graph would
# take any number, but TensorFlow has no fast gradient of max-pooling if the pooling is outside of the loop: for
# three columns of saliency on SqueezeNet it took 1.4 to 1.8 times as long.
MOST = 8


@dataclass(frozen=True)
class Columns:
    """The targets of every image: classes or, below 0, ranks, -1 being the predicted class, -2 the next best.

    Without any, the targets of the batches themselves are explained, and no method here is called. count: how many
    targets each image has. width: how many columns are computed at once.
    """

    targets: tuple[int, ...] = ()
    count: int = field(init=False)
    width: int = field(init=False)

    def __post_init__(self) -> None:
        count = max(1, len(self.targets))
        object.__setattr__(self, "count", count)
        object.__setattr__(self, "width", -(-count // -(-count // MOST)))

    def images_at_once(self, batch_size: int) -> int:
        """Return how many images have at most `batch_size` targets together in one run, at least 1."""
        return max(1, batch_size // self.width)

    def batches(self, batch: Batch) -> list[Batch]:
        """Return the batch with the targets (n · width,) of as many columns at a time, those of an image in turn.

        The last one is filled up with the last column, so that one compiled function serves all.
        """
        filled = [*self.targets, *self.targets[-1:] * (-len(self.targets) % self.width)]
        blocks = np.array(filled, np.int32).reshape(-1, self.width)
        return [replace(batch, targets=np.tile(block, len(batch.images))) for block in blocks]

    def rows(self, found: Sequence[Any]) -> Any:
        """Return the results for `batches`, nested arrays (n · width, ...), with the columns of an image in turn."""
        return found[0] if len(found) == 1 else tf.nest.map_structure(self._side_by_side, *found)

    def _side_by_side(self, *blocks: np.ndarray) -> np.ndarray:
        columns = [block.reshape(-1, self.width, *block.shape[1:]) for block in blocks]
        wanted = np.concatenate(columns, axis=1)[:, : self.count]
        return wanted.reshape(-1, *wanted.shape[2:])


NO_COLUMNS = Columns()


def best_classes(network: TracedNetwork, top: int) -> Columns:
    """Return the columns of the `top` best classes; raise `InvalidTargetsError` if there are fewer."""
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise InvalidTargetsError(f"top is {top!r}, expected an integer of at least 1")
    if not network.head.has_classes:
        raise InvalidTargetsError(
            "top asks for the best classes, but this network is explained by a score without classes"
        )
    if top > (network.num_classes or 0):
        raise InvalidTargetsError(f"top is {top}, but the network has only {network.num_classes} classes")
    return Columns(tuple(range(-1, -1 - top, -1)))
