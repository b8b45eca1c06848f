"""Finds outputs that are probabilities by how they were made: softmaxes and sigmoids joined, averaged or multiplied.

Probabilities are followed, not guessed. Concatenated, reshaped or chosen ones are explained by their logits; means,
mixtures, products, cumulative products (ordinal heads), `1 − p` and `top_k` of them by their log odds. What lies
between the first probabilities and an output is run on the logarithms of p and 1 − p, so that the log odds are exact
where the probabilities themselves are rounded to 0 or 1. Types of operations tell what may be such an output; it is
believed after a trial on numbers, and anything else stays a raw output.

Probabilities that were taken for a raw output would be explained badly: they would count as logits, whose softmax is
nearly flat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.heads.log_arithmetic import (
    ARITHMETIC,
    MOVES,
    Operand,
    as_float,
    moved,
    rearranged,
)
from tfviz.network.heads.log_probabilities import (
    LogPair,
    of_number,
    of_power,
    of_sigmoid,
    of_softmax,
    reduced,
    rounded_complement,
)
from tfviz.network.heads.mixtures import PRODUCTS, Mixture, matrix_product
from tfviz.network.program import Program, Step, TensorsByValue, Value

# A softmax that is written out divides powers by their sum.
MAKERS: dict[str, Callable[[tf.Tensor], LogPair]] = {"Softmax": of_softmax, "Sigmoid": of_sigmoid, "Exp": of_power}
BEST = "TopKV2"
FOLLOWED = MOVES | PRODUCTS | ARITHMETIC.keys() | {BEST}
# Operations that do not depend on the numbers in a tensor, whatever these are.
SHAPE_READERS = frozenset({"OnesLike", "Shape", "ZerosLike"})


@dataclass(frozen=True, eq=False)
class Tail:
    """The part of a program between softmaxes or sigmoids and an output.

    makers: the steps that make the first probabilities. steps: those that make others of them. needed: both, and the
    steps that make their other operands from constants and shapes alone. All in order.
    """

    output: Value
    makers: Sequence[Step]
    steps: Sequence[Step]
    needed: Sequence[Step]

    @property
    def logits(self) -> tuple[Value, ...]:
        """The inputs of the softmaxes and sigmoids, each once."""
        return tuple(dict.fromkeys(step.inputs[0] for step in self.makers))

    @property
    def only_moves(self) -> bool:
        """Whether every entry of the output is one of the first probabilities."""
        made = {step.outputs[0] for step in self.makers}.union(*(step.outputs for step in self.steps))
        return all(
            step.type in MOVES and all(value in made or not value.dtype.is_floating for value in step.inputs)
            for step in self.steps
        )

    def rearrange(self, given: TensorsByValue, tensors: TensorsByValue) -> tf.Tensor:
        """Return the output with what is `given` in place of each maker's result, for a tail of `only_moves`."""
        found = dict(given)
        for step in self.steps:
            results = rearranged(step, [found[value] if value in found else tensors[value] for value in step.inputs])
            found.update(zip(step.outputs, results, strict=True))
        return found[self.output]


@dataclass(eq=False)
class Choices:
    """The findings of a trial of a tail on numbers.

    mixed: the steps that are a mean of one factor, the other being weights, by the place of these. rounded: the values
    whose 1 − p is known from p alone.
    """

    mixed: dict[Step, int] = field(default_factory=dict)
    rounded: set[Value] = field(default_factory=set)

    def is_rounded(self, value: Value, pair: LogPair) -> bool:
        """Return whether the pair of a value does not add up to 1."""
        return value in self.rounded

    def weights_of(self, step: Step, mixture: Mixture) -> int | None:
        """Return which factor is the weights; None if neither is."""
        return self.mixed.get(step)


class LogProbabilities:
    """The logarithms of all probabilities of a tail, from the tensors of a replay."""

    def __init__(self, tail: Tail, tensors: TensorsByValue, choices: Choices) -> None:
        self._tensors = tensors
        self._choices = choices
        self._pairs = {step.outputs[0]: MAKERS[step.type](as_float(tensors[step.inputs[0]])) for step in tail.makers}
        for step in tail.steps:
            self._pairs.update(zip(step.outputs, self._made_by(step), strict=False))
        self.output = self._whole(tail.output)

    def made(self, step: Step) -> list[Value]:
        """Return which inputs of a step are probabilities."""
        return [value for value in step.inputs if value in self._pairs]

    def share_of(self, value: Value) -> tf.Tensor:
        """Return the logarithm of what p and the rest of a value add up to."""
        return self._pairs[value].share

    def _made_by(self, step: Step) -> list[LogPair]:
        """Return the pairs of the results of a step: chosen, averaged, moved or computed."""
        if step.type == BEST:
            indices = self._tensors[step.outputs[1]]
            rank = len(indices.shape) - 1
            return [reduced(self._pairs[step.inputs[0]], lambda each: tf.gather(each, indices, batch_dims=rank))]
        mixture = self._mixture(step)
        weights = None if mixture is None else self._choices.weights_of(step, mixture)
        if mixture is not None and weights is not None:
            return [mixture.mean(weights)]
        if step.type in PRODUCTS:
            raise UnsupportedModelError(f"{step.name} makes other numbers than probabilities")
        # Both sides of a subtraction must be whole probabilities.
        operands = [self._whole(value) if step.type == "Sub" else self._operand(value) for value in step.inputs]
        return moved(step, operands) if step.type in MOVES else [ARITHMETIC[step.type](step, operands)]

    def _mixture(self, step: Step) -> Mixture | None:
        """Return a step as a sum of products of probabilities, None if it is not one."""
        inner = step if step.type in PRODUCTS else _product_in(step)
        if inner is None:
            return None
        operands = map(self._whole, inner.inputs)
        factors = [each if isinstance(each, LogPair) else of_number(as_float(each)) for each in operands]
        made = [value in self._pairs for value in inner.inputs]
        if inner is step:
            return matrix_product(step, factors, made)
        return Mixture(factors, made, self._tensors[step.inputs[1]], step.operation.get_attr("keep_dims"))

    def _operand(self, value: Value) -> Operand:
        return self._pairs[value] if value in self._pairs else self._tensors[value]

    def _whole(self, value: Value) -> Operand:
        """Return a value as probabilities: both logarithms belong to numbers that add up to 1."""
        pair = self._operand(value)
        if isinstance(pair, LogPair) and self._choices.is_rounded(value, pair):
            return LogPair(pair.log_p, rounded_complement(pair.log_p))
        return pair


@dataclass(frozen=True, eq=False)
class LogitReading:
    """How the logits of an output are read.

    kind: `softmax` or `sigmoid` if they are the input of these; `log_odds` if they are the log odds of what was made of
    several. tail: what lies between these and the output. choices: what a trial told of it, used for `log_odds` alone.
    groups: for each entry of the output the number of its softmax, if there are several.
    """

    kind: str
    tail: Tail = field(repr=False)
    choices: Choices = field(default_factory=Choices, repr=False)
    groups: tuple[int, ...] | None = None

    @property
    def sources(self) -> tuple[Value, ...]:
        """The values that the logits are made of."""
        return self.tail.logits

    def read(self, tensors: TensorsByValue) -> tf.Tensor:
        """Return the logits, float32, of the output's shape."""
        if self.kind != "log_odds":
            given = {step.outputs[0]: as_float(tensors[step.inputs[0]]) for step in self.tail.makers}
            return self.tail.rearrange(given, tensors)
        return LogProbabilities(self.tail, tensors, self.choices).output.log_odds


class ProbabilityFinder:
    """The values of a program that softmaxes and sigmoids may have made, as far as the types of operations tell."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._numbers: set[Value] = set()
        self._made: set[Value] = set()
        for step in program.steps:
            if _is_number(step, self._numbers):
                self._numbers.update(step.outputs)
            elif self._is_made(step):
                self._made.update(value for value in step.outputs if value.dtype.is_floating)

    def _is_made(self, step: Step) -> bool:
        """Return whether a step makes probabilities: first ones, or others of probabilities and numbers alone."""
        if step.type in MAKERS:
            return True
        is_followed = step.type in FOLLOWED and not self._made.isdisjoint(step.inputs)
        return is_followed and all(value in self._made or value in self._numbers for value in step.inputs)

    def tail(self, output: Value) -> Tail | None:
        """Return the tail of an output that softmaxes and sigmoids made; None if something else may have."""
        if output not in self._made:
            return None
        first = [step.outputs[0] for step in self._program.steps if step.type in MAKERS]
        found = self._program.needed_for([output], first).intersection(self._made | self._numbers)
        followed = [step for step in self._program.steps if found.intersection(step.outputs)]
        taken = {output}.union(*(step.inputs for step in followed))
        needed = [step for step in self._program.steps if step in followed or taken.intersection(step.outputs)]
        makers = [step for step in needed if step.type in MAKERS]
        steps = [step for step in followed if self._made.intersection(step.outputs)]
        return Tail(output, makers, steps, needed)


def _product_in(step: Step) -> Step | None:
    """Return the product that a step sums."""
    inner = step.inputs[0].step if step.type == "Sum" else None
    return inner if inner is not None and inner.type == "Mul" else None


def _is_number(step: Step, numbers: set[Value]) -> bool:
    """Return whether a step's results follow from constants and shapes alone, not from an image's numbers."""
    if step.type in SHAPE_READERS or step.type == "Const":
        return True
    is_plain = step.inputs and not step.programs and not step.operation.op_def.is_stateful
    return bool(is_plain) and all(value in numbers for value in step.inputs)
