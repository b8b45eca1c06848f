"""Scores that the user gives: functions of the outputs, or of the logits behind these.

A score is traced once on symbolic outputs and logits, and its gradient tells which of them it reads: they are the
sources that the evidence of layers leads to, and `reads` names them in words. So a score must be made of TensorFlow
operations, as no gradient passes NumPy or Python numbers. A `NamedScore`, as those of `tfviz.scores` are, is also given
the names, the endings and the logits of the outputs; any other function sees only what the model returns.

A plain function may do anything with its outputs, so no logits can be put in their place: behind a softmax it explains
a probability, whose gradient fades where that is nearly 0 or 1. An output that a score reads only by a comparison or a
rounding has no gradient and counts as not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import TfvizError, one_line
from tfviz.network.geometry import CHANNELS_LAST, Maps
from tfviz.network.heads.endings import BEHIND, DESCRIBED, LOG_ODDS, Ending, find_ending
from tfviz.network.heads.head import Head
from tfviz.network.heads.output_names import find_outputs, output_paths
from tfviz.network.heads.probabilities import ProbabilityFinder
from tfviz.network.heads.score_trial import as_floats, check_score
from tfviz.network.program import Value

CustomScore = Callable[[Any], tf.Tensor]
NOT_TENSORFLOW = (
    "the score must be made of TensorFlow operations, such as tf.reduce_mean(outputs[:, :3], axis=1), and of no NumPy "
    "or Python numbers"
)


@dataclass(frozen=True, eq=False)
class NamedOutputs:
    """The outputs of a model as it nests them, and the names of their tensors in the order of `tf.nest.flatten`.

    kind_of, logits_of: what the output at a place ends in, and its logits, float32 in its shape; see `Ending`. axes_of:
    which of its axes are the height, width and channels of a map. Outputs that do not come from a network end
    in `none`, stand for their logits, and have the channels last.
    """

    outputs: Any
    names: Sequence[str] = ()
    kind_of: Callable[[int], str] = lambda _: "none"
    logits_of: Callable[[int], tf.Tensor] | None = None
    axes_of: Callable[[int], tuple[int, int, int]] = lambda _: CHANNELS_LAST

    def read(self, output: str | int | None, expected: str, *ranks: int) -> tf.Tensor:
        """Return one output as float32; raise `TfvizError` if it is not there or has another rank.

        output: its name or number; None is the only one. expected: what the score reads, in words, for the error.
        ranks: those that it may have; any if none is given, or if the model leaves its rank open.
        """
        found = tf.convert_to_tensor(tf.nest.flatten(self.outputs)[self._place(output)])
        if ranks and found.shape.rank is not None and found.shape.rank not in ranks:
            name = "" if output is None else f" {output!r}"
            raise TfvizError(f"the output{name} has the shape {tuple(found.shape)}, the score reads {expected}")
        return tf.cast(found, tf.float32)

    def kind(self, output: str | int | None) -> str:
        """Return the kind of what an output ends in, such as `softmax`; see `Ending`."""
        return self.kind_of(self._place(output))

    def logits(self, output: str | int | None) -> tf.Tensor:
        """Return the logits of an output in its shape, float32; the output itself if it ends in nothing known."""
        return self.read(output, "") if self.logits_of is None else self.logits_of(self._place(output))

    def maps(self, output: str | int | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Return an output of maps and its logits, both (N, h, w, K) float32; raise `TfvizError` for others.

        Maps whose channels come first in the program, as far as it shows that, are transposed.
        """
        found = self.read(output, "a segmentation (N, h, w, K)", 4), self.logits(output)
        order = (0, *self.axes_of(self._place(output)))
        return found if order[1:] == CHANNELS_LAST else (tf.transpose(found[0], order), tf.transpose(found[1], order))

    def class_logits(self, output: str | int | None) -> tf.Tensor:
        """Return the logits (N, K) of classes, those of a single sigmoid for its two; raise `TfvizError` for others.

        A single sigmoid (N, 1) gives (N, 2), of which class 0 has the negated logit.
        """
        self.read(output, "the scores of classes (N, K)", 2)
        logits = self.logits(output)
        is_binary = self.kind(output) in LOG_ODDS and logits.shape[-1] == 1
        return tf.concat([-logits, logits], axis=-1) if is_binary else logits

    def _place(self, output: str | int | None) -> int:
        """Return the place of an output; raise `TfvizError` unless exactly one is meant.

        Outside of a trace there are no names: then the keys and numbers that lead to the outputs are.
        """
        names: list[Any] = list(self.names)
        names = names or [int(each) if each.isdecimal() else each for each in output_paths(self.outputs)]
        if output is None and len(names) == 1:
            return 0
        found = [] if output is None else find_outputs(output, self.names, self.outputs)
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(repr(names[place]) for place in found)
            raise TfvizError(f"the output {output!r} stands for several; say output=, one of these: {several}")
        existing = "only one, which has no name" if names in ([0], ["0"]) else ", ".join(map(repr, names))
        asked = "several outputs" if output is None else f"no output {output!r}"
        raise TfvizError(f"the model has {asked}; say output=, one of its outputs: {existing}")


@dataclass(frozen=True, eq=False)
class NamedScore:
    """A custom score that may read the outputs by the names that `trace` knows, and their logits.

    function: from `NamedOutputs` to the score (N,). The score can be tried by hand: called with plain outputs, as any
    other score is, it knows no names and takes them for logits.
    """

    function: Callable[[NamedOutputs], tf.Tensor]

    def __call__(self, outputs: Any) -> tf.Tensor:
        """Return the score (N,)."""
        return self.function(NamedOutputs(outputs))


class BoundScore:
    """A custom score bound to the outputs of one network. values: the outputs. maps: returns the network's maps.

    The endings of outputs are found when the score first asks for them, since it may never do so, and finding one can
    take a trial (see `probability_trial`); so are the maps, which a segmentation's score alone reads.
    """

    def __init__(
        self,
        score: CustomScore,
        values: Sequence[Value],
        names: Sequence[str],
        finder: ProbabilityFinder,
        maps: Callable[[], Maps],
    ) -> None:
        self._score = score
        self.values = values
        self._names = names
        self._finder = finder
        self._maps = maps
        self._endings: dict[int, Ending] = {}

    def ending(self, place: int) -> Ending:
        """Return what an output ends in."""
        if place not in self._endings:
            self._endings[place] = find_ending(self._finder, self.values[place])
        return self._endings[place]

    def _kind(self, place: int) -> str:
        return self.ending(place).kind

    def _axes(self, place: int) -> tuple[int, int, int]:
        maps, value = self._maps(), self.values[place]
        return maps.axes(value) if value in maps else CHANNELS_LAST

    def __call__(self, outputs: Any, tensors: Mapping[Value, tf.Tensor]) -> tf.Tensor:
        """Return the score (N,) of the outputs and tensors of a replay."""
        return self.of(outputs, lambda place: self.ending(place).like_output(tensors))

    def of(self, outputs: Any, logits_of: Callable[[int], tf.Tensor]) -> tf.Tensor:
        """Return the score (N,); raise `TfvizError` if it is not made of TensorFlow operations.

        outputs: as the model nests them. logits_of: gives the logits of the output at a place. Other errors of the
        user's function are not touched.
        """
        try:
            if not isinstance(self._score, NamedScore):
                found = self._score(outputs)
            else:
                found = self._score.function(NamedOutputs(outputs, self._names, self._kind, logits_of, self._axes))
        except (TypeError, AttributeError, NotImplementedError) as error:
            # Python and NumPy say "symbolic" of a tensor that has no numbers yet.
            if "symbolic" not in str(error).lower():
                raise
            raise TfvizError(f"{NOT_TENSORFLOW}: {one_line(error)}") from error
        if found is None or isinstance(found, Number | np.ndarray):
            raise TfvizError(f"{NOT_TENSORFLOW}: it returns {type(found).__name__}, which no gradient passes")
        return found


def find_custom_head(bound: BoundScore, structure: Any) -> Head:
    """Return the head of a network whose score the user gave.

    structure: how the model nests its outputs; None if there is just one. The score is traced, with a gradient, to find
    what it reads, and tried on random outputs. Raises `TfvizError` if it is not made of TensorFlow, or does not give
    one number for each image.
    """
    values = bound.values
    sources: dict[Value, None] = {}
    reads: dict[str, None] = {}

    # A function and not a plain graph, since the score may hold variables and tensors of the user's.
    def trial(*tensors: tf.Tensor) -> tf.Tensor:
        """Return the score, and note of which outputs, and logits behind them, it has a gradient."""
        outputs, logits = tensors[: len(values)], tensors[len(values) :]
        packed = outputs[0] if structure is None else tf.nest.pack_sequence_as(structure, outputs)
        score = as_floats(bound.of(packed, logits.__getitem__))
        found = tf.gradients(score, tensors)
        for place, (of_output, of_logits) in enumerate(zip(found[: len(values)], found[len(values) :], strict=True)):
            if of_output is not None:
                sources[values[place]] = reads[DESCRIBED[bound.ending(place).kind]] = None
            if of_logits is not None:
                sources.update(dict.fromkeys(bound.ending(place).sources))
                reads[BEHIND[bound.ending(place).kind]] = None
        return score

    specs = [tf.TensorSpec(value.shape, value.dtype) for value in values]
    specs += [tf.TensorSpec(value.shape, tf.float32) for value in values]
    check_score(tf.function(trial, autograph=False).get_concrete_function(*specs), values)
    return Head("custom", None, tuple(sources), bound, " and ".join(reads))
