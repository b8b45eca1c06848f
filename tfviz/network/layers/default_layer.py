"""Chooses the layer that is looked at when none is named: the deepest map that all evidence flows through.

A value has all evidence if every path from the image to the score leads through it, which is told by counting paths. So
of several poolings none is preferred by its place among the arguments, and the mask of an attention pooling, which
cannot depend on the class, is not taken for features. A map of few places gives way to an earlier one. Where the head
reads a class token alone, the patches after the last attention have no gradient, so the layer is the one that its
queries, keys and values are made of.

A deep layer speaks of classes where an early one marks edges, and one that all evidence flows through hides none of it.
In U-Nets and detectors there may be no such map: then the deepest with some evidence is taken, and a warning names what
passes beside it (`Layers.about_default`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tfviz.network.geometry import MATRIX_PRODUCTS, Maps, row_size
from tfviz.network.layers.feature_map import NO_FEATURES, FeatureMap
from tfviz.network.layers.tokens import Tokens
from tfviz.network.program import SHAPES, Program, Step, Value

FEW = 4
"""The most places of a map that gives way to an earlier map with more."""


@dataclass(frozen=True)
class Default:
    """The layer that is looked at when none is named, None if there is none.

    has_all: whether all evidence flows through it. other_ends: layers that a part of the evidence ends in. passed: the
    deepest map with all evidence, if it has too few places. is_before_attention: whether an attention behind the layer
    mixes tokens that are not a layer.
    """

    layer: FeatureMap | None = None
    has_all: bool = True
    other_ends: tuple[FeatureMap, ...] = ()
    passed: Value | None = None
    is_before_attention: bool = False


class Evidence:
    """The evidence that flows from the image to the score, counted in paths through the program.

    The paths through a value are those from the image to it times those from it to the score; if they are as many as
    there are at all, every path leads through it. Operations that read shapes alone carry no evidence. Counts are
    exact: Python's integers do not overflow, however many branches a network multiplies.

    scored: the values that the score is made of. order: the number of the step that makes each value.
    """

    def __init__(self, program: Program, image: Value, scored: Collection[Value]) -> None:
        self.program, self.scored = program, scored
        self._steps = [step for step in program.steps if step.type not in SHAPES]
        self._forward, self._backward = Counter({image: 1}), Counter(set(scored))
        for step in self._steps:
            if paths := sum(self._forward[value] for value in step.inputs):
                self._forward.update(dict.fromkeys(step.outputs, paths))
        for step in reversed(self._steps):
            if paths := sum(self._backward[value] for value in step.outputs):
                self._backward.update(Counter({value: count * paths for value, count in Counter(step.inputs).items()}))
        self._paths = sum(self._forward[value] for value in set(scored))
        self.order = {value: number for number, step in enumerate(self._steps) for value in step.outputs}

    def has(self, value: Value) -> bool:
        """Return whether any evidence flows through a value."""
        return bool(self._forward[value] and self._backward[value])

    def has_all(self, value: Value) -> bool:
        """Return whether all evidence flows through a value: every path from the image to the score."""
        return self.has(value) and self._forward[value] * self._backward[value] == self._paths

    def all_behind(self, value: Value, values: Collection[Value]) -> list[Value]:
        """Return those of some values that all evidence flows through and that are made after `value`, in order."""
        return [
            each
            for each in self.order
            if each in values and self.order[each] > self.order[value] and self.has_all(each)
        ]

    def ends(self, values: Collection[Value]) -> list[Value]:
        """Return those of some values with evidence, in order, from which none of the others is made."""
        before = set[Value]()
        for step in reversed(self._steps):
            if any(output in before or output in values for output in step.outputs):
                before.update(step.inputs)
        return [value for value in self.order if value in values and value not in before]

    def meets_attention(self, value: Value) -> bool:
        """Return whether the weights of an attention mix tokens behind a value, and do not pool them to one.

        Weights are what a softmax gives, perhaps scaled, masked or dropped out. They mix tokens in a product with
        something else that is made of the value. A softmax over classes that is multiplied by nothing is not an
        attention.
        """
        behind, weights, mixing = {value}, set[Value](), []
        for step in self._steps:
            if behind.isdisjoint(step.inputs):
                continue
            behind.update(step.outputs)
            is_weighing = not weights.isdisjoint(step.inputs)
            if step.type != "Einsum" and step.type not in MATRIX_PRODUCTS:
                weights.update(step.outputs if is_weighing or step.type == "Softmax" else ())
            elif is_weighing and behind.issuperset(step.inputs) and _keeps_tokens(step, weights):
                mixing.append(step.outputs[0])
        return any(self.has(value) for value in mixing)


def find_default(evidence: Evidence, listed: Mapping[Value, FeatureMap], maps: Maps, tokens: Tokens) -> Default:
    """Return the layer to look at: the deepest map, or tokens, that all evidence flows through.

    Of a map it is the features before pooling, dropout and padding. If the score is made of tokens after that, it is
    the last that the patches' evidence comes through. If no map has all evidence, it is the deepest that has some. A
    map of few places is passed over if an earlier one has more.

    listed: the layers that have a name, by their values; others are not chosen. maps, tokens: those of the program.
    """
    # A network without a classifier ends in features, or in tokens.
    last = next(filter(None, (_features(value, listed) for value in evidence.scored)), None)
    if last is not None:
        return Default(last)
    candidates = maps.values | tokens.unfollowed
    found = [value for value in evidence.order if value in candidates and evidence.has(value)]
    whole = [value for value in found if evidence.has_all(value)] or found
    large = [value for value in whole if not _is_small(value, maps)]
    chosen = next((each for value in reversed(large or whole) if (each := _features(value, listed))), None)
    by_tokens = tokens.last_evidence(evidence.scored, evidence.program.needed_for(evidence.scored), listed)
    if by_tokens is not None and (chosen is None or evidence.order[by_tokens] > evidence.order[chosen.value]):
        return Default(listed[by_tokens])
    if chosen is None:
        return Default()
    behind = evidence.all_behind(large[-1], maps.single.union(whole)) if large else []
    passed = [value for value in behind if _features(value, listed) is not chosen]
    ends = filter(None, (_features(value, listed) for value in evidence.ends(set(found))))
    other_ends = dict.fromkeys(each for each in ends if each is not chosen and each.value not in passed)
    is_before_attention = evidence.meets_attention(chosen.value)
    last_passed = passed[-1] if passed else None
    return Default(chosen, evidence.has_all(chosen.value), tuple(other_ends), last_passed, is_before_attention)


def _features(value: Value, listed: Mapping[Value, FeatureMap]) -> FeatureMap | None:
    """Return the listed layer whose map a value is, or was pooled, padded or handed on from; None if there is none.

    Of several in a row it is the earliest, so that VGG16's is its last convolution and not the pooling behind that.
    """
    values = [value]
    while values[-1].step is not None and values[-1].step.type in NO_FEATURES:
        values.append(values[-1].step.inputs[0])
    return next((listed[each] for each in reversed(values) if each in listed), None)


def _is_small(value: Value, maps: Maps) -> bool:
    """Return whether a value is a map of at most `FEW` places; tokens, and maps of open size, are not."""
    if value not in maps:
        return False
    height, width = maps.size(value)
    return height is not None and width is not None and height * width <= FEW


def _keeps_tokens(step: Step, weights: Collection[Value]) -> bool:
    """Return whether a product with the weights of an attention makes as many tokens as it weighs, and pools none."""
    (weighed,) = [value for value in step.inputs if value not in weights][:1] or [step.outputs[0]]
    before, after = row_size(weighed), row_size(step.outputs[0])
    return before is None or after is None or after >= before
