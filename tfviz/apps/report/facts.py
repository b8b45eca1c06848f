"""The facts about a report: which network, which methods with which options, which software, and how to repeat it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tfviz.apps.explanation import Explanation, column_titles, versions
from tfviz.apps.model import Setup
from tfviz.markup import changed_options
from tfviz.methods.engine import INNER, INNER_OPTIONS, SIGNS, is_attribution, is_direction, method_of, sign_of


@dataclass(frozen=True)
class MethodFacts:
    """What a reader must know of a method.

    title: its name with the methods within it, and the layer that it looks at. sign: what its values mean. reduced: how
    colours became one value a pixel, empty if there was nothing to reduce. zero: what a map that is zero everywhere
    means. options: all of them, each as `name=value`.
    """

    name: str
    title: str
    sign: str
    caution: str
    zero: str
    reduced: str
    paper: str
    cost: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Identity:
    """What was explained, by what, when and how.

    fingerprint: None if it could not be taken. command: as it is typed to make the report again. made: when, in UTC, as
    `2026-11-28T09:30:12Z`.
    """

    model: str
    fingerprint: str | None
    score: str
    head: str
    classes: int | None
    part: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    versions: Mapping[str, str]
    command: str
    made: str

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield what the page lists: the name of each fact, and the fact in words."""
        yield "model", self.model
        yield from self.rows_of_network()
        yield "software", ", ".join(f"{name} {version}" for name, version in self.versions.items())
        yield "made", self.made_in_words

    def rows_of_network(self) -> Iterator[tuple[str, str]]:
        """Yield those about the network, after its name."""
        yield "fingerprint", self.fingerprint or "not known"
        yield "score", f"{self.score} ({self.head})"
        if self.classes is not None:
            yield "classes", str(self.classes)
        for name, value in self.part.items():
            if value not in (None, []):
                yield name, _in_words(value)
        yield "preprocessing", ", ".join(f"{name} {_in_words(value)}" for name, value in self.preprocessing.items())

    @property
    def made_in_words(self) -> str:
        """When it was made, as a person reads it."""
        return f"{self.made.replace('T', ' ').removesuffix('Z')} UTC"


def _in_words(value: Any) -> str:
    """Return a fact in words: a size as height × width, and names with commas."""
    if isinstance(value, tuple):
        return " × ".join(map(str, value))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def identity_of(explanation: Explanation, setup: Setup, command: str, made: str) -> Identity:
    """Return the identity of a report on the network that made an explanation."""
    return Identity(
        model=setup.path.name if setup.path else explanation.model,
        fingerprint=explanation.fingerprint,
        score=explanation.scored_by,
        head=explanation.head,
        classes=setup.network.num_classes if explanation.has_classes else None,
        part=explanation.origin.part if explanation.origin else {},
        preprocessing=setup.described_preprocessing,
        versions=versions(),
        command=command,
        made=made,
    )


def facts_of_methods(explanation: Explanation) -> tuple[MethodFacts, ...]:
    """Return the facts about each method of an explanation, in their order."""
    titles = column_titles(explanation)
    return tuple(_facts_of(name, explanation, titles[name]) for name in explanation.maps)


def _facts_of(name: str, explanation: Explanation, title: str) -> MethodFacts:
    method, options = method_of(name), explanation.options[name]
    reduced = ""
    if is_attribution(name, options):
        is_evidence = bool(explanation.signed[name]) and not is_direction(name, options)
        reduced = "sum over the colours" if is_evidence else "largest absolute value of the colours"
    return MethodFacts(
        name=name,
        title=title,
        sign=SIGNS[sign_of(name, options)],
        caution=method.caution,
        zero=method.zero_means,
        reduced=reduced,
        paper=method.paper,
        cost=method.cost,
        options=tuple(_described(options)),
    )


def _described(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options of a method, and those of the method that it runs, as `name=value`."""
    yield from changed_options({name: value for name, value in options.items() if name != INNER_OPTIONS}, {})
    if INNER in options:
        yield from (f"{options[INNER]} {each}" for each in _described(options[INNER_OPTIONS]))
