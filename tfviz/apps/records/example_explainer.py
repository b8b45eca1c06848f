"""One method for examples that come one by one, each of which may be unusable: what a pipeline needs of tfviz.

No example may stop another. Each is read by itself, and what is wrong with it becomes its inference. The others are
grouped by what one batch can hold, images of one shape, with or without a class; a group that the network refuses is
halved until the example to blame is alone. What no example can be blamed for, such as too little memory even for one,
is raised, so that a runner can try again on another machine.

Nothing here knows Beam: a dictionary of numbers and arrays goes out, and `tfviz.apps.beam` counts and stores it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfviz.apps.explanation import CLIP_PERCENTILE, shown
from tfviz.apps.files import FULL_DEPTH, KERAS, Image, decode_image, fit_image, picture_of
from tfviz.apps.model import ExampleFormat, Setup, picture_in, set_up, with_baselines
from tfviz.apps.records.records import DIAGNOSTICS
from tfviz.arrays import refuse_masked
from tfviz.data_format import DataFormat
from tfviz.errors import InvalidImagesError, InvalidTargetsError, TfvizError, UnknownLayerError, emit_warnings, one_line
from tfviz.methods import LAYER, Results, choose_methods, compile_methods, find_method, run_methods
from tfviz.methods.engine import INNER_OPTIONS, is_direction, is_signed
from tfviz.model_options import ModelOptions
from tfviz.printable import printable
from tfviz.results import grey_picture, tiles

Example = NDArray[Any] | bytes | tuple[NDArray[Any] | bytes, int | None]
Inference = dict[str, Any]

ERROR = "error"
"""What the inference for an unusable example holds: the reason."""
PICTURE = "the picture"
EXPECTED = "an example is one image (H, W, C) of numbers or the bytes of one"


@dataclass(frozen=True)
class MethodChoice:
    """A method with its options. target: the class to explain, None for the one that the network predicts.

    Raises
    ------
    UnknownMethodError, UnknownLayerError
        There is no such method or option, or several layers are named, of which a record has no place.
    """

    method: str
    options: Mapping[str, Any]
    target: int | None = None

    def __post_init__(self) -> None:
        complete: Mapping[str, Any] = find_method(self.method).complete(self.chosen[self.method])
        while complete:
            if isinstance(complete.get(LAYER), list | tuple):
                raise UnknownLayerError(f"one layer is looked at for each example, not {complete[LAYER]!r}")
            complete = complete.get(INNER_OPTIONS, {})

    @property
    def chosen(self) -> dict[str, dict[str, Any]]:
        """The method's options, and those of its inner method, as `compile_methods` takes them."""
        return choose_methods(self.method, self.options)

    def doubts(self, inference: Inference) -> bool:
        """Return whether the diagnostics of an inference say that it must not be trusted."""
        numbers = {name: np.array([value]) for name, value in inference.get(DIAGNOSTICS, {}).items()}
        return bool(numbers and find_method(self.method).judged(numbers))


class ExampleExplainer:
    """A method on a network, compiled when it is made; called with examples, it returns an inference for each.

    An example is an image of numbers in the network's own input space and data format; or the bytes of an image file,
    which are decoded, fitted and preprocessed, or of a `tf.train.Example` for a network that takes those; or a pair of
    one and the class to explain. Its inference has `map`, float32 (H, W) or as the image, `target`, `score` and, if the
    method has them, `diagnostics`, numbers by name; of a network of classes, the one that it predicts as `prediction`,
    its `probability` and, if it is known, its `name`; that of an unusable example has the reason as `error`.

    Warnings about the network and the results are not emitted: a command emits those of `Setup`, and inferences hold
    the diagnostics. Making it raises as `set_up` and `compile_methods` do.

    Parameters
    ----------
    model
        The options by which the network is opened, and pictures become its images.
    choice
        The method, and the class for examples that name none.
    batch_size
        The number of images that are computed at once; more examples in one call take several batches.
    class_names
        In the order of the classes; None are those that are known of the model.
    """

    def __init__(
        self, model: ModelOptions, choice: MethodChoice, batch_size: int, class_names: Sequence[str] | None = None
    ) -> None:
        self._setup = set_up(model)
        self._class_names = self._setup.class_names if class_names is None else class_names
        self._methods = with_baselines(self._setup.metadata, choice.chosen)
        compile_methods(self._setup.network, self._methods)
        self._choice = choice
        self._batch_size = batch_size

    def __call__(self, examples: Sequence[Example]) -> list[Inference]:
        """Return the inferences; raise only what no example can be blamed for, such as a lost device."""
        found: dict[int, Inference] = {}
        groups: defaultdict[Any, list[tuple[int, NDArray[np.float32], int | None]]] = defaultdict(list)
        for number, example in enumerate(examples):
            try:
                content, target = _pair(example)
                target = self._choice.target if target is None else target
                image = self._image(content)
            except TfvizError as error:
                found[number] = {ERROR: str(error)}
            else:
                groups[image.shape, target is None].append((number, image, target))
        for group in groups.values():
            found |= zip([number for number, _, _ in group], self._explain(group), strict=True)
        return [found[number] for number in range(len(examples))]

    def _image(self, content: NDArray[Any] | bytes) -> NDArray[np.float32]:
        """Return an example's image, float32 (H, W, C) in the network's own space and data format; emit its warnings.

        Raises `InvalidImagesError` for anything else: an example may be any object, even one that fails to become an
        array.
        """
        if isinstance(content, bytes):
            sample = self._setup.decode(content, PICTURE)
            emit_warnings(sample.warnings)
            return sample.input
        refuse_masked("an example's values", content)
        try:
            image = np.asarray(content)
        except Exception as error:  # whatever becomes of an object that is anything
            raise InvalidImagesError(f"{EXPECTED}, got a {type(content).__name__}: {one_line(error)}") from error
        if image.ndim != 3 or image.dtype.kind not in "fiub":
            kind = "" if isinstance(content, np.ndarray) else f"a {type(content).__name__}: "
            raise InvalidImagesError(f"{EXPECTED}, got {kind}{image.dtype} {image.shape}")
        return image.astype(np.float32)

    def _explain(self, group: Sequence[tuple[int, NDArray[np.float32], int | None]]) -> list[Inference]:
        """Return the inferences for images of one shape; those that stop the others are found by halving.

        All of them have a class to explain, or none has. Memory that is short for a single image is raised, since
        another machine may have enough; so is a lost device.
        """
        _, images, given = zip(*group, strict=True)
        targets = None if given[0] is None else np.array(given)
        try:
            found: Results = run_methods(
                self._setup.network, self._methods, np.stack(images), targets, batch_size=self._batch_size
            )
        except (TfvizError, tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError) as error:
            if len(group) == 1:
                if isinstance(error, tf.errors.ResourceExhaustedError):
                    raise
                return [{ERROR: one_line(error)}]
            middle = len(group) // 2
            return self._explain(group[:middle]) + self._explain(group[middle:])
        return self._inferences(found)

    def _inferences(self, found: Results) -> list[Inference]:
        """Return what was found for each image."""
        method = self._choice.method
        rows = zip(found.maps[method], found.targets, found.scores, strict=True)
        inferences: list[Inference] = [
            {"map": map_, "target": int(target), "score": float(score)} for map_, target, score in rows
        ]
        for row, inference in enumerate(inferences):
            for name, numbers in found.diagnostics.get(method, {}).items():
                inference.setdefault(DIAGNOSTICS, {})[name] = float(numbers[row])
        for inference, prediction in zip(inferences, self._predictions(found), strict=False):
            inference.update(prediction)
        return inferences

    def _predictions(self, found: Results) -> Iterator[Inference]:
        """Yield what the network predicts for each image, if its scores are of classes."""
        if not found.has_classes:
            return
        predicted = self._setup.network.head.predicted(tf.constant(found.logits)).numpy()
        for prediction, probabilities in zip(map(int, predicted), found.probabilities, strict=True):
            about: Inference = {"prediction": prediction, "probability": float(probabilities[prediction])}
            if self._class_names is not None and prediction < len(self._class_names):
                about["name"] = printable(self._class_names[prediction])
            yield about


def _pair(example: Any) -> tuple[Any, int | None]:
    """Return an example's image and its class, None without one; raise where it has something else beside the image."""
    if not isinstance(example, tuple):
        return example, None
    if len(example) != 2:
        raise InvalidImagesError(f"{EXPECTED}, or a pair of one and the class to explain, got {len(example)} things")
    image, target = example
    if not (target is None or (isinstance(target, int | np.integer) and not isinstance(target, bool))):
        raise InvalidTargetsError(f"the class of an example is {target!r:.60}, expected its index")
    return image, None if target is None else int(target)


@dataclass(frozen=True)
class Look:
    """How a map of a method is laid over its picture. All but the method is of the network, see `Setup`."""

    method: str
    size: tuple[int, int]
    fit: str
    order: str
    examples: ExampleFormat | None
    maximum_image_bytes: int
    depth: str = FULL_DEPTH
    interpolation: str = KERAS
    data_format: DataFormat = DataFormat.CHANNELS_LAST
    signed: bool | None = None
    own_colors: bool = False

    @classmethod
    def of(cls, setup: Setup, choice: MethodChoice) -> Look:
        """Return how the maps of a method are shown on the network of a setup."""
        order, reading = setup.preprocessing.order, (setup.maximum_image_bytes, setup.depth, setup.interpolation)
        options = find_method(choice.method).complete(choice.chosen[choice.method])
        signs = is_signed(choice.method, options), is_direction(choice.method, options)
        return cls(
            choice.method, setup.size, setup.fit, order, setup.examples, *reading, setup.network.data_format, *signs
        )

    def overlay(self, encoded: bytes, found: NDArray[np.float32]) -> Image:
        """Return the overlay, uint8 RGB (H, W, 3), of what was found for an encoded picture, or one in an Example."""
        content = picture_in(encoded, self.examples)
        # Its warnings were emitted when it was explained.
        decoded, _ = decode_image(content, PICTURE, maximum_bytes=self.maximum_image_bytes, depth=self.depth)
        picture = picture_of(fit_image(decoded, self.size, self.fit, interpolation=self.interpolation))
        picture = grey_picture(picture) if self.order == "grey" else picture
        found = self.data_format.to_last(found) if found.ndim == 3 else found
        (tile,) = tiles(
            picture[np.newaxis],
            shown(self.method, found[np.newaxis], self.order),
            clip_percentile=CLIP_PERCENTILE,
            signed=self.signed,
            own_colors=self.own_colors,
        )
        return tile
