"""Warns of a network that ends in a softmax or sigmoid of probabilities.

Most likely that is a mistake. The network is explained as it is: what goes into the last softmax counts as logits, even
if these are the probabilities that another one made, which `heads` found.
"""

from __future__ import annotations

from tfviz.network.traced import TracedNetwork

OF_PROBABILITIES = (
    "the network takes a softmax or sigmoid of probabilities that another one made: the second flattens them, and what "
    "is explained are the probabilities of the first, whose gradient fades where they are nearly 0 or 1; leave out the "
    "last of the two"
)


def check_head(network: TracedNetwork) -> list[str]:
    """Return a warning if the softmax or sigmoid that a network ends in is taken of probabilities."""
    return [OF_PROBABILITIES] if network.head.of_probabilities else []
