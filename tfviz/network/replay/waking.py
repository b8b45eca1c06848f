"""Lets gradients through nonlinearities that block the whole gradient of an image.

An image that wakes no unit is not a dead end for a visualisation (Olah, Mordvintsev, Schubert, "Feature Visualization",
Distill 2017). Which nonlinearities may be dead is found in the program and not by names: a ReLU, or an elementwise
function of one value that clips or compares (`maximum(x, 0)`, `x * (x > 1)`). Such a function is taken as a whole, so
that a PReLU of two ReLUs, or x + relu(x), is never dead: a gradient comes through it.

Waking is decided for each image and nonlinearity by itself, and only where the plain gradient is zero everywhere: an
image that is on its way is never pushed otherwise than by its gradient. This is for climbing an objective, where any
way up will do; an explanation must not use it, since what it lets through is not what the network computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import tensorflow as tf

from tfviz.network.program import LOOPS, Program, Step, Value, run_operation
from tfviz.network.replay.rules import REDIRECTED, RELUS, Backward, Rule

CLIPS = RELUS | {"Maximum", "Minimum", "ClipByValue"}
# Besides these, operations that make a clip of a value and itself: x · (x > 1), (x + |x|) / 2.
BENDS = CLIPS | {"Abs", "Greater", "GreaterEqual", "Less", "LessEqual"}
ELEMENTWISE = (
    BENDS
    | {
        "Add",
        "AddN",
        "AddV2",
        "Cast",
        "Elu",
        "Erf",
        "Erfc",
        "Exp",
        "Expm1",
        "Identity",
        "LeakyRelu",
        "LogicalAnd",
        "Mul",
    }
    | {"LogicalNot", "LogicalOr", "Neg", "OnesLike", "Pow", "RealDiv", "Select", "SelectV2", "Selu", "Sigmoid", "Sign"}
    | {"Softplus", "Softsign", "Sqrt", "Square", "Sub", "Tanh", "ZerosLike"}
)
FAR = 1e4
"""How far a feature is moved to see on which side of it a nonlinearity rises."""


@dataclass(frozen=True, eq=False)
class Activation:
    """Elementwise `steps` on one value, the `source`, and on constants, in an order in which they can run.

    Each step has one result, and the last one's is of the source's shape.
    """

    source: Value
    steps: tuple[Step, ...]

    @property
    def output(self) -> Value:
        """The result of the last step."""
        return self.steps[-1].outputs[0]

    def run(self, tensors: Mapping[Value, tf.Tensor], features: tf.Tensor) -> tf.Tensor:
        """Return the output for other features than those among the tensors of a replay."""
        made = {self.source: features}
        for step in self.steps:
            taken = step.taking([made[value] if value in made else tensors[value] for value in step.inputs])
            (made[step.outputs[0]],) = run_operation(step, taken)
        return made[self.output]

    def wake(self, tensors: Mapping[Value, tf.Tensor]) -> dict[Value, tf.Tensor]:
        """Return the output for the tensors of a replay, with a gradient that wakes what is dead."""

        def operation(features: tf.Tensor) -> tf.Tensor:
            return self.run(tensors, features)

        is_relu = len(self.steps) == 1 and self.steps[0].type in RELUS
        made = (REDIRECTED.apply if is_relu else _awakened)(operation, tensors[self.source])
        made.set_shape(self.output.shape)
        return {self.output: made}


def _awakened(operation: Callable[[tf.Tensor], tf.Tensor], features: tf.Tensor) -> tf.Tensor:
    """Return `operation(features)`, with a gradient that wakes an image of which the operation blocks all.

    If anything comes through, the gradient is the operation's own. Else it is the upstream gradient where the operation
    can follow it: upwards where it rises for larger features, downwards where it falls for smaller ones. Both are told
    by the values `FAR` to either side, which is beyond the bounds that activations are clipped at.
    """

    @tf.custom_gradient
    def changed(features: tf.Tensor) -> tuple[tf.Tensor, Backward]:
        with tf.GradientTape(watch_accessed_variables=False, persistent=True) as tape:
            tape.watch(features)
            made = operation(features)
        # Run here, since the backward pass of a condition cannot run the operation again.
        rises, falls = operation(features + FAR) > made, operation(features - FAR) < made

        def backward(upstream: tf.Tensor) -> tf.Tensor:
            """Return the plain gradient of images in which it is not zero everywhere, the waking one of the others."""
            gradient = tape.gradient(made, features, upstream, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            comes_through = tf.reduce_any(gradient != 0, axis=range(1, gradient.shape.rank))
            follows = tf.where(upstream > 0, rises, falls)
            # This chooses whole images; `tf.where` would choose value by value.
            return tf.raw_ops.Select(
                condition=comes_through, x=gradient, y=tf.where(follows, upstream, tf.zeros_like(upstream))
            )

        return made, backward

    return changed(features)


def waking(program: Program, image: Value) -> Rule:
    """Return the rule that wakes dead nonlinearities on the way from the image of a program."""
    found = find_activations(program, [image])
    return replace(REDIRECTED, operations=frozenset(), actions={each.steps[-1]: each.wake for each in found})


def find_activations(program: Program, sources: Iterable[Value]) -> Iterator[Activation]:
    """Yield the activations that may be dead, of what depends on the `sources`, in a program and those inside it."""
    depending = program.depending_on(sources)
    makers = {step.outputs[0]: (place, step) for place, step in enumerate(program.steps) if len(step.outputs) == 1}
    inside: set[Step] = set()
    for step in reversed(program.steps):
        if step not in inside and step.type in ELEMENTWISE and step.outputs[0] in depending:
            found = _activation(step, depending, makers)
            if found is not None:
                inside.update(found.steps)
                yield found
        for inner in step.programs:
            given = zip(inner.inputs, step.inputs[-len(inner.inputs) :], strict=False)
            # What a loop hands on to itself may depend on all of its inputs.
            of_image = [value for value, outer in given if step.type in LOOPS or outer in depending]
            yield from find_activations(inner, of_image)


def _activation(step: Step, depending: set[Value], makers: Mapping[Value, tuple[int, Step]]) -> Activation | None:
    """Return the activation that ends with a step, back to the one value that all of it is made of, if there is one.

    From the step back, the latest maker is taken in until a single value is left that depends on the image. There is
    none if that meets an operation that is not elementwise, if nothing in it bends, or if shapes differ: then numbers
    are broadcast or reduced, and which image blocks its gradient is not the nonlinearity's doing.
    """
    steps = {step}
    values = depending.intersection(step.inputs)
    bends = CLIPS if len(values) == 1 else BENDS
    while len(values) > 1:
        latest = max(values, key=lambda value: makers.get(value, (-1, None))[0])
        _, maker = makers.get(latest, (-1, None))
        if maker is None or maker.type not in ELEMENTWISE:
            return None
        steps.add(maker)
        values = (values - {latest}) | depending.intersection(maker.inputs)
    (source,) = values
    sizes = [value.shape.rank and value.shape.as_list() for value in (source, step.outputs[0])]
    is_of_numbers = source.dtype.is_floating and step.outputs[0].dtype.is_floating
    if bends.isdisjoint(each.type for each in steps) or sizes[0] != sizes[1] or not sizes[0] or not is_of_numbers:
        return None
    found = tuple(sorted(steps, key=lambda each: makers[each.outputs[0]][0]))
    # A clip of both ends of a range is two activations in a row.
    _, maker = makers.get(source, (-1, None))
    before = _activation(maker, depending, makers) if maker is not None and maker.type in ELEMENTWISE else None
    return Activation(source, found) if before is None else Activation(before.source, (*before.steps, *found))
