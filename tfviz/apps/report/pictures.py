"""The pictures of a report: each with its classes, and a map of every method for each of them.

Attributions become maps as in every other picture of tfviz: the sum over the colours where their sign is evidence, and
else the largest absolute value, for a sign that tells how a colour must change is not shown as evidence. The values
that travel are those of the method; only colours start where its registry says.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tfviz.apps.explanation import CLIP_PERCENTILE, Explanation
from tfviz.apps.files import class_name
from tfviz.apps.report.quantised import QuantisedMap, Room, quantise, shrunk
from tfviz.arrays import Floats, Picture
from tfviz.methods.engine import is_direction, method_of
from tfviz.results import collapse, color_scales, tiles

SIDES = (384, 256, 160, 96, 64)
"""Pixels of the longer side of a picture: the first of them with which it takes as few bytes as it must."""
MOST_PNG_BYTES = 40_000
"""A picture that takes more without loss is written as JPEG."""
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88]
NOTHING_POSITIVE = "nothing in it is positive, so that no colour shows"


@dataclass(frozen=True)
class ReportedMap:
    """A map of a method for a class.

    values: None if it is zero everywhere. notes: what must be said of it. diagnostics: the numbers that say how far it
    can be trusted, by their names.
    """

    method: str
    values: QuantisedMap | None
    notes: tuple[str, ...]
    diagnostics: Mapping[str, float]


@dataclass(frozen=True)
class ReportedTarget:
    """A class of a picture, or its only score: the name, the score, the probability if there is one, and its maps."""

    name: str
    score: float
    probability: float | None
    maps: tuple[ReportedMap, ...]


@dataclass(frozen=True)
class ReportedPicture:
    """A picture as the network sees it, and what was found in it.

    digest: the first digits of the SHA-256 of its file. width, height: in pixels of the network's image. url, overlay:
    the picture, and the first map over it, as URLs that hold them. predicted, true: names of classes; empty where they
    are not known. is_right: whether these are one class, since several may have one name; None where that is not known.
    remarks: what must be said of the file.
    """

    name: str
    digest: str
    width: int
    height: int
    url: str
    overlay: str
    predicted: str
    true: str
    targets: tuple[ReportedTarget, ...]
    is_right: bool | None = None
    remarks: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return what the script of the page reads."""
        return {
            "name": self.name,
            "targets": [
                {"name": target.name, "maps": [_map_data(each) for each in target.maps]} for target in self.targets
            ],
        }


def _map_data(found: ReportedMap) -> dict[str, Any]:
    diagnostics = [[name, f"{value:.4g}"] for name, value in found.diagnostics.items()]
    values = None if found.values is None else found.values.as_data()
    return {"values": values, "notes": found.notes, "diagnostics": diagnostics}


def report_picture(
    explanation: Explanation,
    picture: Picture,
    path: Path,
    notes: Sequence[Mapping[str, Sequence[str]]],
    *,
    room: Room,
    class_names: Sequence[str] | None,
    predicted: int | None,
    true: int | None,
    remarks: Sequence[str] = (),
) -> ReportedPicture:
    """Return the part of a report about one picture.

    explanation: the rows of that picture, one for each class. picture: uint8 RGB (H, W, 3), of the network's size.
    notes: for each row what must be said of each method. room: what a map and a picture may take. predicted, true:
    indices of classes; None where they are not known. remarks: what must be said of the file.
    """
    maps = {name: _collapsed(explanation, name) for name in explanation.maps}
    targets = tuple(
        _target(explanation, row, maps, notes=notes[row], side=room.side, class_names=class_names)
        for row in range(len(explanation.targets))
    )
    height, width = picture.shape[:2]
    predicted_name, true_name = ("" if each is None else class_name(each, class_names) for each in (predicted, true))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    url, overlay = (url_of(shown, room.picture) for shown in (picture, _overlay(explanation, picture)))
    is_right = None if true is None or predicted is None else true == predicted
    shown = (path.name, digest, width, height, url, overlay, predicted_name, true_name, targets)
    return ReportedPicture(*shown, is_right=is_right, remarks=tuple(remarks))


def _target(
    explanation: Explanation,
    row: int,
    maps: Mapping[str, tuple[Floats, bool]],
    *,
    notes: Mapping[str, Sequence[str]],
    side: int,
    class_names: Sequence[str] | None,
) -> ReportedTarget:
    """Return a class of a picture with its maps."""
    target, score = int(explanation.targets[row]), float(explanation.scores[row])
    found = []
    for name, (values, signed) in maps.items():
        numbers = {key: float(each[row]) for key, each in explanation.diagnostics.get(name, {}).items()}
        known = {key: value for key, value in numbers.items() if math.isfinite(value)}
        quantised = _quantised(name, values[row], signed, side) if values[row].any() else None
        about = [f"zero everywhere: {_why_zero(explanation, name, row)}"] if quantised is None else []
        if quantised is not None and quantised.low == quantised.high:
            about.append(NOTHING_POSITIVE)
        found.append(ReportedMap(name, quantised, (*about, *notes.get(name, ())), known))
    is_class = explanation.has_classes and math.isfinite(score)
    has_probability = is_class and explanation.head not in ("none", "custom")
    probability = float(explanation.probabilities[row, target]) if has_probability else None
    name = class_name(target, class_names) if is_class else "no class"
    return ReportedTarget(name, score, probability, tuple(found))


def _why_zero(explanation: Explanation, name: str, row: int) -> str:
    """Return why a map is zero everywhere, as far as the run knows, or what it means of the method."""
    return explanation.zero_maps.get(name, {}).get(row, method_of(name).zero_means)


def _collapsed(explanation: Explanation, name: str) -> tuple[Floats, bool]:
    """Return what a method found as maps (N, h, w) of its own values, and whether their sign is shown."""
    values = explanation.in_channels_last()[name]
    signed = explanation.signed[name]
    if values.ndim == 3:
        return values, bool((values < 0).any()) if signed is None else signed
    is_evidence = bool(signed) and not is_direction(name, explanation.options[name])
    return collapse(values, "sum" if is_evidence else "max_abs"), is_evidence


def _quantised(name: str, values: Floats, signed: bool, side: int) -> QuantisedMap:
    """Return a map (h, w) for the page, with colours as in the pictures of commands."""
    small = np.asarray(shrunk(values, side))
    from_minimum = method_of(name).shown_from == "minimum"
    coloured = small - small.min() if from_minimum else small
    (scale,) = color_scales(coloured[np.newaxis], clip_percentile=CLIP_PERCENTILE, signed=signed)
    return quantise(small, scale, is_signed=signed, from_minimum=from_minimum)


def _overlay(explanation: Explanation, picture: Picture) -> Picture:
    """Return the first map for the first class over the picture, for a reader whose browser runs no scripts."""
    name = next(iter(explanation.maps))
    found, signed = explanation.shown()[name][:1], explanation.signed[name]
    look: dict[str, Any] = {
        "signed": signed,
        "own_colors": explanation.own_colors[name],
        "clip_percentile": CLIP_PERCENTILE,
    }
    return tiles([picture], found, **look)[0]


def url_of(picture: Picture, most_bytes: int) -> str:
    """Return the URL that holds a picture, uint8 RGB (H, W, 3): a PNG if that is small, else a JPEG.

    It is shrunk as far as it must be to take at most `most_bytes`.
    """
    for side in SIDES:
        turned = shrunk(picture, side)[..., ::-1]
        for kind, parameters, most in (("png", [], MOST_PNG_BYTES), ("jpeg", JPEG, most_bytes)):
            encoded = cv2.imencode(f".{kind}", turned, parameters)[1].tobytes()
            if len(encoded) <= min(most, most_bytes):
                return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"
