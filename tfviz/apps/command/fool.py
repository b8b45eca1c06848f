"""`tfviz fool`: an image that a model takes for something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.apps.command.behaviour import say, tell
from tfviz.apps.command.tables import print_rows
from tfviz.apps.labels import class_name
from tfviz.apps.output import LONGEST_STEM, PICTURE_SUFFIX, replacing, short_name, write_array, write_picture
from tfviz.apps.setup import Setup
from tfviz.errors import UnknownMethodError
from tfviz.methods.adversarial import ATTACKS, Adversarial, defaults
from tfviz.results import difference_picture, montage
from tfviz.results.checks import pick

MAGNIFICATION = 10


@dataclass(frozen=True)
class FoolOptions:
    """The options of `tfviz fool` that are not about the model. chosen: those of the method that were given."""

    method: str
    target: str | None
    away_from: str | None
    chosen: Mapping[str, Any]
    save_array: bool


@dataclass(frozen=True)
class Stage:
    """An image on its way: what it is called, its picture, and what the network says of it."""

    name: str
    picture: NDArray[np.uint8]
    predicted: int
    probabilities: NDArray[np.float32]
    l2: float
    linf: float


def fool(setup: Setup, path: Path, options: FoolOptions, output: Path) -> bool:
    """Write the changed image and a picture of the change, print both; return whether the network is fooled."""
    inputs = setup.read(path).input[np.newaxis]
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
    aim = "reached" if options.target is not None else "left"
    outcome = aim if found.success[0] else f"not {aim}"
    tell(f"{options.method}: {_name(setup, int(found.targets[0]))} {outcome}, {found.steps[0]} steps")
    tell(*written[: 2 + options.save_array])
    if replaced:
        tell(replaced)
    if found.success[0] and stages[2].predicted != stages[1].predicted:
        say(
            f"warning: rounded to the 8 bits of a PNG file, the image is taken for "
            f"{_name(setup, stages[2].predicted)}; --save-array keeps what fools the network"
        )
    return bool(found.success[0])


def _attack(setup: Setup, options: FoolOptions, inputs: NDArray[np.float32]) -> Adversarial:
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
    return f"--{name.replace('_', '-')}"


def _stages(setup: Setup, inputs: NDArray[np.float32], found: Adversarial) -> list[Stage]:
    """Return the original, the changed image, and what a PNG file keeps of it."""
    prepare, head = setup.preprocessing, setup.network.head
    low, high = prepare.pixel_range
    rounded = prepare(prepare.pictures(found.images))
    stages = []
    for name, images in {"original": inputs, "changed": found.images, "changed, as PNG": rounded}.items():
        logits = setup.network.logits(images)
        differences = (images - inputs) / (high - low) * 255
        stages.append(
            Stage(
                name,
                prepare.pictures(images)[0],
                int(head.predicted(logits)[0]),
                head.probabilities(logits)[0].numpy(),
                float(np.linalg.norm(differences)),
                float(np.abs(differences).max()),
            )
        )
    return stages


def _drawn(setup: Setup, options: FoolOptions, stages: Sequence[Stage], found: Adversarial) -> NDArray[np.uint8]:
    original, changed, _ = stages
    differences = found.differences[0, ..., :: -1 if setup.preprocessing.order == "bgr" else 1]
    captions = [
        f"original: {_name(setup, original.predicted)} {original.probabilities[original.predicted]:.2f}",
        f"{options.method}: {_name(setup, changed.predicted)} {changed.probabilities[changed.predicted]:.2f}",
        f"difference x {MAGNIFICATION}: L2={changed.l2:.1f}, L-infinity={changed.linf:.1f}",
    ]
    pictures = [original.picture, changed.picture, difference_picture(differences, MAGNIFICATION)]
    return montage(pictures, columns=len(pictures), captions=captions)


def _print(setup: Setup, stages: Sequence[Stage], target: int) -> None:
    """Print what each stage is taken for, how surely, and the probability of the class that the change is about."""
    rows = [
        (
            each.name,
            _name(setup, each.predicted),
            f"{each.probabilities[each.predicted]:.4f}",
            f"{each.probabilities[target]:.4f}",
            f"{each.l2:.2f}",
            f"{each.linf:.2f}",
        )
        for each in stages
    ]
    print_rows(("image", "taken for", "probability", _name(setup, target), "L2 of 255", "L-infinity"), rows)


def _name(setup: Setup, index: int) -> str:
    return class_name(index, setup.class_names)
