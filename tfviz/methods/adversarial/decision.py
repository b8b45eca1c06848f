"""What a network decides by its logits: the class of an image or, with independent labels, which of them are on.

Sigmoids over several logits are labels, each on above 0.5 whatever the others are; everything else is one class of
several. A single raw output has no classes elsewhere in tfviz; an attack needs a decision, and takes it for a logit.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import tensorflow as tf

from tfviz.errors import InvalidTargetsError
from tfviz.network.heads import Head
from tfviz.network.traced import TracedNetwork


def deciding(network: TracedNetwork) -> TracedNetwork:
    """Return a network as attacks see it: a single raw output is a logit, class 1 above 0 and otherwise class 0."""
    if network.head.kind != "none" or network.num_classes != 1:
        return network
    decided = copy(network)
    decided.head = replace(network.head, kind="sigmoid", num_classes=2)
    return decided


def check_decides(network: TracedNetwork, name: str) -> None:
    """Raise if there is no decision that the attack of that name could change.

    Raises
    ------
    UnsupportedModelError
        The network has no classifier.
    InvalidTargetsError
        It has a score of the user's, or only one class.
    """
    network.head.check()
    if network.num_classes is None or network.num_classes < 2:
        what = "it was traced with a score of your own" if network.num_classes is None else "it has one output"
        raise InvalidTargetsError(f"{name} needs a network with at least two classes: {what}")


def has_labels(head: Head) -> bool:
    """Return whether the classes are independent labels, of which several may be on: the sigmoids of several logits."""
    return head.kind == "sigmoid" and not head.is_binary


def holds(head: Head, logits: Any, classes: Any) -> tf.Tensor:
    """Return whether each image is of its class (N,): that is predicted or, for labels, has a probability above 0.5."""
    if has_labels(head):
        return head.scores(logits, classes) > 0
    return head.predicted(logits) == classes
