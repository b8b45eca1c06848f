"""Images with their targets on a network, and the scores of images that were made of them.

Every metric that runs a network makes a `Subject` of its arguments, changes images on the host, and asks for the scores
of the changed ones, which are run a chunk at a time in one compiled function.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, Floats, Indices
from tfviz.errors import InvalidImagesError, InvalidTargetsError, UnsupportedModelError
from tfviz.network import network_of
from tfviz.network.heads import SOFTMAX_OF_RAW
from tfviz.network.passes import affordable
from tfviz.network.program import is_batch
from tfviz.network.traced import TracedNetwork
from tfviz.progress import progress
from tfviz.results import check_attributions
from tfviz.results.metrics.measuring.maps import collapsed_maps
from tfviz.results.metrics.measuring.remembering import sharing

Changed = Iterable[tuple[int, Floats]]


@dataclass(frozen=True, eq=False)
class Subject:
    """What is measured: images on a network, each with one target.

    images: float32 (N, H, W, C), channels last whatever the network takes. targets: int32 (N,), classes. extra_inputs:
    the inputs beside the images by name.
    """

    network: TracedNetwork
    images: Floats
    targets: Indices
    extra_inputs: dict[str, np.ndarray]
    batch_size: int

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def select(self, rows: np.ndarray) -> Subject:
        """Return the same about some of the images, by their indices."""
        return replace(self, images=self.images[rows], targets=self.targets[rows], extra_inputs=self._beside(rows))

    @property
    def about_probabilities(self) -> tuple[str, ...]:
        """Warnings about the probabilities: those of a network that ends in raw outputs are their softmax."""
        head = self.network.head
        return (SOFTMAX_OF_RAW,) if head.kind == "none" and head.has_classes else ()

    def check_classes(self, metric: str) -> None:
        """Raise `UnsupportedModelError` if the network has no classes."""
        if not self.network.head.has_classes:
            raise UnsupportedModelError(
                f"{metric} needs the logits of classes; this network is explained by {self.network.head.scored_by}"
            )

    def logits(self, changed: Changed, total: int, doing: str) -> Floats:
        """Return the logits (total, K) of images (H, W, C) that were made of those of the rows beside them.

        changed: (row, image) pairs, which are drawn a chunk at a time. doing: the name of the progress bar.
        """
        return self._run(changed, total, doing)[1]

    def probabilities(self, changed: Changed, total: int, doing: str) -> Doubles:
        """Return the probability (total,) of the target; a custom score, or one raw output, stands for itself."""
        rows, logits = self._run(changed, total, doing)
        head = self.network.head
        if not head.has_classes:
            return logits[:, 0].astype(np.float64)
        found = head.probabilities(tf.constant(logits)).numpy()
        return np.asarray(found[np.arange(total), self.targets[rows]], np.float64)

    def scores(self, changed: Changed, total: int, doing: str) -> Doubles:
        """Return the score (total,) of the target: its logit."""
        rows, logits = self._run(changed, total, doing)
        found = self.network.head.scores(tf.constant(logits), tf.constant(self.targets[rows], tf.int32))
        return np.asarray(found.numpy(), np.float64)

    def as_given(self, images: Floats, rows: np.ndarray) -> Any:
        """Return images (n, H, W, C) made of those of the `rows` as a method takes them, with the inputs beside."""
        own = self.network.data_format.from_last(np.asarray(images, np.float32))
        extra_inputs = self._beside(rows)
        return {self.network.inputs.name: own, **extra_inputs} if extra_inputs else own

    def maps(self, given: ArrayLike, how: str | None, count: int | None = None) -> tuple[Doubles, str | None]:
        """Return maps (N, H, W), or attributions reduced to them, and how they were reduced; None for maps.

        Raises `InvalidImagesError` unless there is one of the image's height and width for each of `count` images: by
        default, those of the subject.
        """
        expected = (len(self) if count is None else count, *self.images.shape[1:3])
        found, how = collapsed_maps(given, how, self.network.data_format)
        if found.shape != expected:
            raise InvalidImagesError(
                f"expected one map {expected[1:]} for each of {expected[0]} images, got {np.shape(given)}"
            )
        return found, how

    def attributions(self, given: ArrayLike) -> Doubles:
        """Return attributions (N, H, W, C), channels last; raise `InvalidImagesError` for maps, and other shapes."""
        values = self.network.data_format.to_last(check_attributions(given))
        if values.shape != self.images.shape:
            raise InvalidImagesError(
                f"expected attributions of the images' shape {self.images.shape}, got {values.shape}"
            )
        return values

    def with_channels(self, given: ArrayLike) -> Doubles:
        """Return attributions (N, H, W, C), or maps as (N, H, W, 1)."""
        return self.attributions(given) if np.ndim(given) == 4 else self.maps(given, None)[0][..., np.newaxis]

    def _beside(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        specs = self.network.extra_inputs
        return {name: each[rows] if is_batch(specs[name]) else each for name, each in self.extra_inputs.items()}

    def _run(self, changed: Changed, total: int, doing: str) -> tuple[np.ndarray, Floats]:
        """Return the rows (total,) and the logits (total, K)."""
        self.network.head.check()
        at_once = min(self.batch_size, affordable(self.network, self.images.shape[1:]))
        rows, logits, left = [], [], iter(changed)
        with progress(doing, total) as advance:
            while chunk := list(islice(left, at_once)):
                part = np.array([row for row, _ in chunk])
                logits.append(self._chunk(np.stack([image for _, image in chunk]).astype(np.float32), part))
                rows.append(part)
                advance(len(chunk))
        return np.concatenate(rows), np.concatenate(logits)

    def _chunk(self, images: Floats, rows: np.ndarray) -> Floats:
        """Return the logits (n, K) of a chunk, of which those that are remembered are not run again."""

        def run(index: np.ndarray) -> Floats:
            return self.network.logits(self.as_given(images[index], rows[index]), batch_size=len(index))

        shared = sharing()
        if shared is None:
            return run(np.arange(len(rows)))
        beside = [self._beside(np.array([row])) for row in rows]
        return shared.logits(self.network, [*zip(images, beside, strict=True)], run)


def subject_of(model: Any, images: Any, targets: Any = None, batch_size: int = 32) -> Subject:
    """Return images with their targets on a network, checked; targets that are not given are the predicted classes.

    Raises `InvalidImagesError`, and `InvalidTargetsError` for several targets of an image.
    """
    network = network_of(model)
    parts = [*network.batches(images, targets, batch_size)]
    if parts[0].targets.per_image > 1:
        raise InvalidTargetsError(f"expected one target for each image, got {parts[0].targets.per_image}")
    specs = network.extra_inputs
    beside = {
        name: np.concatenate([part.extra_inputs[name].numpy() for part in parts])
        if is_batch(specs[name])
        else parts[0].extra_inputs[name].numpy()
        for name in specs
    }
    table = np.concatenate([part.targets.table.reshape(-1) for part in parts]).astype(np.int32)
    found = Subject(network, np.concatenate([part.images for part in parts]), table, beside, batch_size)
    if network.head.has_classes and (table < 0).any():
        logits = found.logits(enumerate(found.images), len(found), "classes")
        table = network.head.resolve(tf.constant(logits), tf.constant(table), -int(table.min())).numpy()
    return Subject(network, found.images, np.maximum(table, 0), beside, batch_size)
