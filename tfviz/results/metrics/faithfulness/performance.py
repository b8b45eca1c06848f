"""How a network performs on changed images: the probability of the target, or whether it is the predicted class."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfviz.arrays import Doubles
from tfviz.errors import TfvizError
from tfviz.results.metrics.measuring import Changed, Subject

SCORES = {"probability": "probability of the target", "accuracy": "whether the target is predicted"}
"""The ways to score a changed image by name, in words."""


def check_performance(subject: Subject, score: str, metric: str) -> None:
    """Raise `TfvizError` for a score that is not there, `UnsupportedModelError` for the accuracy without classes."""
    if score not in SCORES:
        raise TfvizError(f"score is {score!r}, expected one of {', '.join(SCORES)}")
    if score == "accuracy":
        subject.check_classes(metric)


def performance(subject: Subject, changed: Changed, each: int, doing: str, score: str) -> Doubles:
    """Return the scores (N, each) of `each` images made of every image of a subject, one image after the other.

    score: one of `SCORES`; the accuracy is 1 or 0. doing: the name of the progress bar.
    """
    total = len(subject) * each
    if score == "probability":
        return subject.probabilities(changed, total, doing).reshape(-1, each)
    logits = subject.logits(changed, total, doing)
    best = subject.network.head.resolve(tf.constant(logits), tf.fill([total], -1), 1).numpy()
    hits: Doubles = (best == np.repeat(subject.targets, each)).astype(np.float64)
    return hits.reshape(-1, each)
