"""`tfviz fool`: changes an image until a model takes it for something else.

The result is shown in three stages: the original, the changed image, and what a PNG file keeps of it, because rounding
to 8 bits can undo a small change. Options of an attack are those of its function; whether the command succeeds follows
from the unrounded image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.apps.files import LONGEST_STEM, PICTURE_SUFFIX, class_name, replacing, short_name, write_array, write_picture
from tfviz.apps.model import Setup
from tfviz.apps.runs.tables import print_rows
from tfviz.errors import UnknownMethodError, emit_warnings
from tfviz.methods.adversarial import ATTACKS, Adversarial, defaults, has_labels
from tfviz.results import difference_picture, montage, pick
from tfviz.terminal import say, tell

MAGNIFICATION = 10
MOST_LABELS = 3


@dataclass(frozen=True)
class FoolOptions:
    """The options of `tfviz fool` that are not about the model. chosen: the given options of the method."""

    method: str
    target: str | None
    away_from: str | None
    chosen: Mapping[str, Any]
    save_array: bool


@dataclass(frozen=True)
class Stage:
    """An image before, after or at the end of the attack, and what the network takes it for.

    taken_for: the predicted class, or the labels that are on. highest: the probability of the class or of the most
    probable label. probabilities: of all. l2, linf: distances from the original, in pixel units (of 255).
    """

    name: str
    picture: NDArray[np.uint8]
    taken_for: str
    highest: float
    probabilities: NDArray[np.float32]
    l2: float
    linf: float


def fool(setup: Setup, path: Path, options: FoolOptions, output: Path) -> bool:
    """Write the changed image and a picture of the change, print the stages; return whether the network is fooled.

    It writes a picture of the original, the changed image and their difference, the changed image as PNG and, if asked
    for, the float32 array that was found. A PNG that no longer fools the network is a warning, but not a failure.
    """
    emit_warnings(setup.all_warnings)
    sample = setup.read(path)
    emit_warnings(sample.warnings)
    inputs = sample.input[np.newaxis]
    found = _attack(setup, options, inputs)
    stages = _stages(setup, inputs, found)
    stem = short_name(path.stem, LONGEST_STEM)
    written = [output / f"{stem}.fooled{ending}" for ending in (PICTURE_SUFFIX, ".png", ".npy")]
    replaced = replacing(written[: 2 + options.save_array])
    write_picture(written[0], _drawn(setup, options, stages, found))
    write_picture(written[1], stages[2].picture)
    if options.save_array:
        write_array(written[2], found.images[0])
    _print(setup, stages, int(found.targets[0]))
    tell(_outcome(setup, options, found))
    tell(*written[: 2 + options.save_array])
    if replaced:
        tell(replaced)
    if found.success[0] and stages[2].taken_for != stages[1].taken_for:
        say(
            f"warning: rounded to the 8 bits of a PNG file, the image is taken for {stages[2].taken_for}; --save-array "
            "keeps what fools the network"
        )
    return bool(found.success[0])


def _outcome(setup: Setup, options: FoolOptions, found: Adversarial) -> str:
    """Return what came of the attack, in words."""
    reached, left = ("switched on", "switched off") if has_labels(setup.network.head) else ("reached", "left")
    aim = reached if options.target is not None else left
    outcome = aim if found.success[0] else f"not {aim}"
    return f"{options.method}: {_name(setup, int(found.targets[0]))} {outcome}, {found.steps[0]} steps"


def _attack(setup: Setup, options: FoolOptions, inputs: NDArray[np.float32]) -> Adversarial:
    """Run the attack that was chosen; raise `TfvizError` for one that does not exist, or that has no such option."""
    attack = pick("method", options.method, ATTACKS)
    known = [name for name in defaults(options.method) if name != "batch_size"]
    given = dict(options.chosen)
    if options.away_from is not None:
        given["away_from"] = setup.targets([options.away_from])[0]
    unknown = [name for name in given if name not in known]
    if unknown:
        flags = ", ".join(map(_flag, known))
        raise UnknownMethodError(f"{options.method} has no {_flag(unknown[0])}; its options are: {flags}")
    target = None if options.target is None else setup.targets([options.target])[0]
    return attack(setup.network, inputs, target, pixel_range=setup.preprocessing.pixel_range, **given)


def _flag(name: str) -> str:
    """Return an option as it is written on the command line."""
    return f"--{name.replace('_', '-')}"


def _stages(setup: Setup, inputs: NDArray[np.float32], found: Adversarial) -> list[Stage]:
    """Return the original, the changed image, and what a PNG file keeps of that.

    All distances are from the original, so that the third shows what rounding leaves of the change. Each is run through
    the network anew.
    """
    network, head, data_format = setup.network.in_channels_last(), setup.network.head, setup.network.data_format
    prepare = setup.preprocessing
    low, high = prepare.pixel_range
    original, changed = map(data_format.to_last, (inputs, found.images))
    rounded = prepare(prepare.pictures(changed))
    stages = []
    for name, images in {"original": original, "changed": changed, "changed, as PNG": rounded}.items():
        logits = network.logits(images)
        probabilities = head.probabilities(logits)[0].numpy()
        predicted = int(head.predicted(logits)[0])
        differences = (images - original) / (high - low) * 255
        stages.append(
            Stage(
                name,
                prepare.pictures(images)[0],
                _labels_on(setup, logits[0]) if has_labels(head) else _name(setup, predicted),
                float(probabilities[predicted]),
                probabilities,
                float(np.linalg.norm(differences)),
                float(np.abs(differences).max()),
            )
        )
    return stages


def _labels_on(setup: Setup, logits: NDArray[np.float32]) -> str:
    """Return the names of the labels whose probability is above 0.5, the most probable first."""
    found = [int(index) for index in np.argsort(-logits, kind="stable") if logits[index] > 0]
    names = ", ".join(_name(setup, index) for index in found[:MOST_LABELS]) or "no label"
    return names + (f" and {len(found) - MOST_LABELS} more" if len(found) > MOST_LABELS else "")


def _drawn(setup: Setup, options: FoolOptions, stages: Sequence[Stage], found: Adversarial) -> NDArray[np.uint8]:
    """Return the original, the changed image and their magnified difference side by side, with captions."""
    original, changed, _ = stages
    differences = setup.network.data_format.to_last(found.differences)[
        0, ..., :: -1 if setup.preprocessing.order == "bgr" else 1
    ]
    captions = [
        f"original: {original.taken_for} {original.highest:.2f}",
        f"{options.method}: {changed.taken_for} {changed.highest:.2f}",
        f"difference x {MAGNIFICATION}: L2={changed.l2:.1f}, L-infinity={changed.linf:.1f}",
    ]
    pictures = [original.picture, changed.picture, difference_picture(differences, MAGNIFICATION)]
    return montage(pictures, columns=len(pictures), captions=captions)


def _print(setup: Setup, stages: Sequence[Stage], target: int) -> None:
    """Print what each stage is taken for, with which probability, and the probability of the target."""
    rows = [
        (
            each.name,
            each.taken_for,
            f"{each.highest:.4f}",
            f"{each.probabilities[target]:.4f}",
            f"{each.l2:.2f}",
            f"{each.linf:.2f}",
        )
        for each in stages
    ]
    taken_for, highest = ("labels on", "highest") if has_labels(setup.network.head) else ("taken for", "probability")
    print_rows(("image", taken_for, highest, _name(setup, target), "L2 of 255", "L-infinity"), rows)


def _name(setup: Setup, index: int) -> str:
    """Return what a class is called."""
    return class_name(index, setup.class_names)
