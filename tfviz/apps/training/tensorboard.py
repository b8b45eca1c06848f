"""The Keras callback that writes explanations to TensorBoard, and the only module that needs that package.

One class serves `fit` of Keras 3, whose `Callback` it is, and of tf_keras, which asks it a few more questions
(`_supports_tf_logs`, `_implements_…`). It writes a run of its own below the folder, so that Keras' callback may use the
same one. The package is imported when a callback is made, so that others need not install it.

The model is traced when a training begins and let go when it ends; weights are read live, but a layer that is replaced
in between is not seen. Mistakes are errors before the first step or, if only that builds the model, at the first
explanation. An explanation that fails later is a warning, and left out: a card is not worth hours of training. A copy,
as a tuner makes one for each trial, has the options and the images, and nothing of the training that it was copied in.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfviz.apps.explanation import Explanation, channel_step, explain
from tfviz.apps.files import check_folder
from tfviz.apps.training.cards import CardMaker, enlarged
from tfviz.apps.training.cost import Cost
from tfviz.apps.training.fixed_images import read_fixed_images
from tfviz.errors import TfvizError, emit_warnings
from tfviz.methods import choose_methods, find_method
from tfviz.methods.engine import LAYER
from tfviz.network import trace
from tfviz.network.program import reason_of
from tfviz.network.traced import TracedNetwork

RUN = "explanations"
UNITS = ("epoch", "batch")


class ExplainImages(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no complete types
    """Writes explanations of fixed images to TensorBoard while a model is trained, for `fit` of Keras 3 and tf_keras.

    They appear on the page of images in the run `explanations`, one card per method and image, with the explained class
    and its probability below. The model is traced once, and every explanation reads its weights of that moment; the
    training itself is not affected. Errors are raised before the first step of the training, when everything is
    compiled by explaining the images once, or, if tf_keras builds the model in its first step, when they are first
    explained. Later problems, such as gradients that overflow or memory that is short, are warnings. At the end a line
    tells the cost, unless `fit` is silent; the scalar `seconds` is the cost of each time.

    Parameters
    ----------
    log_dir
        As of `keras.callbacks.TensorBoard`, which may write to the same folder. Another such callback needs its own.
    images
        As `tfviz.explain` takes them. A `tf.data.Dataset`, also one of (images, labels), is read once, here.
    targets
        As `tfviz.explain` takes them, or ``"labels"``, those of the dataset.
    methods, layer, options, batch_size
        As `tfviz.explain` takes them.
    every, unit
        After how many of ``"epoch"`` or ``"batch"`` they are explained. The step is the epoch's index, or the number of
        batches in this training so far, as in `keras.callbacks.TensorBoard`.
    model
        What to explain instead of the model that is trained: one that shares its layers, or a `TracedNetwork` of it
        with a custom score.
    class_names, pictures, order, **look
        As `Explanation.plot` takes them.
    pixel_range
        If there are no `pictures`: the inputs of black and of white, two numbers or one per channel. By default 0 and
        255 for uint8 images; others are stretched, each from its minimum to its maximum.

    Raises
    ------
    TfvizError
        TensorBoard is not installed, the folder cannot be written, or `every`, `unit` or the look are invalid.
    UnsupportedModelError, UnknownMethodError, UnknownLayerError, InvalidImagesError, InvalidTargetsError, RuleError
    """

    # tf_keras asks for this too: the logs, which are not read, need not be fetched for this callback.
    _supports_tf_logs = True

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        images: Any,
        targets: Any = None,
        *,
        methods: str | Sequence[str] = ("grad_cam", "saliency"),
        layer: str | Sequence[str] | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        batch_size: int = 32,
        every: int = 1,
        unit: str = "epoch",
        model: Any = None,
        class_names: Sequence[str] | None = None,
        pictures: ArrayLike | None = None,
        pixel_range: tuple[Any, Any] | None = None,
        order: str = "rgb",
        **look: Any,
    ) -> None:
        super().__init__()
        _summaries()
        _check_moments(every, unit)
        channel_step(order)
        for name, given in choose_methods(methods, None if layer is None else {LAYER: layer}, options).items():
            find_method(name).complete(given)
        self._images, self._targets = read_fixed_images(images, targets)
        if pixel_range is None and getattr(self._images, "dtype", None) == np.uint8:
            pixel_range = (0, 255)
        self._cards = CardMaker(pictures, pixel_range, order, class_names, look)
        self._explain = partial(explain, methods=methods, layer=layer, options=options, batch_size=batch_size)
        self._folder, self._explained, self._every, self._unit = os.fspath(log_dir), _Explained(model), every, unit
        # For Keras 3, which otherwise waits for every batch because the callback has a method for its end.
        self.async_safe = unit == "epoch"
        self._network: TracedNetwork | None = None
        self._writer: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of a new callback: each trial of a tuner takes a copy."""
        return {**vars(self), "_model": None, "params": None, "_network": None, "_writer": None}

    def on_train_begin(self, logs: Any = None) -> None:
        """Compile the methods, unless the model is built only by its first step: then the first explanation does."""
        self._close()
        self._cost = Cost(time.perf_counter())
        self._batches = self._batches_before = 0
        if self._explained.model is not None or self.model.built:
            self._prepare()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Explain the images if enough batches have passed."""
        # Several batches may have passed at once (`steps_per_execution`).
        before, self._batches = self._batches, self._batches_before + batch + 1
        if self._unit == "batch" and self._batches // self._every > before // self._every:
            self._explain_at(self._batches)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Explain the images if enough epochs have passed."""
        self._batches_before = self._batches
        if self._unit == "epoch" and (epoch + 1) % self._every == 0:
            self._explain_at(epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """Close the run, and print its cost."""
        self._close()
        if (self.params or {}).get("verbose"):
            sys.stdout.write(f"ExplainImages took {self._cost}; see tensorboard --logdir {self._folder}\n")

    def _implements_train_batch_hooks(self) -> bool:
        """Answer tf_keras, which leaves out callbacks that have nothing to do; as the two below."""
        return self._unit == "batch"

    def _implements_test_batch_hooks(self) -> bool:
        return False

    def _implements_predict_batch_hooks(self) -> bool:
        return False

    def _prepare(self) -> None:
        """Trace the model, make every card once to find errors early, and open the run."""
        if "://" not in self._folder:
            check_folder(Path(self._folder))
        started = time.perf_counter()
        # Names of classes serve targets alone, and captions do with names of some classes.
        by_name = any(isinstance(target, str) for target in np.asarray(self._targets, object).flat)
        names = self._cards.class_names if by_name else None
        self._network = trace(self.model if self._explained.model is None else self._explained.model, class_names=names)
        self._cards.found(self._explanation())
        self._cost.compiling = time.perf_counter() - started
        self._writer = tf.summary.create_file_writer(os.path.join(self._folder, RUN))

    def _explanation(self) -> Explanation:
        """Return the explanation of the images by the weights of this moment."""
        return self._explain(self._network, self._images, self._targets)

    def _explain_at(self, step: int) -> None:
        """Write the cards of a step, the first time with the images themselves, and the seconds that this took.

        If the explanation fails, such as by gradients that overflow, that is a warning, and the step is left out.
        """
        if self._network is None:
            self._prepare()
        started = time.perf_counter()
        try:
            explanation = self._explanation()
        except (TfvizError, tf.errors.OpError) as error:
            reason = reason_of(error) if isinstance(error, tf.errors.OpError) else str(error)
            emit_warnings([f"nothing is shown of {self._unit} {step}: {reason}"])
            return
        cards = self._cards.found(explanation)
        if not self._cost.times:
            cards = {"images": enlarged(self._cards.shown(explanation)), **cards}
        # Keras' own callback lets through only the summaries of some batches.
        with self._writer.as_default(step), tf.summary.record_if(True):
            summaries = _summaries()
            for name, pictures in cards.items():
                summaries.image(name, pictures, max_outputs=len(pictures))
            summaries.scalar("seconds", self._cost.add(time.perf_counter() - started))

    def _close(self) -> None:
        """Close the run, also that of an interrupted training, which no callback is told about."""
        if self._writer is not None:
            self._writer.close()
        self._network = self._writer = None


@dataclass(frozen=True)
class _Explained:
    """The model to explain instead of the one that is trained, or None. Copies refer to it, since layers are shared."""

    model: Any

    def __deepcopy__(self, memo: dict[int, Any]) -> _Explained:
        """Return itself: a copy of the layers would not be those that are trained."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how it is pickled: by its path, if it has one; raise `TfvizError` for a model.

        A pickle would hold layers of its own, which no training changes.
        """
        if self.model is not None and not isinstance(self.model, str | os.PathLike):
            raise TfvizError(
                "ExplainImages cannot be pickled with model=, which shares layers with the model that is trained here; "
                "copies keep it (copy.deepcopy)"
            )
        return _Explained, (self.model,)


def _check_moments(every: int, unit: str) -> None:
    """Raise `TfvizError` unless `every` is an integer of at least 1 and `unit` one of `UNITS`."""
    if isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1:
        raise TfvizError(f"every is {every!r}, expected an integer of at least 1")
    if unit not in UNITS:
        raise TfvizError(f"unit is {unit!r}, expected one of {', '.join(UNITS)}")


def _summaries() -> Any:
    """Return TensorBoard's functions that write summaries; raise `TfvizError` if it is not installed."""
    try:
        from tensorboard.summary import v2
    except ImportError as error:
        raise TfvizError("ExplainImages needs the package tensorboard: pip install tensorboard") from error
    return v2
