"""The outputs of a network by their names, and which of them is scored.

One output of class scores needs no choice. Of several, `output=` picks one or `score=` says what is made of them; else
an error proposes the likeliest: class scores (N, K) behind a softmax before log odds before a sigmoid, and never
integers. Nothing is chosen in silence: the wrong output might be explained, such as an auxiliary classifier or the
boxes of a detector, and nothing in the map would tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError, suggestion
from tfviz.network.geometry import Maps
from tfviz.network.heads.custom_scores import BoundScore, CustomScore, find_custom_head
from tfviz.network.heads.endings import find_ending
from tfviz.network.heads.head import Head, find_head
from tfviz.network.heads.output_names import find_outputs
from tfviz.network.heads.probabilities import ProbabilityFinder
from tfviz.network.program import Program, Value


@dataclass(frozen=True, eq=False)
class Outputs:
    """The outputs of a network by their names, which are those of a dictionary, or their numbers.

    values, names: of the same length, in the order of `tf.nest.flatten`. structure: how the model nests them; None if
    there is just one, which stands for itself.
    """

    values: list[Value]
    names: list[str]
    structure: Any

    def pack(self, tensors: Mapping[Value, tf.Tensor]) -> Any:
        """Return the tensors of the outputs as the model nests them, in the types of the trace."""
        found = [value.as_traced(tensors[value]) for value in self.values]
        return found[0] if self.structure is None else tf.nest.pack_sequence_as(self.structure, found)

    def only(self, name: str | int) -> Outputs:
        """Return the one output of that name or number; raise `UnsupportedModelError` unless exactly one is meant."""
        found = find_outputs(name, self.names, self.structure)
        if not found:
            hint = suggestion(name, self.names, f"the model gives {self._described()}")
            raise UnsupportedModelError(f"no output {name!r}; {hint}")
        if len(found) > 1:
            several = ", ".join(repr(self.names[place]) for place in found)
            raise UnsupportedModelError(f"the output {name!r} stands for several, expected one of these: {several}")
        return Outputs([self.values[found[0]]], [self.names[found[0]]], None)

    def find_head(self, score: CustomScore | None, program: Program, image: Value) -> Head:
        """Return what the scores come from; `program` makes these outputs of the image.

        Raises `UnsupportedModelError` if several outputs may be meant, and `TfvizError` for a score that is not made
        of TensorFlow operations.
        """
        finder = ProbabilityFinder(program)
        if score is not None:
            bound = BoundScore(score, self.values, self.names, finder, cache(partial(Maps, program, image)))
            return find_custom_head(bound, self.structure)
        if len(self.values) > 1:
            likely = self._likely(finder)
            way = (
                f"which with trace(model, output={likely!r}) (--output-name), or what with " if likely else "what with "
            )
            raise UnsupportedModelError(
                f"the model has several outputs ({self._described()}), expected one of class scores (N, classes); say "
                f"{way}score=lambda outputs: ..."
            )
        return find_head(finder, self.values[0])

    def _likely(self, finder: ProbabilityFinder) -> str | None:
        """Return the name of the output that likely scores classes, None if all are integers."""
        floating = [each for each in zip(self.names, self.values, strict=True) if each[1].dtype.is_floating]
        flat = [each for each in floating if each[1].shape.rank == 2]
        kinds = {name: find_ending(finder, value).kind for name, value in flat}
        for wanted in ("softmax", "log_odds", "sigmoid"):
            if wanted in kinds.values():
                return next(name for name, kind in kinds.items() if kind == wanted)
        return next((name for name, _ in flat or floating), None)

    def _described(self) -> str:
        return ", ".join(f"{name!r} {value.shape}" for name, value in zip(self.names, self.values, strict=True))
