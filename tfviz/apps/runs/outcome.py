"""Collects the results of one run: pictures, lines of the table, entries of the manifest, failures.

Files are written as results arrive, so that a long run keeps little in memory, and what fails costs that file alone;
the manifest and the complaints come at the end. Warnings name images by file, not by number, since a user knows the
files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.apps.explanation import Explanation, manifest_entry, manifest_of, write_manifest, write_plot
from tfviz.apps.files import MOST_NAMED, PICTURE_SUFFIX, Image, TrueLabel, class_name
from tfviz.apps.model import Setup
from tfviz.methods.engine import method_of

# How a method warns of the only image that it is asked about.
OF_THE_IMAGE = re.compile(r" (?:of|for) image 0\b")


@dataclass(frozen=True)
class Request:
    """The options of `tfviz explain` that are not about the model.

    methods: names, or none for the usual ones. options: those of the methods, given to each method that has them.
    targets: classes as they were typed; top: if there are none, so many of the best. output: the folder. save_maps:
    whether maps are written, too. look: how `plot` shows maps. true: the label of each image file, if they are known.
    """

    methods: Sequence[str]
    options: dict[str, Any]
    targets: Sequence[str]
    top: int
    batch_size: int
    output: Path
    save_maps: bool
    look: dict[str, Any]
    true: Mapping[Path, TrueLabel] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """A line of the table: a class of an image, or its only score.

    explained: whether it is a target. true: whether the image is of it, as far as that is known.
    """

    image: str
    name: str
    probability: float
    score: float
    explained: bool
    true: bool


@dataclass(frozen=True)
class File:
    """An image file, and the name of its results."""

    path: Path
    name: str


@dataclass
class Outcome:
    """The results of a run so far.

    pictures: the files written. found_there: those of another run, which were replaced. listed: the lines of the table.
    entries: the manifest's entry for each image and target. failed: the reason for each file that could not be
    explained. warnings: those about the network. explanation: the last one. true: the class of each file, if known.
    """

    setup: Setup
    request: Request
    pictures: list[Path] = field(default_factory=list)
    listed: list[Scored] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    found_there: list[Path] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    explanation: Explanation | None = None
    true: dict[Path, int] = field(default_factory=dict)

    def keep(
        self,
        explanation: Explanation,
        files: Sequence[File],
        pictures: Sequence[Image],
        name: str,
        columns: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Write one picture of an explanation, whose rows are file by file and target by target, and maps if wanted.

        Raises `TfvizError` if a file cannot be written; entries of the rows before it stay.

        Parameters
        ----------
        explanation, files, pictures
            Of the same images; `pictures` are uint8 RGB as a person sees them.
        name
            Of the picture, without its ending.
        columns
            More columns of the picture, as `Explanation.plot` takes them.
        """
        names, order = self.setup.class_names, self.setup.preprocessing.order
        path = self.request.output / f"{name}{PICTURE_SUFFIX}"
        self.found_there += [path] if os.path.lexists(path) else []
        true = [self.true[file.path] for file in files] if self.true else None
        write_plot(path, explanation, pictures, names, order=order, columns=columns, true=true, **self.request.look)
        self.pictures.append(path)
        self.explanation = explanation
        for row, (file, stem) in enumerate(self.stems(explanation, files)):
            maps = self.save_maps(explanation, row, stem) if self.request.save_maps else {}
            written = {"picture": path.name, "maps": maps}
            image, label = str(file.path), self.true.get(file.path)
            self.entries.append(
                manifest_entry(explanation, row, image=image, class_names=names, files=written, true=label)
            )

    def save_maps(self, explanation: Explanation, row: int, stem: Path) -> dict[str, str]:
        """Write the maps of a row to files that begin with `stem`; return their names by the method."""
        return explanation.save_maps(row, stem)

    def stems(self, explanation: Explanation, files: Sequence[File]) -> Iterator[tuple[File, Path]]:
        """Yield for each row of an explanation its file, and the path that the names of its results begin with."""
        for row, name in enumerate(explanation.file_names([file.name for file in files])):
            yield files[row // explanation.targets_per_image], self.request.output / name

    def list_classes(self, file: File, explanation: Explanation, scores: NDArray[Any], most: int) -> None:
        """Add the best classes of an image, at most `most`, the explained ones and the true one to the table.

        explanation: the rows of that image. scores: (K,), of every class, as `Setup.class_scores` returns them.
        """
        targets = [int(target) for target in explanation.targets]
        # Logits of different softmaxes cannot be compared.
        ranking = np.asarray(self.setup.network.head.ranking(explanation.logits[:1]))[0]
        best = [int(index) for index in np.argsort(-ranking, kind="stable")[:most]]
        true = self.true.get(file.path)
        for index in dict.fromkeys([*best, *targets, *([] if true is None else [true])]):
            name = self.numbered(index)
            numbers = float(explanation.probabilities[0, index]), float(scores[index])
            self.listed.append(Scored(file.name, name, *numbers, index in targets, index == true))

    def complaints(self) -> list[str]:
        """Return one line per problem: maps that are zero everywhere, doubtful results, and files that failed."""
        empty: dict[tuple[str, str], list[str]] = {}
        for each in self.entries:
            for zero in each["zero_maps"].items():
                empty.setdefault(zero, []).append(f"{Path(each['image']).name}{self.of_class(each['target'])}")
        warnings = [
            f"warning: {method} is zero everywhere for {', '.join(names[:MOST_NAMED])}"
            f"{f' and {len(names) - MOST_NAMED} more' if len(names) > MOST_NAMED else ''}: {why}"
            for (method, why), names in empty.items()
        ]
        return [*warnings, *(f"warning: {each}" for each in self.judgements()), *self.failed.values()]

    def numbered(self, index: int) -> str:
        """Return the name of a class with its index, which files are named by: `espresso (967)`."""
        name = class_name(index, self.setup.class_names)
        return name if name == class_name(index, None) else f"{name} ({index})"

    def of_class(self, target: int | None) -> str:
        """Return the class of a result, worded to follow its file's name; empty if it is not of a class."""
        return "" if target is None else f" ({class_name(target, self.setup.class_names)})"

    def judgements(self) -> Iterator[str]:
        """Yield the methods' warnings about their diagnostics, with the file in place of the image's number."""
        for method in dict.fromkeys(name for each in self.entries for name in each["diagnostics"]):
            for each in self.entries:
                numbers = {name: np.array([value]) for name, value in each["diagnostics"].get(method, {}).items()}
                for warning in method_of(method).judged(numbers) if numbers else ():
                    named = OF_THE_IMAGE.sub("", warning)
                    yield f"{Path(each['image']).name}{self.of_class(each['target'])}: {named}"

    def write_manifest(self) -> Path | None:
        """Write the manifest and return its path; None if there is nothing to put into it."""
        return None if self.explanation is None else write_manifest(self.request.output, self.content(self.explanation))

    def content(self, explanation: Explanation) -> dict[str, Any]:
        """Return the manifest of the run, whose model and methods are those of `explanation`."""
        setup = self.setup
        return manifest_of(
            explanation,
            self.entries,
            warnings=[*self.warnings, *self.judgements()],
            model_path=str(setup.path.resolve()) if setup.path else None,
            preprocessing=setup.described_preprocessing,
            failed=self.failed,
        )
