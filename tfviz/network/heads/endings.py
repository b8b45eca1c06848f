"""What a network's output ends in: a softmax, a sigmoid, what is made of these, or none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import tensorflow as tf

from tfviz.network.heads.probabilities import Making, Reading
from tfviz.network.heads.probability_trial import find_reading
from tfviz.network.program import Value

# A Keras export ends in Identity, and mixed precision in Cast: they hide the softmax.
TRANSPARENT = frozenset({"Identity", "IdentityN", "Cast", "Reshape", "Squeeze"})
HEADS = {"Softmax": "softmax", "LogSoftmax": "softmax", "Sigmoid": "sigmoid"}
# Of which each logit is the log odds of its class.
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
    """What an output ends in.

    kind: `softmax` or `sigmoid` where the logits are the input of these, `log_odds` where those of probabilities are
    that were made of several, `none` where the raw output is taken as logits. logits: the value that holds them, in
    order but of any shape, or how they are read of several.
    """

    kind: str
    output: Value = field(repr=False)
    logits: Value | Reading = field(repr=False)

    @property
    def sources(self) -> tuple[Value, ...]:
        """The values that the logits are made of."""
        return self.logits.sources if isinstance(self.logits, Reading) else (self.logits,)

    def read(self, tensors: Mapping[Value, tf.Tensor]) -> tf.Tensor:
        """Return the logits, float32, from the tensors of a replay."""
        if isinstance(self.logits, Reading):
            return self.logits.read(tensors)
        return tf.cast(tensors[self.logits], tf.float32)

    def like_output(self, tensors: Mapping[Value, tf.Tensor]) -> tf.Tensor:
        """Return the logits, float32, in the shape of the output."""
        logits = tf.reshape(self.read(tensors), tf.shape(tensors[self.output]))
        return tf.ensure_shape(logits, self.output.shape)


def find_ending(making: Making, output: Value) -> Ending:
    """Return what an output ends in."""
    value = output
    while value.step is not None and value.step.type in TRANSPARENT:
        value = value.step.inputs[0]
    kind = HEADS.get(value.step.type) if value.step is not None else None
    logits = value.step.inputs[0] if kind is not None and value.step is not None else output
    if kind is not None and logits.shape.rank and logits.shape[-1] == output.shape[-1]:
        return Ending(kind, output, logits)
    reading = find_reading(making, output)
    return Ending("none", output, output) if reading is None else Ending(reading.kind, output, reading)


def makes_probabilities_again(making: Making, ending: Ending) -> bool:
    """Return whether a softmax or sigmoid at the end of a network is taken of probabilities."""
    return ending.kind != "none" and any(find_reading(making, value) is not None for value in ending.sources)
