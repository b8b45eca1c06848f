"""The head of a network: its logits, the target of each image, its score and its probability.

A score is a logit, so that its gradient does not vanish where the softmax is exactly 1. A raw output counts as logits
of exclusive classes where a probability is needed, which is right for networks trained from logits; methods that watch
a probability warn that it is their softmax. A single raw output is a number, of no class and without a probability. A
single logit of a sigmoid decides between two classes, and is negated for class 0. Targets below 0 are ranks, which are
resolved where the logits are, inside the compiled function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import tensorflow as tf

from tfviz.errors import InvalidTargetsError, UnsupportedModelError
from tfviz.network.heads.endings import LOG_ODDS, Ending, find_ending, makes_probabilities_again
from tfviz.network.heads.probabilities import LogitReading, ProbabilityFinder
from tfviz.network.program import TensorsByValue, Value

SCORED_BY = {
    "softmax": "the logit before the softmax",
    "sigmoid": "the logit before the sigmoid",
    "log_odds": "the log odds of the probability, which is made of softmaxes or sigmoids",
    "none": "the raw output: the model ends in no softmax or sigmoid",
    "custom": "the score that was given to trace",
    "lacking": "none, as the model has no classifier",
}
SOFTMAX_OF_RAW = (
    "the network ends in no softmax or sigmoid: its raw outputs are taken for logits of exclusive classes, and the "
    "probability that is watched is their softmax; trace(model, score=...) watches another number"
)


@dataclass(frozen=True, eq=False)
class Head:
    """Where the scores come from.

    kind: `softmax` or `sigmoid` if the network ends in one and the logits are its input, `log_odds` if it ends in
    probabilities that are made of several of these and the logits are their log odds, `none` if the raw output is
    taken as the logits, `custom` if the user gave the score. num_classes: 2 for a single sigmoid, None for a custom
    score. sources: the values that the score is made of. made_by: what the network ends in, or the score that was
    given, of the outputs and the tensors of a replay. reads: in words, which part of the outputs such a score reads.
    of_probabilities: whether the softmax or sigmoid is taken of probabilities. lacking: the error of a network without
    a classifier (`none`), raised when a score is asked for. class_names: as `trace` was given them; None if it was not.
    """

    kind: str
    num_classes: int | None
    sources: tuple[Value, ...] = field(repr=False)
    made_by: Ending | Callable[[Any, TensorsByValue], tf.Tensor] = field(repr=False)
    reads: str = field(default="", repr=False)
    of_probabilities: bool = field(default=False, repr=False)
    lacking: str = field(default="", repr=False)
    class_names: tuple[str, ...] | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise `UnsupportedModelError` if the network has no classifier."""
        if self.lacking:
            raise UnsupportedModelError(self.lacking)

    def named(self, class_names: tuple[str, ...]) -> Head:
        """Return this head with names for its classes; raise `InvalidTargetsError` if there are not as many."""
        if not self.has_classes:
            raise InvalidTargetsError("class_names are given, but this network is explained by a score without classes")
        if len(class_names) != self.num_classes:
            which = ": 0, where its one probability is low, and 1" if self.is_binary else ""
            raise InvalidTargetsError(
                f"there are {len(class_names)} class_names, but the network has {self.num_classes} classes{which}"
            )
        return replace(self, class_names=class_names)

    @property
    def ending(self) -> Ending | None:
        """What the network ends in; None if the score was given."""
        return self.made_by if isinstance(self.made_by, Ending) else None

    @property
    def logits(self) -> Value | None:
        """The value that holds the logits; None if they are read of several, or the score was given."""
        found = self.ending and self.ending.logits
        return found if isinstance(found, Value) else None

    @property
    def groups(self) -> tuple[int, ...] | None:
        """For each class the number of its softmax, if there are several side by side; else None."""
        found = self.ending and self.ending.logits
        return found.groups if isinstance(found, LogitReading) else None

    @property
    def width(self) -> int:
        """The number of logits of an image."""
        return 1 if self.ending is None else int(self.ending.output.shape[-1])

    @property
    def scored_by(self) -> str:
        """A description of the scores, as explanations and manifests quote it."""
        meaning = SCORED_BY["lacking" if self.lacking else self.kind]
        return f"{meaning}, which reads {self.reads}" if self.reads else meaning

    def read(self, tensors: TensorsByValue, outputs: Any) -> tf.Tensor:
        """Return the logits (N, K), or the user's scores (N, 1), in float32; raise as `check` does.

        tensors: those of a replay. outputs: the same as the model nests them, which a custom score is given. Such a
        score was tried to have one number for each image when it was found, see `check_score`.
        """
        self.check()
        if isinstance(self.made_by, Ending):
            return tf.reshape(self.made_by.read(tensors), [-1, self.width])
        scores = tf.cast(tf.convert_to_tensor(self.made_by(outputs, tensors)), tf.float32)
        scores.set_shape([None])  # which the rank does not show if Python computes it
        return scores[:, tf.newaxis]

    def predicted(self, logits: tf.Tensor) -> tf.Tensor:
        """Return the class (N,), int32, that the network predicts; of a single logit, 1 if it is above 0."""
        if self.is_binary:
            return tf.cast(logits[:, 0] > 0, tf.int32)
        return tf.argmax(self.ranking(logits), axis=-1, output_type=tf.int32)

    def resolve(self, logits: tf.Tensor, targets: tf.Tensor, ranks: int) -> tf.Tensor:
        """Return targets (N,) with classes in place of ranks: -1 is the class that is predicted, -2 the next best.

        There are ranks down to -`ranks`; 0 if all are classes.
        """
        if ranks == 0:
            return targets
        if ranks == 1:
            return tf.where(targets < 0, self.predicted(logits), targets)
        _, best = tf.math.top_k(self.ranking(logits), ranks)
        return tf.where(targets < 0, tf.gather(best, tf.maximum(-1 - targets, 0), axis=1, batch_dims=1), targets)

    def scores(self, logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Return the score (N,) of each image's target (N,), a class; a single logit is negated for class 0."""
        if self.is_binary:
            return tf.where(targets == 1, logits[:, 0], -logits[:, 0])
        # The gradient of tf.gather with batch_dims is a hundred operations, this one's is four.
        return tf.gather_nd(logits, tf.stack([tf.range(tf.shape(logits)[0]), targets], axis=1))

    def ranking(self, logits: tf.Tensor) -> tf.Tensor:
        """Return numbers (N, K) in the order of the probabilities: for a single logit (N, 2).

        Logits are in that order themselves, except those of several softmaxes side by side, each with a sum of its own:
        for these it is the logarithm of the probability.
        """
        if self.is_binary:
            return tf.concat([-logits, logits], axis=1)
        return logits if self.groups is None else _normalised(logits, self.groups)

    def probabilities(self, logits: tf.Tensor) -> tf.Tensor:
        """Return the probability (N, K) of each class: for a single logit (N, 2).

        A raw output counts as logits of exclusive classes. A score that is not of classes has no probability: NaN.
        """
        if not self.has_classes:
            return tf.fill(tf.shape(logits), float("nan"))
        if self.is_binary:
            return tf.concat([tf.sigmoid(-logits), tf.sigmoid(logits)], axis=-1)
        if self.groups is not None:
            return tf.exp(_normalised(logits, self.groups))
        return tf.sigmoid(logits) if self.are_log_odds else tf.nn.softmax(logits)

    @property
    def are_log_odds(self) -> bool:
        """Whether each logit is the log odds of its class."""
        return self.kind in LOG_ODDS

    @property
    def has_classes(self) -> bool:
        """Whether the scores are those of classes; see `are_of_classes`."""
        return not self.lacking and are_of_classes(self.kind, self.num_classes or 0)

    @property
    def is_binary(self) -> bool:
        """Whether one logit decides between the classes 0 and 1."""
        return self.are_log_odds and self.width == 1


def are_of_classes(kind: str, count: int) -> bool:
    """Return whether `count` scores of a head's `kind` are those of classes: not a custom score, nor one raw output.

    This is apart from `Head.has_classes` for results, which keep only the kind of a head.
    """
    return kind != "custom" and not (kind == "none" and count == 1)


def _normalised(logits: tf.Tensor, groups: tuple[int, ...]) -> tf.Tensor:
    """Return the logarithm of the softmax (N, K) of each group of logits; groups: that of each class, by number."""
    columns, count = tf.transpose(logits), max(groups) + 1
    columns -= tf.gather(tf.math.unsorted_segment_max(columns, groups, count), groups)
    total = tf.math.unsorted_segment_sum(tf.exp(columns), groups, count)
    return tf.transpose(columns - tf.gather(tf.math.log(total), groups))


def find_head(finder: ProbabilityFinder, output: Value) -> Head:
    """Return the head of a network whose one output is `output`: class scores (N, K), or (N, 1, 1, K).

    Any other output, such as a segmentation, needs a custom score: raises `UnsupportedModelError` for one, and if the
    number of classes is open. Features are an exception, as of a network without its classifier: such a head has no
    scores and says so when one is asked for, because methods that need none still work.
    """
    shape = tuple(output.shape) if output.shape.rank is not None else ()
    if len(shape) < 2 or any(size != 1 for size in shape[1:-1]):
        lacking = (
            f"the model's output has the shape {shape or 'unknown'}, expected class scores (N, classes); "
            "say what to explain with trace(model, score=lambda outputs: ...)"
        )
        ending = find_ending(finder, output)
        if len(shape) > 2 and ending.kind == "none":
            # Features, as of a network without its classifier: methods that need no score still work.
            return Head("none", None, (output,), ending, lacking=lacking)
        raise UnsupportedModelError(lacking)
    classes = shape[-1]
    if classes is None:
        raise UnsupportedModelError(
            "the model leaves the number of its classes open, so they cannot be told apart; "
            "say what to explain with trace(model, score=lambda outputs: ...)"
        )
    ending = find_ending(finder, output)
    again = makes_probabilities_again(finder, ending)
    is_binary = ending.kind in LOG_ODDS and classes == 1
    return Head(ending.kind, 2 if is_binary else classes, ending.sources, ending, of_probabilities=again)
