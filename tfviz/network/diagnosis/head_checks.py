"""What must be said of the head of a network, once it is traced."""

from __future__ import annotations

from tfviz.network.traced import TracedNetwork

OF_PROBABILITIES = (
    "the network takes a softmax or sigmoid of probabilities that another one made: what it gives is flattened by the "
    "second, and what is explained are the probabilities of the first, whose gradient fades where they are nearly 0 or "
    "1; leave out the last of the two"
)


def check_head(network: TracedNetwork) -> list[str]:
    """Return a warning where the softmax or sigmoid that a network ends in is taken of probabilities.

    Most likely that is a mistake.
    """
    return [OF_PROBABILITIES] if network.head.of_probabilities else []
