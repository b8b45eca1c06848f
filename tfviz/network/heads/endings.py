"""Finds what an output of a network ends in: a softmax, a sigmoid, what is made of these, or none of them.

A Keras export ends in Identity and mixed precision in Cast, which hide the softmax; they are looked through. Logits are
the input of the softmax or sigmoid. If there is none, the output may be made of several (see `probabilities`), and is a
raw output otherwise. A softmax that is taken of probabilities is found, too, so that it can be warned about.

Looking at the operations works for a Keras model and a SavedModel alike, and does not depend on how the model was
written: the `activation` of the last layer is an attribute that a SavedModel, or a softmax called as a function, lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import tensorflow as tf

from tfviz.network.heads.probabilities import LogitReading, ProbabilityFinder
from tfviz.network.heads.probability_trial import find_reading
from tfviz.network.program import Value

TRANSPARENT = frozenset({"Identity", "IdentityN", "Cast", "Reshape", "Squeeze"})
HEADS = {"Softmax": "softmax", "LogSoftmax": "softmax", "Sigmoid": "sigmoid"}
# The kinds of endings in which each logit is the log odds of its class.
LOG_ODDS = frozenset({"sigmoid", "log_odds"})
DESCRIBED = {
    "softmax": "probabilities after the softmax",
    "sigmoid": "probabilities after the sigmoid",
    "log_odds": "probabilities",
    "none": "the raw output",
}
BEHIND = {
    "softmax": "logits before the softmax",
    "sigmoid": "logits before the sigmoid",
    "log_odds": "the log odds of probabilities",
    "none": "the raw output",
}


@dataclass(frozen=True, eq=False)
class Ending:
    """The end of an output.

    kind: `softmax` or `sigmoid` if the logits are the input of these, `log_odds` if those of probabilities are
    that were made of several, `none` if the raw output is taken as logits. logits: the value that holds them, in
    order but of any shape, or how they are read of several.
    """

    kind: str
    output: Value = field(repr=False)
    logits: Value | LogitReading = field(repr=False)

    @property
    def sources(self) -> tuple[Value, ...]:
        """The values that the logits are made of."""
        return self.logits.sources if isinstance(self.logits, LogitReading) else (self.logits,)

    def read(self, tensors: Mapping[Value, tf.Tensor]) -> tf.Tensor:
        """Return the logits, float32, from the tensors of a replay."""
        if isinstance(self.logits, LogitReading):
            return self.logits.read(tensors)
        return tf.cast(tensors[self.logits], tf.float32)

    def like_output(self, tensors: Mapping[Value, tf.Tensor]) -> tf.Tensor:
        """Return the logits, float32, in the shape of the output, which may be reshaped or squeezed behind them."""
        logits = tf.reshape(self.read(tensors), tf.shape(tensors[self.output]))
        return tf.ensure_shape(logits, self.output.shape)


def find_ending(finder: ProbabilityFinder, output: Value) -> Ending:
    """Return what an output ends in.

    A softmax counts only if the output has as many entries along its last axis as the softmax: if it is over the places
    of a map, or was cut, the last axis would not be classes. Otherwise the output is tried as one made of
    probabilities, and is a raw output if that does not fit.
    """
    value = output
    while value.step is not None and value.step.type in TRANSPARENT:
        value = value.step.inputs[0]
    kind = HEADS.get(value.step.type) if value.step is not None else None
    logits = value.step.inputs[0] if kind is not None and value.step is not None else output
    if kind is not None and logits.shape.rank and logits.shape[-1] == output.shape[-1]:
        return Ending(kind, output, logits)
    reading = find_reading(finder, output)
    return Ending("none", output, output) if reading is None else Ending(reading.kind, output, reading)


def makes_probabilities_again(finder: ProbabilityFinder, ending: Ending) -> bool:
    """Return whether a softmax or sigmoid at the end of a network is taken of probabilities.

    They may be those of another softmax or sigmoid, or a mean or product of several; see `diagnosis.head_checks`.
    """
    return ending.kind != "none" and any(find_reading(finder, value) is not None for value in ending.sources)
