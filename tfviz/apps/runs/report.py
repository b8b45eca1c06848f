"""Runs `tfviz report`: explains images as `tfviz explain` does, and writes one page about all of them, with cards.

Nothing is written before the page is complete. What a page takes of an image is made as soon as the image is explained,
so that the float32 maps of many images are never kept together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.apps.explanation import Explanation, manifest_entry
from tfviz.apps.files import Image, replacing, report_files, write_file
from tfviz.apps.model import Setup
from tfviz.apps.report import (
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
from tfviz.apps.runs.report_sections import measured_sections
from tfviz.methods import plan_methods
from tfviz.methods.engine import method_of
from tfviz.terminal import tell

USUAL_TOP = 3
"""The best classes of each image that are explained, or all if there are fewer."""


@dataclass
class Reported(Outcome):
    """An outcome that keeps what a page shows of each picture, and writes no files.

    room: what each map and picture may take in the page. compared: whether images are kept, too, with the first target
    of each, so that methods can be measured on them.
    """

    room: Room = field(kw_only=True)
    compared: bool = field(kw_only=True)
    shown: list[ReportedPicture] = field(default_factory=list)
    images: list[NDArray[np.float32]] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)

    @classmethod
    def within(cls, room: Room, *, compared: bool) -> Callable[[Setup, Request], Reported]:
        """Return a function that makes an outcome whose maps and pictures take so much room."""
        return lambda setup, request: cls(setup, request, room=room, compared=compared)

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
            part, label = explanation.select(rows), self.true.get(file.path)
            self.shown.append(
                report_picture(
                    part,
                    rows_of[rows.start],
                    file.path,
                    [_doubts(part, row) for row in range(each)],
                    room=self.room,
                    class_names=names,
                    predicted=self._predicted(part),
                    true=label,
                )
            )
            if self.compared:
                self.images.append(part.images[0])
                self.targets.append(int(part.targets[0]))
            image = str(file.path)
            self.entries += [
                manifest_entry(part, row, image=image, class_names=names, files={}, true=label) for row in range(each)
            ]

    def _predicted(self, part: Explanation) -> int | None:
        """Return the class that an image is predicted as; None if the scores are not of classes."""
        if not part.has_classes:
            return None
        return int(np.argmax(np.asarray(self.setup.network.head.ranking(part.logits[:1]))[0]))


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
    setup: Setup, request: Request, paths: Sequence[Path], command: str, *, are_samples: bool, compared: bool
) -> Outcome:
    """Explain images and write the page about them to `request.output`; return what came of it.

    command: as it was typed, for the page. compared: whether methods are measured, too. Raises `TfvizError` if jinja2
    is not installed or the page would have to carry too many maps, both before the first image is read, and as
    `tfviz explain`.
    """
    check_installed()
    chosen, _ = find_methods(setup.network, request.methods, request.options)
    maps = len(plan_methods(setup.network, chosen)) * max(len(request.targets), request.top)
    run = ExplainRun(setup, request, Reported.within(room_for(len(paths), maps), compared=compared))
    if are_samples:
        run.explain_samples(paths, with_class_pictures=False)
    else:
        run.explain_files(paths)
    found = run.outcome
    if isinstance(found, Reported) and found.explanation is not None:
        _write(found, found.explanation, command, chosen)
    return found


def _measured(found: Reported, methods: Mapping[str, Mapping[str, Any]]) -> Sections:
    """Return what is measured of the methods on the pictures that were explained."""
    names = [each.name for each in found.shown]
    return measured_sections(found.setup.network, methods, found.images, found.targets, names)


def _write(found: Reported, explanation: Explanation, command: str, methods: Mapping[str, Mapping[str, Any]]) -> None:
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
        sections=_measured(found, methods) if found.compared else Sections(),
    )
    card = card_of(about)
    paths, contents = (
        report_files(found.request.output),
        (render_report(about), card_json(card), card_text(card, about.identity)),
    )
    replaced = replacing(paths)
    for path, content in zip(paths, contents, strict=True):
        write_file(path, content)
    counts = (
        f"{len(found.shown)} pictures, {len(explanation.maps)} methods, {explanation.targets_per_image} classes each"
    )
    tell(f"{paths[0]}: {counts}, {len(contents[0]) / 1e6:.1f} MB", *paths[1:], *([replaced] if replaced else []))
