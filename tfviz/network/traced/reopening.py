"""Copies and pickles of a network: copies share all that it has, a pickle is what it is opened from.

A pickled network is its path, or its Keras model with the weights, and is traced again with the same options when it
is unpickled. Keras may open a model otherwise than it was, so the model is saved and opened once before it is pickled,
and refused if the fingerprint is another. A copy with `without_model` goes into caches that must not keep the model
alive; a deep copy is the network itself, since it stands for a model.

The traced graph itself is not pickled, since its functions belong to TensorFlow's runtime in this process. A SavedModel
that was loaded by the user has no path to open again, and a part of another network has no model: both are refused,
with the way out. Processes that get a pickle must be started by `spawn`: TensorFlow does not survive a `fork` after its
first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfviz.data_format import DataFormat
from tfviz.errors import UnsupportedModelError, one_line
from tfviz.network.heads import Head
from tfviz.network.traced.fingerprint import fingerprint_of

if TYPE_CHECKING:
    from typing import Self

ADVICE = "export the model and trace the path, which is opened again when it is unpickled"


@dataclass(frozen=True)
class Reopening:
    """How a network was opened.

    open: opens a path or live model the same way, or with other options of `trace`. path: None for a live model.
    """

    open: Callable[..., Any]
    path: Path | None


class Reopened:
    """An object whose copies share its attributes, and that is opened again when it is unpickled.

    function: the traced one, whose fingerprint tells whether it was opened as the same. reopening: None if that is not
    possible, as for a network that is only a part of another.
    """

    function: Any
    data_format: DataFormat
    head: Head
    reopening: Reopening | None = None
    _model: Any

    def __copy__(self) -> Self:
        """Return another object with the same attributes: the same compiled functions, lock and layers, not copies."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        return other

    def holding(self, model: Any) -> Self:
        """Return this object with a hold on the model whose variables it reads."""
        other = self.__copy__()
        other._model = model
        return other

    def in_channels_last(self) -> Self:
        """Return this object as one that takes and gives back images as it computes with them: (N, H, W, C)."""
        other = self.__copy__()
        other.data_format = DataFormat.CHANNELS_LAST
        return other

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of the classes in their order; None if `trace` was not given them."""
        return self.head.class_names

    def named(self, class_names: Sequence[str]) -> Self:
        """Return this object with names for its classes; raise `InvalidTargetsError` if there are not as many."""
        other = self.__copy__()
        other.head = self.head.named(tuple(class_names))
        if self.reopening is not None:
            other.reopening = replace(self.reopening, open=partial(self.reopening.open, class_names=class_names))
        return other

    def without_model(self) -> Self:
        """Return this object without its hold on the model, for caches that must not keep the model alive."""
        return self.holding(None)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Return the object itself, since it stands for a model."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to open it again: from its path, or from its Keras model, which is pickled with its weights.

        Raises `UnsupportedModelError` for any other model, and for one that Keras would open as something else.
        """
        if self.reopening is not None and self.reopening.path is not None:
            return self.reopening.open, (self.reopening.path,)
        # Models of Keras 3 and of tf_keras define how they are pickled.
        if self.reopening is None or not any("__reduce__" in vars(each) for each in type(self._model).__mro__[:-1]):
            kind = type(self._model).__name__
            reason = "it is only a part of another" if self._model is None else f"its model is a {kind}"
            raise UnsupportedModelError(f"this network cannot be pickled: {reason}; {ADVICE}")
        _check_reopened(self._model, self.function, self.reopening)
        return self.reopening.open, (self._model,)


def _check_reopened(model: Any, function: Any, reopening: Reopening) -> None:
    """Raise `UnsupportedModelError` if Keras opens a pickled model as something else than `function`.

    A layer whose `get_config` leaves out a setting, or a function that was set on it, is rebuilt without. That is seen
    here, where the original is, and not in the process that unpickles it.
    """
    try:
        rebuild, arguments = model.__reduce__()[:2]
        again = reopening.open(rebuild(*arguments))
    except Exception as error:  # of Keras, or of the user's own layers
        raise UnsupportedModelError(
            "this network cannot be pickled, as Keras cannot open what it saves of the model: "
            f"{one_line(error)}; {ADVICE}"
        ) from error
    if fingerprint_of(again.function) != fingerprint_of(function):
        raise UnsupportedModelError(
            f"this network cannot be pickled: what Keras opens of the saved model computes something else; {ADVICE}"
        )
