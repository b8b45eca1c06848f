"""Runs `tfviz report`: explains images as `tfviz explain` does, and writes one page about all of them, with cards.

Nothing is written before the page is complete. What a page takes of an image is made as soon as the image is explained,
so that the float32 maps of many images are never kept together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.apps.comparison import counted
from tfviz.apps.explanation import Explanation, manifest_entry
from tfviz.apps.files import Image, replacing, report_files, write_file
from tfviz.apps.model import Sample, Setup
from tfviz.apps.report import (
    Metadata,
    Report,
    ReportedPicture,
    Room,
    Sections,
    card_json,
    card_of,
    card_text,
    check_installed,
    facts_of_methods,
    identity_of,
    render_report,
    report_picture,
    room_for,
)
from tfviz.apps.runs.explain import ExplainRun, find_methods
from tfviz.apps.runs.outcome import OF_THE_IMAGE, File, Outcome, Request
from tfviz.apps.runs.report_sections import Examined, Extent, extent_of, measured_sections
from tfviz.methods import plan_methods
from tfviz.methods.engine import method_of
from tfviz.terminal import tell

USUAL_TOP = 3
"""The best classes of each image that are explained, or all if there are fewer."""


@dataclass
class Reported(Outcome):
    """An outcome that keeps what a page shows of each picture, and writes no files.

    room: what each map and picture may take in the page. paths, shown: of each picture the file, and what the page
    shows. extent: whether methods are compared; then images and their first targets are kept, too. about_files: the
    warnings about each file. remarks: those that are printed at the end: about the file of groups, and the numbers.
    """

    room: Room = field(kw_only=True)
    extent: Extent = field(kw_only=True)
    paths: list[Path] = field(default_factory=list)
    shown: list[ReportedPicture] = field(default_factory=list)
    images: list[NDArray[np.float32]] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    about_files: dict[Path, Sequence[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def within(cls, room: Room, extent: Extent) -> Callable[[Setup, Request], Reported]:
        """Return a function that makes an outcome whose maps and pictures take so much room."""
        return lambda setup, request: cls(setup, request, room=room, extent=extent)

    def keep(
        self,
        explanation: Explanation,
        files: Sequence[File],
        pictures: Sequence[Image],
        name: str,
        columns: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Keep the part of the page about each file of an explanation, whose rows are file by file."""
        self.explanation = explanation
        names, each = self.setup.class_names, explanation.targets_per_image
        rows_of = explanation.by_row(np.stack(pictures))
        for number, file in enumerate(files):
            rows = range(number * each, (number + 1) * each)
            part = explanation.select(rows)
            self._show(part, rows_of[rows.start], file.path)
            image, label = str(file.path), self.true.get(file.path)
            self.entries += [
                manifest_entry(part, row, image=image, class_names=names, files={}, true=label) for row in range(each)
            ]

    def _show(self, part: Explanation, picture: Image, path: Path) -> None:
        """Keep what the page shows of a file, and what methods are measured on; part: its rows of an explanation."""
        shown = report_picture(
            part,
            picture,
            path,
            [_doubts(part, row) for row in range(len(part.targets))],
            room=self.room,
            class_names=self.setup.class_names,
            predicted=self._predicted(part),
            true=self.true.get(path),
            remarks=self.about_files.get(path, ()),
        )
        self.shown.append(shown)
        self.paths.append(path)
        if self.extent.is_compared:
            self.images.append(part.images[0])
            self.targets.append(int(part.targets[0]))

    def complaints(self) -> list[str]:
        """Return those of every outcome, and the remarks before them."""
        return [*(f"warning: {each}" for each in self.remarks), *super().complaints()]

    def _predicted(self, part: Explanation) -> int | None:
        """Return the class that an image is predicted as; None if the scores are not of classes."""
        if not part.has_classes:
            return None
        return int(np.argmax(np.asarray(self.setup.network.head.ranking(part.logits[:1]))[0]))


class ReportRun(ExplainRun):
    """A run of `tfviz explain` that keeps the warnings about each file, for the page."""

    outcome: Reported

    def _read(self, path: Path) -> Sample:
        sample = super()._read(path)
        self.outcome.about_files[path] = sample.warnings
        return sample


def _doubts(part: Explanation, row: int) -> dict[str, list[str]]:
    """Return the methods' warnings about the diagnostics of a row, without the number of the image."""
    numbers = {
        method: {name: values[row : row + 1] for name, values in found.items()}
        for method, found in part.diagnostics.items()
    }
    return {
        method: [OF_THE_IMAGE.sub("", each) for each in method_of(method).judged(found)]
        for method, found in numbers.items()
    }


def usual_top(setup: Setup) -> int:
    """Return how many of the best classes are explained if nothing is said."""
    classes = setup.network.num_classes
    return min(USUAL_TOP, classes) if setup.network.head.has_classes and classes else 1


def report(
    setup: Setup,
    request: Request,
    paths: Sequence[Path],
    command: str,
    *,
    are_samples: bool,
    compared: bool | None,
    metadata: Metadata,
) -> Reported:
    """Explain images and write the page about them to `request.output`; return what came of it.

    command: as it was typed, for the page. compared: whether methods are measured, too, None for the usual. metadata:
    the groups of images that are told apart. Raises `TfvizError` if jinja2 is not installed or the page would have to
    carry too many maps, both before the first image is read, and as `tfviz explain`.
    """
    check_installed()
    chosen, _ = find_methods(setup.network, request.methods, request.options)
    maps = len(plan_methods(setup.network, chosen)) * max(len(request.targets), request.top)
    extent = extent_of(compared, len(paths), is_grouped=bool(metadata.groupings))
    run = ReportRun(setup, request, Reported.within(room_for(len(paths), maps), extent))
    if are_samples:
        run.explain_samples(paths, with_class_pictures=False)
    else:
        run.explain_files(paths)
    found = run.outcome
    if found.explanation is not None:
        examined = Examined(found.images, found.targets, found.paths, found.shown)
        sections = measured_sections(setup.network, chosen, examined, metadata.groupings, extent=extent)
        found.warnings += metadata.warnings
        found.remarks += [*metadata.warnings, *sections.warnings]
        _write(found, found.explanation, command, sections)
    return found


def _write(found: Reported, explanation: Explanation, command: str, sections: Sections) -> None:
    """Write the page of an outcome and the cards beside it, and print what they hold and where they are."""
    setup = found.setup
    about = Report(
        title=f"What {explanation.model} looks at",
        identity=identity_of(explanation, setup, command, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())),
        pictures=tuple(found.shown),
        methods=facts_of_methods(explanation),
        size=setup.size,
        doubts=tuple(dict.fromkeys([*setup.network.warnings, *found.warnings])),
        failed=found.failed,
        sections=sections,
    )
    card = card_of(about)
    paths, contents = (
        report_files(found.request.output),
        (render_report(about), card_json(card), card_text(card, about.identity)),
    )
    replaced = replacing(paths)
    for path, content in zip(paths, contents, strict=True):
        write_file(path, content)
    tell(
        f"{paths[0]}: {_counts(found, explanation)}, {len(contents[0]) / 1e6:.1f} MB",
        *paths[1:],
        *([replaced] if replaced else []),
    )


def _counts(found: Reported, explanation: Explanation) -> str:
    """Return in words how much a page holds."""
    methods = counted(len(explanation.maps), "method")
    each = counted(explanation.targets_per_image, "class", "classes")
    return f"{counted(len(found.shown), 'picture')}, {methods}, {each} each"
