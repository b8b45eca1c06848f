"""A traced network with its images and the names of its classes, set up by the options about the model.

What the user typed comes first, then a metadata file beside the model, then what Keras knows of its own models, then an
assumption: an assumed preprocessing or size is a warning, an assumed fit is not. A network that decodes pictures itself
is asked by `measuring`, and its preprocessing only says how they are shown; our own decoder reads the files all the
same, for its errors and warnings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.apps.files import (
    FULL_DEPTH,
    KERAS,
    Image,
    decode_image,
    fit_image,
    picture_of,
    read_bytes,
    read_labels,
    resolve_target,
)
from tfviz.apps.model.example_format import ExampleFormat, find_example_format
from tfviz.apps.model.examples import picture_in, to_example
from tfviz.apps.model.explanation_metadata import ExplanationMetadata
from tfviz.apps.model.measuring import measure_fit, measure_preprocessing
from tfviz.apps.model.metadata_choices import complete_choice
from tfviz.apps.model.models import OpenedModel, open_model
from tfviz.apps.model.picture_options import about_size, check_followed, check_picture_options, network_size
from tfviz.apps.model.preprocessing import Preprocessing, find_preprocessing
from tfviz.errors import InvalidImagesError, InvalidTargetsError, UnsupportedModelError
from tfviz.limits import MAXIMUM_IMAGE_BYTES
from tfviz.model_options import ModelOptions
from tfviz.network import open_network
from tfviz.network.diagnosis import objections_to
from tfviz.network.opening import TraceOptions
from tfviz.network.traced import TracedNetwork

ASSUMED_PREPROCESSING = "0..255"


@dataclass(frozen=True)
class Sample:
    """An image as a person sees it, uint8 RGB (H, W, 3), and as the network takes it: float32, in its data format.

    warnings: what must be said of its file.
    """

    picture: Image
    input: NDArray[np.float32]
    warnings: Sequence[str]


@dataclass(frozen=True)
class Setup:
    """A network, and what is known around it.

    path: of the user's own model, None for one opened by name. size: height and width of the network's images. fit: how
    pictures are brought to it, one of `WAYS_TO_FIT`, or `OWN` for another way of a network that decodes pictures
    itself. warnings: what was assumed, and what of `metadata` is not followed. metadata: what a file beside a
    SavedModel says of explanations. examples: the format of the Examples that the network takes encoded pictures in,
    None if it takes none. maximum_image_bytes, depth: as `decode_image` takes them. interpolation: as `fit_image` takes
    it; of no meaning for a network that decodes pictures itself.
    """

    network: TracedNetwork
    path: Path | None
    preprocessing: Preprocessing
    class_names: list[str] | None
    size: tuple[int, int]
    fit: str
    warnings: tuple[str, ...]
    metadata: ExplanationMetadata | None = None
    examples: ExampleFormat | None = None
    maximum_image_bytes: int = MAXIMUM_IMAGE_BYTES
    depth: str = FULL_DEPTH
    interpolation: str = KERAS

    @property
    def all_warnings(self) -> tuple[str, ...]:
        """The warnings about the model, then those about what was assumed; the commands emit them."""
        return (*self.network.warnings, *self.warnings)

    @property
    def described_preprocessing(self) -> dict[str, Any]:
        """How pictures became the network's images, for a manifest; a depth that nobody chose is left out."""
        more = {} if self.depth == FULL_DEPTH else {"depth": self.depth}
        if self.network.cut is None:
            more["interpolation"] = self.interpolation
        how = self.preprocessing
        return {"name": how.name, "order": how.order, "size": self.size, "fit": self.fit, **more}

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the network's images."""
        return *self.size, self.network.image_shape[2] or 3

    def read(self, path: Path) -> Sample:
        """Return the image in a file, fitted to the network or, where it takes encoded images, decoded by it."""
        return self.decode(read_bytes(path, self.maximum_image_bytes), str(path))

    def decode(self, encoded: bytes, name: str) -> Sample:
        """Return the image that the content of a file, called so in errors, is.

        Where the network takes Examples, it may be one, which is given to the network as it is.
        """
        content = picture_in(encoded, self.examples)
        # Our own reading says what is wrong with a file in better words than the network.
        picture, said = decode_image(content, name, maximum_bytes=self.maximum_image_bytes, depth=self.depth)
        own = self.network.data_format.from_last
        if self.network.cut is None:
            numbers = fit_image(picture, self.size, self.fit, interpolation=self.interpolation)
            return Sample(picture_of(numbers), own(self.preprocessing.of_numbers(numbers)), said)
        is_file = content is encoded
        record = to_example(encoded, self.examples, name) if self.examples and is_file else encoded
        try:
            decoded = self.network.in_channels_last().decode([record])[0]
        except InvalidImagesError as error:
            raise InvalidImagesError(f"{name}: {error}") from error
        return Sample(self.preprocessing.pictures(decoded), own(decoded), said)

    def pictures(self, images: NDArray[np.float32]) -> Image:
        """Return images of the network's, in its data format, as a person sees them, uint8 RGB (N, H, W, 3)."""
        return self.preprocessing.pictures(self.network.data_format.to_last(images))

    def targets(self, texts: list[str]) -> list[int]:
        """Return the indices of the classes that the user named, each once."""
        if texts:
            self.network.head.check()
        count = int(self.network.num_classes or 0)
        return list(dict.fromkeys(resolve_target(text, self.class_names, count) for text in texts))

    def class_scores(self, logits: NDArray[np.float32]) -> NDArray[Any]:
        """Return the score (N, K) of every class; a single logit speaks against class 0."""
        return np.concatenate([-logits, logits], axis=1) if self.network.head.is_binary else logits


def set_up(options: ModelOptions, *, seen_as: Callable[[TracedNetwork], TracedNetwork] = open_network) -> Setup:
    """Open the model that the options name; raise as `open_model`, `trace`, `find_preprocessing` and `read_labels` do.

    `seen_as` makes of the network what is looked at. Nothing is emitted: see `Setup.all_warnings`.
    """
    check_picture_options(options)
    opened, network, metadata = open_chosen(options)
    if network.extra_inputs:
        raise UnsupportedModelError(
            f"the network takes {', '.join(map(repr, network.extra_inputs))} beside the image, but here are images "
            "alone: explain it in Python, with a dictionary of all inputs"
        )
    return set_up_opened(options, opened, seen_as(network), metadata)


def open_chosen(options: ModelOptions) -> tuple[OpenedModel, TracedNetwork, ExplanationMetadata | None]:
    """Return the model that the options name, its network, and what `complete_choice` read beside it."""
    opened = open_model(options.model, weights=options.weights, maximum_bytes=options.maximum_model_bytes)
    choice, metadata = complete_choice(options.trace_options, opened.model)
    return opened, open_network(opened.model, TraceOptions(**choice)), metadata


def set_up_opened(
    options: ModelOptions, opened: OpenedModel, network: TracedNetwork, metadata: ExplanationMetadata | None
) -> Setup:
    """Set up what `open_chosen` returned; raises as `set_up`."""
    check_followed(options, network)
    path = opened.model if isinstance(opened.model, Path) else None
    examples = find_example_format(network)
    preprocessing, said = _preprocessing(options, opened, network, examples)
    said += about_size(options, opened, network) + (tuple(metadata.warnings) if metadata else ())
    names = _class_names(options, opened, network, metadata)
    # Keras' own networks were evaluated on the centre of photographs; its users' are mostly trained on stretched ones.
    fit = options.fit or ("stretch" if path else "crop")
    size = network_size(options, opened, network)
    if network.cut is not None:
        fit = measure_fit(network, examples, preprocessing, size)
    reading = (options.maximum_image_bytes, options.depth, options.interpolation or KERAS)
    return Setup(network, path, preprocessing, names, size, fit, said, metadata, examples, *reading)


def _class_names(
    options: ModelOptions, opened: OpenedModel, network: TracedNetwork, metadata: ExplanationMetadata | None
) -> list[str] | None:
    """Return the class names, None if unknown; raise `InvalidTargetsError` if their number is not that of classes."""
    if options.labels:
        return read_labels(options.labels, num_classes=network.num_classes)
    if metadata is None or metadata.class_names is None:
        return opened.class_names
    if len(metadata.class_names) != network.num_classes:
        raise InvalidTargetsError(
            f"explanation_metadata.json names {len(metadata.class_names)} classes, the model has {network.num_classes}"
        )
    return metadata.class_names


def _preprocessing(
    options: ModelOptions, opened: OpenedModel, network: TracedNetwork, examples: ExampleFormat | None
) -> tuple[Preprocessing, tuple[str, ...]]:
    """Return what makes the network's images of pictures, and what to say of it."""
    if options.preprocess is None and opened.preprocessing is not None:
        return opened.preprocessing, ()
    if network.cut is not None and options.preprocess is None:
        return measure_preprocessing(network, examples)
    name = options.preprocess or ASSUMED_PREPROCESSING
    found = find_preprocessing(name, channels=network.image_shape[2] or 3)
    said = []
    if options.preprocess is None:
        said.append(
            f"{opened.name} gets pixels of {name} in the order {found.order}, as no --preprocess says otherwise"
        )
    white, dtype = float(found.pixel_range[1].max()), network.image.dtype
    if network.cut is not None:
        said.append(
            f"--preprocess {name} says how images are shown, no more: the network decodes and prepares them itself"
        )
    elif dtype.is_integer and white <= 1:
        said.append(f"the network takes {dtype.name} images, but white is {white:g} by --preprocess {name}")
    else:
        said += objections_to(network, *found.pixel_range)
    return found, tuple(said)
