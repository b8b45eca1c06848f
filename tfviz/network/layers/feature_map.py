"""A feature map of a network, under the name of the layer that gives it.

A layer is a value of the program and not an object of Keras, so that a Keras layer, an operation between layers, the
same in a SavedModel, and a sequence of tokens are one kind of thing to all that follows. A value that is not a map
(N, h, w, c) has an arrangement, which makes one of its tensor and of its gradient alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from tfviz.network.layers.arrangement import Arrangement
from tfviz.network.program import Value

Shape = tuple[int | None, ...]

# Operations that hand on the map that they are given.
SAME_MAP = frozenset({"Identity", "IdentityN", "Cast", "StopGradient", "PreventGradient", "CheckNumerics"})
# Operations between the last features and the head whose maps are not worth looking at.
NO_FEATURES = SAME_MAP | {"MaxPool", "AvgPool", "Pad", "PadV2", "MirrorPad"}


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """A feature map of the network: its path and its value.

    That is (N, h, w, c); tokens (N, T, D), or a map with its axes in another order, have an arrangement.
    """

    path: str
    value: Value
    arrangement: Arrangement | None = None

    @property
    def shape(self) -> Shape:
        """(h, w, c) of the map, None if it follows the image."""
        return tuple(self.value.shape[1:]) if self.arrangement is None else self.arrangement.shape

    @property
    def channel_axis(self) -> int:
        """The axis of the value that holds the channels."""
        return -1 if self.arrangement is None else self.arrangement.channel_axis

    def to_map(self, tensor: tf.Tensor) -> tf.Tensor:
        """Return the map (N, h, w, c) of what the layer gives, or of its gradient."""
        return tensor if self.arrangement is None else self.arrangement.to_map(tensor)
