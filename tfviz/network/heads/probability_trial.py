"""Tries what made an output on numbers before it is believed.

The tail between softmaxes and an output is run on random logits, near to 0 and far from it, by its own operations and
on logarithms; it is believed if both agree and give probabilities. The same numbers tell what types do not: which
factor of a sum of products is weights, whose 1 − p is known from p alone, and to which softmax each entry belongs. A
mean may join the crops of a picture, so the rows are taken for those of 1 to 12 crops an image, until one fits.

A trial can be fooled by what holds for its numbers and not in general, but not easily: 120 rows of random logits (12 if
a row has very many numbers), in which probabilities are near 0, near 1 and between, must agree to 1e-5 (to the type's
rounding in half precision). To derive the same from the operations would need a proof for each way of writing a mean. A
trial runs only for what softmaxes or sigmoids may have made: outputs that do not end in one of their own, and the
inputs of one at the end.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfviz.network.heads.log_probabilities import LogPair
from tfviz.network.heads.mixtures import Mixture
from tfviz.network.heads.probabilities import MAKERS, Choices, LogitReading, LogProbabilities, ProbabilityFinder, Tail
from tfviz.network.program import Step, Value, run_operation

# How many rows are tried; crops of a picture are rows that a mean joins again.
ROWS, CROPS = 120, (1, 2, 3, 4, 5, 6, 8, 10, 12)
MOST_NUMBERS = 2_000_000
SIZE_IF_OPEN = 3
EXACT = 1e-5
TINY = 1e-10
ROUNDED = {tf.float16: 5e-3, tf.bfloat16: 4e-2}
REFUSALS = (tf.errors.OpError, ValueError, TypeError, LookupError, NotImplementedError)
KINDS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
PLAIN = frozenset({"Identity", "Cast"})


def find_reading(finder: ProbabilityFinder, output: Value) -> LogitReading | None:
    """Return how to read the logits of an output that softmaxes and sigmoids made; None if it is not theirs alone.

    The logarithms must give what the operations do, on numbers from near to far from 0.
    """
    tail = finder.tail(output)
    if tail is None:
        return None
    if tail.makers[0].type in KINDS and all(step.type in PLAIN for step in tail.steps):
        return LogitReading(KINDS[tail.makers[0].type], tail)
    # Numbers, even if this is called while a graph is being made, such as that of a score.
    with tf.init_scope():
        return next(filter(None, (_tried(tail, crops) for crops in CROPS)), None)


def _tried(tail: Tail, crops: int) -> LogitReading | None:
    """Return the reading of a tail if its numbers are right, as those of so many crops of each image."""
    trial = _Trial(tail, crops)
    try:
        tensors = trial.run()
        is_fit = tensors[tail.output].shape[0] == (tail.output.shape[0] or trial.images)
        return _judged(tail, tensors) if is_fit else None
    except REFUSALS:
        return None


class _Trial:
    """A tail run on numbers, as for `images` images of so many crops each, a row of logits for each crop.

    The numbers are the same in every process, so that a network is read the same way wherever it is opened. If a row
    has very many numbers, only as many rows are tried as an image may have crops.
    """

    def __init__(self, tail: Tail, crops: int) -> None:
        self._tail = tail
        size = max(int(np.prod([each or SIZE_IF_OPEN for each in value.shape[1:]])) for value in tail.logits)
        self._rows = ROWS if size * ROWS <= MOST_NUMBERS else max(CROPS)
        self.images = self._rows // crops
        self._random = np.random.default_rng(0)

    def run(self) -> dict[Value, tf.Tensor]:
        """Return the tensor of each value."""
        tensors: dict[Value, tf.Tensor] = {}
        for step in self._tail.needed:
            tensors.update(zip(step.outputs, self._results(step, tensors), strict=True))
        return tensors

    def _results(self, step: Step, tensors: dict[Value, tf.Tensor]) -> list[tf.Tensor]:
        """Run a step; logits that it lacks are random, and of other missing values only the shape counts."""
        # A constant has no operation outside of a graph.
        if step.type == "Const":
            return [tf.constant(tf.get_static_value(step.operation.outputs[0]))]
        missing = [value for value in step.inputs if value not in tensors]
        if step.type in MAKERS:
            tensors.update((value, self._logits(value)) for value in missing)
        else:  # Nothing but its shape counts.
            tensors.update((value, tf.zeros(self._shape(value, self.images), value.dtype)) for value in missing)
        return run_operation(step, [tensors[value] for value in step.inputs])

    def _logits(self, value: Value) -> tf.Tensor:
        """Return numbers near to 0 and far from it; in some rows all softmaxes are sure of the same class."""
        shape = self._shape(value, self._rows)
        row = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
        found = self._random.normal(size=shape) * np.array([0.5, 2, 6])[row % 3]
        if len(shape) > 1:
            peak = np.where(row % 4 < 2, 0, np.where(row % 4 == 2, 15, -15))
            found += peak * (np.arange(shape[-1]) == row // 4 % shape[-1])
        return tf.constant(found, value.dtype)

    def _shape(self, value: Value, rows: int) -> list[int]:
        first, *others = value.shape.as_list()
        return [first or rows, *(each or SIZE_IF_OPEN for each in others)]


class _Found(Choices):
    """The choices that the numbers of a trial tell."""

    def is_rounded(self, value: Value, pair: LogPair) -> bool:
        """Return whether the pair of a value does not add up to 1."""
        # The difference of two that are not in order is nearly 0, and none that an ordinal head gives.
        is_given = np.exp(pair.log_p) > TINY
        if (np.abs(np.exp(pair.share) - 1) > EXACT)[is_given].any():
            self.rounded.add(value)
        return value in self.rounded

    def weights_of(self, step: Step, mixture: Mixture) -> int | None:
        """Return which factor is the weights: it adds up to 1, and the other is made of probabilities, 0 and 1."""
        for place in (0, 1):
            if mixture.holds_probabilities(1 - place) and np.abs(np.exp(mixture.total(place)) - 1).max() < EXACT:
                self.mixed[step] = place
        return self.mixed.get(step)


def _judged(tail: Tail, tensors: dict[Value, tf.Tensor]) -> LogitReading | None:
    """Return the reading of a tail whose numbers are right on logarithms, None if they are not.

    If the tail only moves probabilities of one kind, their logits are moved in the same way, which is exact; if it does
    more, mixes the two kinds, or leaves out classes of a softmax, the log odds are read.
    """
    found = _Found()
    logs = LogProbabilities(tail, tensors, found)
    if not _are_probabilities(tail, tensors, logs):
        return None
    reading = LogitReading("log_odds", tail, Choices(found.mixed, found.rounded))
    if not tail.only_moves:
        return reading
    kinds = {step.type for step in tail.makers}
    if kinds == {"Sigmoid"}:
        return LogitReading("sigmoid", tail)
    groups = _groups(tail, tensors) if kinds == {"Softmax"} else None
    if groups is None:
        return reading
    return LogitReading("softmax", tail, groups=groups if len(set(groups)) > 1 else None)


def _are_probabilities(tail: Tail, tensors: dict[Value, tf.Tensor], logs: LogProbabilities) -> bool:
    """Return whether the logarithms give what the operations do, and that is probabilities.

    Either all entries of a row add up to 1, or each with its own rest does; and none is above 1.
    """
    given, found = tf.cast(tensors[tail.output], tf.float32).numpy(), np.exp(logs.output.log_p)
    tolerance = max(ROUNDED.get(value.dtype, EXACT) for step in (*tail.makers, *tail.steps) for value in step.outputs)
    add_up = given.shape[-1] > 1 and np.abs(given.sum(axis=-1) - 1).max() <= tolerance * given.shape[-1]
    if any(step.type == "Sub" and len(logs.made(step)) == 2 for step in tail.steps):
        # The cumulative probabilities of an ordinal head, whose order the numbers of a trial do not keep.
        given, is_meant = np.maximum(given, 0), add_up
    else:
        # Shares of less than 1 are not probabilities, unless those of all classes are given.
        is_meant = add_up or np.exp(logs.share_of(tail.output)).min() >= 1 - EXACT
    return bool(is_meant and np.abs(found - given).max() <= tolerance and found.max() <= 1 + tolerance)


def _groups(tail: Tail, tensors: dict[Value, tf.Tensor]) -> tuple[int, ...] | None:
    """Return the number of the softmax that each entry of a row is of; None if a row has not all of each.

    Every entry of every softmax is numbered, the numbers are moved as the probabilities are, and where each ends tells
    whose it is. The same must hold for every row.
    """
    given, owners, sizes = {}, np.zeros(0, int), np.zeros(0, int)
    for step in tail.makers:
        shape = tensors[step.outputs[0]].shape
        numbers = np.arange(shape.num_elements())
        given[step.outputs[0]] = tf.constant((len(owners) + numbers).reshape(shape))
        owners = np.append(owners, len(sizes) + numbers // shape[-1])
        sizes = np.append(sizes, np.full(shape.num_elements() // shape[-1], shape[-1]))
    entries = tail.rearrange(given, tensors).numpy()
    entries = entries.reshape(len(entries), -1)
    if len(np.unique(entries)) < entries.size:
        return None
    found = set()
    for row in owners[entries]:
        present, places, counts = np.unique(row, return_inverse=True, return_counts=True)
        if (counts != sizes[present]).any():
            return None
        found.add(tuple(places.tolist()))
    return found.pop() if len(found) == 1 else None
