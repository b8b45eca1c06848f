"""What a network gives, and the head that scores are read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import tensorflow as tf

from tfviz.errors import UnsupportedModelError, resembling
from tfviz.network.geometry import Maps
from tfviz.network.heads.custom_scores import Bound, CustomScore, find_custom_head, find_output
from tfviz.network.heads.endings import find_ending
from tfviz.network.heads.head import Head, find_head
from tfviz.network.heads.probabilities import Making
from tfviz.network.program import Program, Value


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

    def find_head(self, score: CustomScore | None, program: Program, image: Value) -> Head:
        """Return what the scores come from, the outputs being those that `program` makes of the image.

        Raises `UnsupportedModelError` where several outputs may be meant, and `TfvizError` for a score that is not made
        of TensorFlow operations.
        """
        making = Making(program)
        if score is not None:
            bound = Bound(score, self.values, self.names, making, cache(partial(Maps, program, image)))
            return find_custom_head(bound, self.structure)
        if len(self.values) > 1:
            likely = self._likely(making)
            way = (
                f"which with trace(model, output={likely!r}) (--output-name), or what with " if likely else "what with "
            )
            raise UnsupportedModelError(
                f"the model has several outputs ({self._described()}), expected one of class scores (N, classes); say "
                f"{way}score=lambda outputs: ..."
            )
        return find_head(making, self.values[0])

    def _likely(self, making: Making) -> str | None:
        """Return the name of the output that scores classes: best that of a softmax, and none of whole numbers."""
        floating = [each for each in zip(self.names, self.values, strict=True) if each[1].dtype.is_floating]
        flat = [each for each in floating if each[1].shape.rank == 2]
        kinds = {name: find_ending(making, value).kind for name, value in flat}
        for wanted in ("softmax", "log_odds", "sigmoid"):
            if wanted in kinds.values():
                return next(name for name, kind in kinds.items() if kind == wanted)
        return next((name for name, _ in flat or floating), None)

    def _described(self) -> str:
        return ", ".join(f"{name!r} {value.shape}" for name, value in zip(self.names, self.values, strict=True))
