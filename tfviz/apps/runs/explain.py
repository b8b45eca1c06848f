"""Runs `tfviz explain`: image files in chunks through a network, pictures and maps out.

One broken file must not end a run. A file that cannot be read is noted as failed, and if a chunk is refused, its files
are explained one by one to find the one that is to blame. Warnings about the network and the methods are emitted before
the first image; those about results are printed at the end, with the names of their files.

A chunk is at most `batch_size` rows, or one image, and a row is a target of an image: with `top=3` and 8 rows, two
images. Each of the user's images gets a picture of its own; the few samples share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.apps.explanation import Explanation
from tfviz.apps.files import TrueLabel, file_names
from tfviz.apps.model import Sample, Setup, with_baselines
from tfviz.apps.runs.colors import find_color_statistics
from tfviz.apps.runs.outcome import File, Outcome, Request
from tfviz.errors import (
    InvalidImagesError,
    InvalidTargetsError,
    RuleError,
    TfvizError,
    UnknownLayerError,
    UnsupportedModelError,
    emit_warnings,
)
from tfviz.methods import METHODS, choose_methods, class_visualization, compile_methods, plan_methods, run_methods
from tfviz.methods.engine import LAYER, ON_HOST
from tfviz.network.batches import PREDICTED, best_classes, same_for_all
from tfviz.network.passes import check_rules
from tfviz.network.traced import TracedNetwork
from tfviz.progress import progress

ALL = "all"
USUAL_METHODS = ("saliency", "grad_cam", "guided_backprop")
LISTED = 12  # lines of the table of classes, shared by the images
MOST_LISTED = 5
CLASS_PICTURE_ITERATIONS = 96  # with more, the command without arguments would take longer over these than to start


def find_methods(
    network: TracedNetwork, names: Sequence[str], options: Mapping[str, Any], *, exported: bool = False
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the methods to run with their options, and warnings about those that are left out.

    Methods that are named are all returned, and their errors are raised when they are compiled. Of the usual ones, or
    of all, those are left out that do not suit the network, that need a missing package, or that cannot be exported if
    they are to be (`exported`). A `layer` that does not exist is an error all the same, or every method of layers would
    be left out.
    """
    if names and ALL not in names:
        return choose_methods(list(dict.fromkeys(names)), options), []
    if not names:
        network.head.check()
    return suiting_methods(network, METHODS if names else USUAL_METHODS, options, exported=exported)


def suiting_methods(
    network: TracedNetwork, names: Iterable[str], options: Mapping[str, Any], *, exported: bool = False
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return those of some methods that suit the network, with their options, and warnings about the others.

    Raises as `find_methods` for a `layer` that does not exist.
    """
    if LAYER in options:
        plan_methods(network, choose_methods("eigen_cam", {LAYER: options[LAYER]}))
    chosen = choose_methods(list(names), options)
    reasons = {name: _reason_against(network, name, given, exported=exported) for name, given in chosen.items()}
    left_out = [f"{name} is left out: {reason}" for name, reason in reasons.items() if reason]
    return {name: given for name, given in chosen.items() if not reasons[name]}, left_out


def _reason_against(network: TracedNetwork, name: str, options: Mapping[str, Any], *, exported: bool) -> str:
    """Return why a method is left out; empty if it is not."""
    method = METHODS[name]
    if exported and method.on_host is not None:
        return ON_HOST
    if lacking := method.missing():
        return lacking
    try:
        for run in plan_methods(network, {name: options}).values():
            check_rules(network, [each.rule for each in run.method.gradients])
    except (RuleError, UnknownLayerError, UnsupportedModelError) as error:
        return str(error)
    return ""


def _true_classes(setup: Setup, labels: Mapping[Path, TrueLabel]) -> dict[Path, int]:
    """Return the class of each file, of its label; raise `InvalidTargetsError` for one that is none, naming its row."""
    if labels and not setup.network.head.has_classes:
        raise InvalidTargetsError("there are true labels, but the scores of this network are not of classes")
    classes = {}
    for path, label in labels.items():
        try:
            classes[path] = setup.targets([label.text])[0]
        except InvalidTargetsError as error:
            raise InvalidTargetsError(f"{label.place}: {error}") from error
    return classes


class ExplainRun:
    """One run of `tfviz explain`, or of another command on maps: `outcome` makes the object that keeps them.

    When it is made, methods are chosen and compiled and classes looked up: errors of the network and of the methods on
    it are raised, and their warnings emitted, before the first image is read. What comes of the user's files is then in
    `outcome`, failures included.
    """

    def __init__(self, setup: Setup, request: Request, outcome: Callable[[Setup, Request], Outcome] = Outcome) -> None:
        emit_warnings(setup.all_warnings)
        self.outcome = outcome(setup, request)
        self.outcome.true = _true_classes(setup, request.true)
        self._setup = setup
        self._request = request
        chosen, left_out = find_methods(setup.network, request.methods, request.options)
        self._methods = with_baselines(setup.metadata, chosen)
        self._targets = same_for_all(setup.targets(list(request.targets)) or [PREDICTED])
        if request.top > 1:
            self._targets = best_classes(setup.network.head, request.top)
        self._per_image = self._targets.per_image
        warnings = [*left_out, *compile_methods(setup.network, self._methods, self._targets.width).warnings]
        emit_warnings(warnings)
        self.outcome.warnings += [*setup.warnings, *warnings]

    def explain_files(self, paths: Sequence[Path]) -> None:
        """Explain images a chunk at a time, and write a picture of each."""
        files = [File(*pair) for pair in zip(paths, file_names(paths), strict=True)]
        size = max(1, self._request.batch_size // self._per_image)
        with progress("explaining", len(files)) as advance:
            for start in range(0, len(files), size):
                chunk = files[start : start + size]
                self._explain_chunk(chunk, min(MOST_LISTED, max(1, LISTED // len(files))))
                advance(len(chunk))

    def explain_samples(self, paths: Sequence[Path], with_class_pictures: bool) -> None:
        """Explain images together and write one picture of all, beside the class visualisation of each if wanted."""
        files = [File(path, path.stem) for path in paths]
        samples = [self._read(path) for path in paths]
        explanation, scores = self._compute(samples)
        columns = {"class_visualization": self._class_pictures(explanation.targets)} if with_class_pictures else {}
        pictures = [sample.picture for sample in samples]
        self.outcome.keep(explanation, files, pictures, self._setup.network.name, columns)
        for row, file in enumerate(files):
            part = explanation.select(range(row * self._per_image, (row + 1) * self._per_image))
            self.outcome.list_classes(file, part, scores[row], LISTED // len(files))

    def _explain_chunk(self, chunk: Sequence[File], listed: int) -> None:
        """Explain some files together and keep what was found; a file that fails is noted, and the others are kept.

        listed: how many classes of each image the table shows.
        """
        samples = {}
        for file in chunk:
            try:
                samples[file] = self._read(file.path)
            except TfvizError as error:
                self.outcome.failed[str(file.path)] = str(error)
        if not samples:
            return
        try:
            explanation, scores = self._compute(list(samples.values()))
        except TfvizError as error:
            self._explain_singly(list(samples), listed, error)
            return
        for number, (file, sample) in enumerate(samples.items()):
            part = explanation.select(range(number * self._per_image, (number + 1) * self._per_image))
            try:
                self.outcome.keep(part, [file], [sample.picture], file.name)
            except TfvizError as error:
                self.outcome.failed[str(file.path)] = f"{file.path}: {error}"
                continue
            self.outcome.list_classes(file, part, scores[number], listed)

    def _read(self, path: Path) -> Sample:
        """Return the image in a file, and emit the warnings about it; raises as `Setup.read`."""
        sample = self._setup.read(path)
        emit_warnings(sample.warnings)
        return sample

    def _explain_singly(self, files: Sequence[File], listed: int, error: TfvizError) -> None:
        """Find the image that makes its chunk fail, and explain the others."""
        if len(files) == 1:
            self.outcome.failed[str(files[0].path)] = f"{files[0].path}: {error}"
            return
        for file in files:
            self._explain_chunk([file], listed)

    def _compute(self, samples: list[Sample]) -> tuple[Explanation, NDArray[Any]]:
        """Return the explanation, as many rows as targets for each picture, and the score (N, K) of every class."""
        sizes = {sample.input.shape for sample in samples}
        if len(sizes) > 1:
            raise InvalidImagesError(f"images of {len(sizes)} sizes cannot be explained together")
        inputs = np.stack([sample.input for sample in samples])
        # Its warnings are left out: those of the network were emitted before, and zero maps are reported by file.
        explanation = run_methods(
            self._setup.network,
            self._methods,
            inputs,
            self._targets,
            batch_size=self._request.batch_size,
            kind=Explanation,
        )
        return explanation, self._setup.class_scores(explanation.logits[:: self._per_image])

    def _class_pictures(self, targets: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the class visualisation of each target, uint8 (N, H, W, 3); a class that occurs twice is made once."""
        preprocessing = self._setup.preprocessing
        classes, rows = np.unique(targets, return_inverse=True)
        found = class_visualization(
            self._setup.network,
            classes,
            pixel_range=preprocessing.pixel_range,
            image_shape=self._setup.image_shape,
            color_statistics=find_color_statistics(preprocessing),
            iterations=CLASS_PICTURE_ITERATIONS,
        )
        return self._setup.pictures(found.images)[rows]
