"""The scopes of layers, read from the names of a program's operations.

Keras 3 opens the scope of a layer twice in one call, once to build it and once to run it, so the operations of the
layer `conv1` stand under `conv1_1`, and those of its second call under `conv1_3`: exactly one number is added to every
layer's name. Other writers of graphs, tf_keras among them, open a scope once and add nothing. Which of the two a graph
is follows from the names of the variables that are read in its scopes, and for each nested call by itself: Keras 3 may
run a SavedModel of another writer. tf_keras runs every call of a shared layer in the same scope: there the calls are
told apart by what repeats in it, see `tfviz.network.layers.shared_calls`.

Names are all that a SavedModel keeps of its layers. Not every scope is one: TensorFlow's functions open scopes of their
own inside a layer (`INTERNAL_SCOPES`), and a scope with the name of an operation holds that operation's arguments. A
graph whose names were stripped or rewritten, as some converters do, has layers named after its operations alone.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection
from itertools import pairwise

from tfviz.network.layers.shared_calls import Around, calls_in
from tfviz.network.program import Program, Step, Value

# Scopes that TensorFlow's own functions open inside one layer.
INTERNAL_SCOPES = frozenset(
    {"batchnorm", "moments", "weighted_moments", "Tensordot", "separable_conv2d", "clip_by_value", "Gelu", "Repeat"}
)
# One that is also a likely name of a layer: it is TensorFlow's if its layer holds nothing else.
RESIZE = "resize"
ADDED_NUMBER = re.compile(r"(.+)_\d+")


class Scopes:
    """The layers that every step stands in. `paths` are the layers' paths by scope: `vgg16/block1_conv1`.

    The calls of a layer that is called several times are told apart by a number: `conv1:0`, `conv1:1`. Steps that the
    image does not reach, such as those that read weights, are not known here.
    """

    def __init__(self, program: Program, features: set[Value], variables: dict[Value, str]) -> None:
        """Read the scopes of the steps that make `features`, the values that depend on the image."""
        self._operations = {step.name for step in program.steps} | program.calls
        self._calls = program.calls
        self._numbered = _numbered_regions(program, variables)
        steps = [step for step in program.steps if step.outputs[0] in features]
        self._around = self._find_around(program, steps, variables)
        self.paths = self._find_paths()
        self._results = self._find_results(steps, program.outputs)

    def around(self, step: Step) -> list[str]:
        """Return the paths of the layers that the step stands in, outermost first.

        `vgg16_1/block1_conv1_1/Relu`, written by Keras 3, stands in `vgg16` and `vgg16/block1_conv1`.
        """
        return [self.paths[scope] for scope in self._around[step.name]]

    def giving(self, value: Value) -> list[str]:
        """Return the paths of the layers whose result `value` is, outermost first."""
        return [self.paths[scope] for scope in self._results.get(value, ())]

    def _of(self, value: Value) -> tuple[str, ...]:
        return self._around.get(value.step.name, ()) if value.step else ()

    def _find_around(self, program: Program, steps: list[Step], variables: Collection[Value]) -> Around:
        """Return the scopes of layers around every step, outermost first, one for each call of a layer.

        A scope called `resize` is TensorFlow's own if it is the only scope in its layer, and else a layer of that name.
        """
        around = {step.name: self._scopes_around(step) for step in steps}
        inside = defaultdict(set)
        for scopes in around.values():
            for outer, inner in pairwise(scopes):
                inside[outer].add(inner)
        alone = {inner for inners in inside.values() if len(inners) == 1 for inner in inners}
        internal = {scope for scope in alone if scope.endswith("/" + RESIZE)}
        layers = {name: [scope for scope in scopes if scope not in internal] for name, scopes in around.items()}
        once = {scope for scopes in layers.values() for scope in scopes if self._is_numbered(scope)}
        return calls_in(program, steps, layers, variables, once)

    def _scopes_around(self, step: Step) -> list[str]:
        """Return the scopes in a step's name that may be those of layers, outermost first and each as a whole path."""
        parts = step.name.split("/")[:-1]
        scopes = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        return [scope for scope in scopes if self._layer_name(scope)]

    def _layer_name(self, scope: str) -> str:
        """Return the name of the layer that opened `scope`, or an empty string."""
        name = scope.rpartition("/")[2].partition(":")[0]
        # A scope named like an operation holds that operation's arguments, or is an inlined call.
        if scope in self._operations or re.sub(r"_\d+$", "", name) in INTERNAL_SCOPES:
            return ""
        if not self._is_numbered(scope):
            return name
        match = ADDED_NUMBER.fullmatch(name)
        return match.group(1) if match else ""

    def _is_numbered(self, scope: str) -> bool:
        return self._numbered[_region(scope, self._calls)]

    def _find_paths(self) -> dict[str, str]:
        """Return the path of the layer of every scope; a layer that is called several times has a number."""
        parents: dict[str, str] = {}
        for scopes in self._around.values():
            parents.update(zip(scopes, ["", *scopes], strict=False))
        calls = Counter((parent, self._layer_name(scope)) for scope, parent in parents.items())
        seen: Counter[tuple[str, str]] = Counter()
        paths: dict[str, str] = {}
        for scope, parent in parents.items():
            name = self._layer_name(scope)
            call = f":{seen[parent, name]}" if calls[parent, name] > 1 else ""
            seen[parent, name] += 1
            paths[scope] = "/".join(filter(None, (paths.get(parent), name + call)))
        return paths

    def _find_results(self, steps: list[Step], outputs: list[Value]) -> dict[Value, list[str]]:
        """Return for each value the scopes whose result it is, outermost first.

        The result of a scope is the last of its float values that is used outside it. Its last operation would not
        tell: that may give a shape, or a value which nothing else reads.
        """
        leaving: defaultdict[Value, set[str]] = defaultdict(set)
        for step in steps:
            for value in step.inputs:
                leaving[value].update(set(self._of(value)) - set(self._around[step.name]))
        for value in outputs:
            leaving[value].update(self._of(value))
        last = {
            scope: value
            for step in steps
            for value in step.outputs
            if value.dtype.is_floating
            for scope in leaving[value]
        }
        results: defaultdict[Value, list[str]] = defaultdict(list)
        for scope in sorted(last, key=lambda scope: scope.count("/")):
            results[last[scope]].append(scope)
        return results


def _region(name: str, calls: Collection[str]) -> str:
    """Return the innermost nested call that an operation or scope stands in, empty for none."""
    while name:
        name = name.rpartition("/")[0]
        if name in calls:
            return name
    return ""


def _numbered_regions(program: Program, variables: dict[Value, str]) -> dict[str, bool]:
    """Return for each nested call, and for what is in none, whether every layer's scope has a number added.

    That follows from the variables that are read in the scopes; without variables it is as in the call around. Each
    reading is a vote: `conv/kernel` that is read under `conv` says no, under `conv_1` yes, and the majority decides,
    since a layer may itself be called `conv_1`.
    """
    votes: defaultdict[str, Counter[bool]] = defaultdict(Counter)
    for step in program.steps:
        parts = step.name.split("/")
        for value in step.inputs:
            layer = variables.get(value, "").rpartition("/")[0].rpartition("/")[2]
            if layer:
                found = votes[_region(step.name, program.calls)]
                found[False] += layer in parts
                found[True] += any(re.fullmatch(re.escape(layer) + r"_\d+", part) for part in parts)
    numbered: dict[str, bool] = {}
    for region in ("", *sorted(program.calls)):
        own = votes[region]
        around = numbered[_region(region, program.calls)] if region else _looks_numbered(program)
        numbered[region] = own[True] > own[False] if own else around
    return numbered


def _looks_numbered(program: Program) -> bool:
    """Return whether the two outermost scopes of every operation end in a number, as if Keras 3 had added it.

    That is all there is to tell by in a graph whose weights were frozen into constants.
    """
    operations = {step.name for step in program.steps} | program.calls
    scopes = {
        "/".join(parts[:depth])
        for parts in (step.name.split("/")[:-1] for step in program.steps)
        for depth in range(1, min(len(parts), 2) + 1)
    }
    return all(ADDED_NUMBER.fullmatch(scope.rpartition("/")[2]) for scope in scopes - operations)
