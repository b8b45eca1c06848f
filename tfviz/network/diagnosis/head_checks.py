"""What must be said of the head of a network, once it is traced."""

from __future__ import annotations

import warnings

from tfviz.errors import TfvizWarning
from tfviz.network.traced import TracedNetwork


def warn_about_head(network: TracedNetwork) -> None:
    """Warn where the softmax or sigmoid that a network ends in is taken of probabilities, most likely by mistake."""
    if network.head.of_probabilities:
        warnings.warn(
            "the network takes a softmax or sigmoid of probabilities that another one made: what it gives is flattened "
            "by the second, and what is explained are the probabilities of the first, whose gradient fades where they "
            "are nearly 0 or 1; leave out the last of the two",
            TfvizWarning,
            stacklevel=3,
        )
