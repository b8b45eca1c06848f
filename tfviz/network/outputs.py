"""What a network gives, and the head that scores are read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError, resembling
from tfviz.network.program import Value
from tfviz.network.scores import CustomScore, Head, NamedScore, find_head, find_output, read_outputs


@dataclass(frozen=True, eq=False)
class Outputs:
    """The outputs of a network by their names, which are those of a dictionary, or their numbers.

    structure: how the model nests them; None where there is just one, which stands for itself.
    """

    values: list[Value]
    names: list[str]
    structure: Any

    def pack(self, tensors: Mapping[Value, tf.Tensor]) -> Any:
        """Return the tensors of the outputs as the model nests them."""
        found = [value.as_traced(tensors[value]) for value in self.values]
        return found[0] if self.structure is None else tf.nest.pack_sequence_as(self.structure, found)

    def only(self, name: str | int) -> Outputs:
        """Return the one output of that name or number; raise `UnsupportedModelError` where there is none."""
        place = find_output(name, self.names)
        if place is None:
            close = resembling(str(name), self.names)
            hint = f"did you mean {close}?" if close else f"the model gives {self._described()}"
            raise UnsupportedModelError(f"no output {name!r}; {hint}")
        return Outputs([self.values[place]], [self.names[place]], None)

    def find_head(self, score: CustomScore | None) -> Head:
        """Return what the scores come from; raise `UnsupportedModelError` where several outputs may be meant."""
        if score is not None:
            # Those of tfviz.scores read outputs by the names that `trace` knows them by.
            score = score.named(self.names) if isinstance(score, NamedScore) else score
            return Head("custom", self.values[0], None, read_outputs(score, self.values, self.structure), score)
        if len(self.values) > 1:
            likely = next(
                (name for name, value in zip(self.names, self.values, strict=True) if value.shape.rank == 2), ""
            )
            raise UnsupportedModelError(
                f"the model has several outputs ({self._described()}), expected one of class scores (N, classes); say "
                f"which with trace(model, output={likely or self.names[0]!r}) (--output-name), or what with "
                "score=lambda outputs: ..."
            )
        return find_head(self.values[0])

    def _described(self) -> str:
        return ", ".join(f"{name!r} {value.shape}" for name, value in zip(self.names, self.values, strict=True))
