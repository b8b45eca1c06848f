"""What a network says of an image by its logits: of which class it is or, where several may be, which labels are on."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import tensorflow as tf

from tfviz.errors import InvalidTargetsError
from tfviz.network.heads import Head
from tfviz.network.traced import TracedNetwork


def deciding(network: TracedNetwork) -> TracedNetwork:
    """Return a network as attacks see it: a single raw output decides as a logit, for class 1 above 0, else class 0."""
    if network.head.kind != "none" or network.num_classes != 1:
        return network
    decided = copy(network)
    decided.head = replace(network.head, kind="sigmoid", num_classes=2)
    return decided


def check_decides(network: TracedNetwork, name: str) -> None:
    """Raise where there is nothing that the attack of that name could change.

    Raises
    ------
    UnsupportedModelError
        The network has no classifier.
    InvalidTargetsError
        It has a score of the user's, or one class alone.
    """
    network.head.check()
    if network.num_classes is None or network.num_classes < 2:
        what = "it was traced with a score of your own" if network.num_classes is None else "it has one output"
        raise InvalidTargetsError(f"{name} needs a network that tells two classes or more apart: {what}")


def has_labels(head: Head) -> bool:
    """Return whether the classes are independent labels, of which several may be on: the sigmoids of several logits."""
    return head.kind == "sigmoid" and not head.is_binary


def holds(head: Head, logits: Any, classes: Any) -> tf.Tensor:
    """Return whether each image is of its class (N,): whether that is predicted or, of labels, is above 0.5."""
    if has_labels(head):
        return head.scores(logits, classes) > 0
    return head.predicted(logits) == classes
