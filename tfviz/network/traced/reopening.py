"""Copies and pickles of a network: a copy is the network itself, a pickle what it is opened from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfviz.data_format import DataFormat
from tfviz.errors import UnsupportedModelError, one_line
from tfviz.network.traced.fingerprint import fingerprint_of

if TYPE_CHECKING:
    from typing import Self

ADVICE = "export the model and trace the path, which is opened again where it is unpickled"


@dataclass(frozen=True)
class Reopening:
    """How a network was opened. open: from a path or a live model. path: None for a live model."""

    open: Callable[[Any], Any]
    path: Path | None


class Reopened:
    """An object that copies refer to, and that is opened again where it is unpickled."""

    function: Any
    data_format: DataFormat
    reopening: Reopening | None = None
    _model: Any

    def __copy__(self) -> Self:
        """Return another object of the same attributes."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        return other

    def holding(self, model: Any) -> Self:
        """Return this object with a hold on the model whose variables it reads."""
        other = self.__copy__()
        other._model = model
        return other

    def in_channels_last(self) -> Self:
        """Return this object as one that takes images, and gives them back, as it computes with them: (N, H, W, C)."""
        other = self.__copy__()
        other.data_format = DataFormat.CHANNELS_LAST
        return other

    def without_model(self) -> Self:
        """Return this object without its hold on the model, for caches that must not keep the model alive."""
        return self.holding(None)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Return the object itself, which stands for a model in its place."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how it is opened again: from its path, or from its Keras model, which pickles with its weights."""
        if self.reopening is not None and self.reopening.path is not None:
            return self.reopening.open, (self.reopening.path,)
        # A model of either Keras says itself how it is pickled.
        if self.reopening is None or not any("__reduce__" in vars(kind) for kind in type(self._model).__mro__[:-1]):
            kind = "only a part of another" if self._model is None else f"one of a {type(self._model).__name__}"
            raise UnsupportedModelError(f"this network cannot be pickled: it is {kind}; {ADVICE}")
        _check_reopened(self._model, self.function, self.reopening)
        return self.reopening.open, (self._model,)


def _check_reopened(model: Any, function: Any, reopening: Reopening) -> None:
    """Raise `UnsupportedModelError` where what Keras makes of a pickled model is not what was traced as `function`."""
    try:
        rebuild, arguments = model.__reduce__()[:2]
        again = reopening.open(rebuild(*arguments))
    except Exception as error:  # Keras's, and that of layers of the user's own
        raise UnsupportedModelError(
            "this network cannot be pickled, as Keras cannot open what it saves of the model: "
            f"{one_line(error)}; {ADVICE}"
        ) from error
    if fingerprint_of(again.function) != fingerprint_of(function):
        raise UnsupportedModelError(
            f"this network cannot be pickled: what Keras opens of the saved model computes something else; {ADVICE}"
        )
