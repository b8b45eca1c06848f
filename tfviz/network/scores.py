"""What is explained: the logits behind a softmax or sigmoid, the target of each image, and its score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import tensorflow as tf

from tfviz.errors import TfvizError, UnsupportedModelError
from tfviz.network.program import Value

# A Keras export ends in Identity, and mixed precision in Cast: they hide the softmax.
TRANSPARENT = frozenset({"Identity", "IdentityN", "Cast", "Reshape", "Squeeze"})
HEADS = {"Softmax": "softmax", "LogSoftmax": "softmax", "Sigmoid": "sigmoid"}

CustomScore = Callable[[Any], tf.Tensor]


class NamedOutputs(NamedTuple):
    """What a model returns, and what `trace` calls its tensors, in the order of `tf.nest.flatten`."""

    outputs: Any
    names: Sequence[str]


@dataclass(frozen=True, eq=False)
class NamedScore:
    """A custom score that may read outputs by the names that `trace` knows; alone it knows none."""

    function: Callable[[NamedOutputs], tf.Tensor]
    names: Sequence[str] = ()

    def __call__(self, outputs: Any) -> tf.Tensor:
        """Return the score (N,)."""
        return self.function(NamedOutputs(outputs, self.names))

    def named(self, names: Sequence[str]) -> NamedScore:
        """Return the score of a model whose outputs are called so."""
        return replace(self, names=names)


@dataclass(frozen=True, eq=False)
class Head:
    """Where the scores come from.

    kind: `softmax` or `sigmoid` where the network ends in one and the logits are its input, `none` where the raw
    output is taken as the logits, `custom` where the user gave the score. sources: the values that the score is made
    of. lacking: of a network without a classifier (`none`), what is said where a score is asked for.
    """

    kind: str
    logits: Value = field(repr=False)
    num_classes: int | None
    sources: tuple[Value, ...] = field(repr=False)
    score: CustomScore | None = None
    lacking: str = field(default="", repr=False)

    def check(self) -> None:
        """Raise `UnsupportedModelError` where the network has no classifier."""
        if self.lacking:
            raise UnsupportedModelError(self.lacking)

    def read(self, tensors: dict[Value, tf.Tensor], outputs: Any) -> tf.Tensor:
        """Return the logits (N, K), or the user's scores (N, 1); raise as `check` does."""
        self.check()
        if self.score is not None:
            scores = tf.cast(tf.convert_to_tensor(self.score(outputs)), tf.float32)
            if scores.shape.rank != 1:
                raise TfvizError(f"the score returns the shape {tuple(scores.shape)}, expected a number an image (N,)")
            return scores[:, tf.newaxis]
        logits = tf.cast(tensors[self.logits], tf.float32)
        return tf.reshape(logits, [-1, self.logits.shape[-1]])

    def predicted(self, logits: tf.Tensor) -> tf.Tensor:
        """Return the class (N,) that the network predicts."""
        if self.is_binary:
            return tf.cast(logits[:, 0] > 0, tf.int32)
        return tf.argmax(logits, axis=-1, output_type=tf.int32)

    def resolve(self, logits: tf.Tensor, targets: tf.Tensor, ranks: int) -> tf.Tensor:
        """Return targets (N,) with classes in place of ranks: -1 is the class that is predicted, -2 the next best.

        There are ranks down to -`ranks`; 0 where all are classes.
        """
        if ranks == 0:
            return targets
        if ranks == 1:
            return tf.where(targets < 0, self.predicted(logits), targets)
        classes = tf.concat([-logits, logits], axis=1) if self.is_binary else logits
        _, best = tf.math.top_k(classes, ranks)
        return tf.where(targets < 0, tf.gather(best, tf.maximum(-1 - targets, 0), axis=1, batch_dims=1), targets)

    def scores(self, logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Return the score (N,) of each image's target; a single logit is negated for class 0."""
        if self.is_binary:
            return tf.where(targets == 1, logits[:, 0], -logits[:, 0])
        # The gradient of tf.gather with batch_dims is a hundred operations, this one's is four.
        return tf.gather_nd(logits, tf.stack([tf.range(tf.shape(logits)[0]), targets], axis=1))

    def probabilities(self, logits: tf.Tensor) -> tf.Tensor:
        """Return the probability (N, K) of each class: for a single logit (N, 2).

        A raw output counts as logits of exclusive classes. What is no score of classes has no probability: NaN.
        """
        if not self.has_classes:
            return tf.fill(tf.shape(logits), float("nan"))
        if self.is_binary:
            return tf.concat([tf.sigmoid(-logits), tf.sigmoid(logits)], axis=-1)
        return tf.sigmoid(logits) if self.kind == "sigmoid" else tf.nn.softmax(logits)

    @property
    def has_classes(self) -> bool:
        """Whether the scores are those of classes; see `are_of_classes`."""
        return not self.lacking and are_of_classes(self.kind, self.num_classes or 0)

    @property
    def is_binary(self) -> bool:
        """Whether one logit decides between the classes 0 and 1."""
        return self.kind == "sigmoid" and self.logits.shape[-1] == 1


def are_of_classes(kind: str, count: int) -> bool:
    """Return whether so many scores of a head's `kind` are those of classes: not a custom one, nor one raw output."""
    return kind != "custom" and not (kind == "none" and count == 1)


def find_output(name: str | int, names: Sequence[str]) -> int | None:
    """Return which of the outputs of those `names` is meant by a name or number; None where it is none of them."""
    # An export of Keras numbers its outputs in their names, which sort otherwise than numbers.
    for wanted in (f"output_{name}", str(name)):
        if wanted in names:
            return names.index(wanted)
    return int(name) if str(name).isdigit() and int(name) < len(names) else None


def find_head(output: Value) -> Head:
    """Return the head of a network whose one output is `output`."""
    value = output
    while value.step is not None and value.step.type in TRANSPARENT:
        value = value.step.inputs[0]
    kind = HEADS.get(value.step.type, "none") if value.step is not None else "none"
    logits = value.step.inputs[0] if kind != "none" and value.step is not None else output
    shape = tuple(output.shape) if output.shape.rank is not None else ()
    if len(shape) < 2 or any(size != 1 for size in shape[1:-1]):
        lacking = (
            f"the model's output has the shape {shape or 'unknown'}, expected class scores (N, classes); "
            "say what to explain with trace(model, score=lambda outputs: ...)"
        )
        if len(shape) > 2 and kind == "none":
            # Features, as of a network without its classifier: what needs no score is shown of it all the same.
            return Head(kind, output, None, (output,), lacking=lacking)
        raise UnsupportedModelError(lacking)
    if kind != "none" and logits.shape[-1] != shape[-1]:
        kind, logits = "none", output
    classes = shape[-1]
    if classes is None:
        raise UnsupportedModelError(
            "the model leaves the number of its classes open, so they cannot be told apart; "
            "say what to explain with trace(model, score=lambda outputs: ...)"
        )
    return Head(kind, logits, 2 if kind == "sigmoid" and classes == 1 else classes, (logits,))


def read_outputs(score: CustomScore, outputs: list[Value], structure: Any) -> tuple[Value, ...]:
    """Return the outputs that a custom score is made of, found from its gradient."""
    read: list[Value] = []

    # A function and no plain graph, since the score may hold variables and tensors of the user's.
    def trial(*tensors: tf.Tensor) -> None:
        total = score(tensors[0] if structure is None else tf.nest.pack_sequence_as(structure, tensors))
        found = tf.gradients(tf.cast(total, tf.float32), tensors)
        read.extend(value for value, gradient in zip(outputs, found, strict=True) if gradient is not None)

    specs = [tf.TensorSpec(value.shape, value.dtype) for value in outputs]
    tf.function(trial, autograph=False).get_concrete_function(*specs)
    return tuple(read)
