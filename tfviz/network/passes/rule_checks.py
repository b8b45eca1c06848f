"""Checks that a rule for ReLUs is right for a network, and refuses it otherwise.

If a ReLU is only a part of another nonlinearity, such as the gate of a hard swish, a PReLU or a ReLU with a threshold,
a changed gradient would be neither the method nor the gradient. These are found by the operations around each ReLU, in
loops, conditions and compiled calls, too. Smooth nonlinearities beside ReLUs keep their plain gradient, with a warning.

Such a network is refused because a wrong picture would look just as convincing: guided backpropagation recovers edges
either way. Only the operations between image and score count, so a ReLU of an auxiliary output is neither required nor
an obstacle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from tfviz.errors import RuleError
from tfviz.network.program import Step, Value
from tfviz.network.replay import Rule
from tfviz.network.traced import TracedNetwork

# The operations of nonlinearities other than ReLU, and their usual names.
OTHER_ACTIVATIONS = {
    "Sigmoid": "sigmoid (or SiLU)",
    "Tanh": "tanh",
    "Erf": "erf (GELU)",
    "Erfc": "erf (GELU)",
    "Elu": "ELU",
    "Selu": "SELU",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "LeakyRelu": "leaky ReLU",
}
COMPARISONS = frozenset({"Greater", "GreaterEqual", "Less", "LessEqual"})
# Arithmetic that a hard sigmoid does between its ReLU6 and the product with what it gates.
SCALINGS = frozenset({"Mul", "RealDiv", "AddV2", "Sub", "Identity", "Cast", "Minimum", "Maximum"})


def check_rule(network: TracedNetwork, rule: Rule) -> list[str]:
    """Return a warning about what the rule leaves to the plain gradient, none if nothing; raise if it would be wrong.

    Raises
    ------
    RuleError
        The rule met no operation that it changes, or one that is part of another nonlinearity: the gate of a hard
        swish (a ReLU6 that multiplies the features), a PReLU (two ReLUs around a negation), a ReLU with a threshold (a
        comparison that selects).
    """
    path = _Path(network)
    met = [step for step in path.steps if step.type in rule.operations]
    others = Counter(OTHER_ACTIVATIONS[step.type] for step in path.steps if step.type in OTHER_ACTIVATIONS)
    others.update("maximum with a number" for step in path.steps if path.is_handmade_relu(step))
    found = ", ".join(f"{count} {name}" for name, count in others.items())
    if not met:
        raise RuleError(
            f"{rule.name} changes how gradients pass ReLUs, and this network has none between its image and its score"
            f" (its nonlinearities: {found or 'none'}); gradient, saliency and grad_cam work on any network"
        )
    for what, name in path.obstacles(met):
        raise RuleError(
            f"{rule.name} is not defined for {what} ({name}): its ReLU is part of another nonlinearity, and the result "
            "would be neither; gradient, saliency and grad_cam work on any network"
        )
    return [f"{rule.name} changed {len(met)} ReLUs and left the plain gradient at {found}"] if found else []


class _Path:
    """The steps between a network's image and its score, those inside loops, conditions and compiled calls included.

    steps: in order, inner ones behind the step that runs them. In an inner program all inputs, and what follows from
    them, count as depending on the image, since which of them do is not followed.
    """

    def __init__(self, network: TracedNetwork) -> None:
        program = network.program
        self._depending = program.depending_on([network.image])
        needed = program.needed_for(network.head.sources)
        self.steps: list[Step] = []
        self._users: dict[Value, list[Step]] = {}
        for step in program.steps:
            if any(value in needed and value in self._depending for value in step.outputs):
                self._add(step)

    def _add(self, step: Step) -> None:
        """Add a step and those of its programs, and note who uses which value."""
        self.steps.append(step)
        for value in step.inputs:
            self._users.setdefault(value, []).append(step)
        for program in step.programs:
            self._depending |= program.depending_on(program.inputs)
            for inner in program.steps:
                self._add(inner)

    def obstacles(self, met: list[Step]) -> Iterator[tuple[str, str]]:
        """Yield the nonlinearities for which a rule for ReLUs is wrong, each with the name of its operation.

        met: the steps that the rule changes. A comparison is an obstacle if what it decides picks from features or
        multiplies them, and not if it is an output or chooses a branch.
        """
        for step in met:
            before = step.inputs[0].step
            if before is not None and before.type == "Neg":
                yield "a PReLU", step.name
            if before is not None and self._adds_a_number(before) and self._is_gate(step.outputs[0]):
                yield "a hard sigmoid or hard swish", step.name
        for step in self.steps:
            compared = [value for value in step.inputs if value in self._depending and value.dtype.is_floating]
            if step.type in COMPARISONS and compared and self._selects(step):
                yield "a ReLU with a threshold", step.name

    def is_handmade_relu(self, step: Step) -> bool:
        """Return whether a step is a maximum of features and a number, but not the clip of a ReLU."""
        features = [value for value in step.inputs if value in self._depending]
        before = features[0].step if features else None
        clips = before is not None and before.type in {"Relu", "Minimum"}
        return step.type == "Maximum" and len(features) == 1 and not clips

    def _adds_a_number(self, step: Step) -> bool:
        """Return whether a step adds one constant number to features, as a hard sigmoid does before its ReLU6."""
        numbers = [value for value in step.inputs if value not in self._depending and value.shape.rank == 0]
        return step.type in {"Add", "AddV2"} and bool(numbers)

    def _is_gate(self, value: Value) -> bool:
        """Return whether the result of a ReLU is scaled by constants and then multiplies other features."""
        for step in self._users.get(value, ()):
            others = [other for other in step.inputs if other is not value and other in self._depending]
            if others and step.type == "Mul":
                return True
            if not others and step.type in SCALINGS and self._is_gate(step.outputs[0]):
                return True
        return False

    def _selects(self, comparison: Step) -> bool:
        """Return whether a comparison picks from, or masks, features."""
        for step in self._users.get(comparison.outputs[0], ()):
            if step.type in {"Select", "SelectV2", "Mul"} or (step.type == "Cast" and self._selects(step)):
                return True
        return False


def check_rules(network: TracedNetwork, rules: Iterable[Rule | None]) -> list[str]:
    """Return warnings about rules, each checked once; None is the plain gradient. Raise `RuleError` if one is wrong."""
    found = {rule.name: rule for rule in rules if rule is not None}
    return [message for rule in found.values() for message in check_rule(network, rule)]
