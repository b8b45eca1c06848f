"""Judges what methods found: maps that are not finite are refused, those that are zero or imprecise told of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tfviz.arrays import name_images
from tfviz.errors import TfvizError
from tfviz.methods.engine.compiled import Compiled
from tfviz.network.diagnosis import OVERFLOW, check_weights
from tfviz.network.replay import FULL
from tfviz.network.traced import TracedNetwork


def judge_diagnostics(
    compiled: Compiled, diagnostics: dict[str, dict[str, np.ndarray]], columns: int
) -> tuple[str, ...]:
    """Return warnings about the diagnostics, by the number of the image: those of the worst of its columns."""
    worst = f" (the worst of its {columns} targets)" if columns > 1 else ""
    return tuple(
        message + worst
        for name, numbers in diagnostics.items()
        for message in compiled.runs[name].method.judged(
            {key: np.fmax.reduce(each.reshape(-1, columns), axis=1) for key, each in numbers.items()}
        )
    )


def refuse_broken_maps(
    network: TracedNetwork, compiled: Compiled, found: dict[str, Any], columns: int
) -> dict[str, dict[int, str]]:
    """Return for each method why its maps are zero everywhere, by their rows; raise if a map is not finite."""
    reduced = network.running.precision
    zero: dict[str, dict[int, str]] = {}
    for name, values in found["maps"].items():
        axes = tuple(range(1, values.ndim))
        lowest, highest = values.min(axis=axes), values.max(axis=axes)
        finite = np.isfinite(lowest) & np.isfinite(highest)
        if not finite.all():
            check_weights(network, int(np.argmin(finite)) // columns)
            raise TfvizError(
                f"{name} of image {int(np.argmin(finite)) // columns} holds NaN or infinite values: {OVERFLOW}"
            )
        rows = np.flatnonzero((lowest == 0) & (highest == 0))
        if rows.size:
            check_weights(network, int(rows[0]) // columns)
            otherwise = compiled.runs[name].zero_means
            otherwise += "" if reduced == FULL else f", or its numbers are too small or too large for {reduced}"
            reasons = compiled.runs[name].why_zero(network, found["images"][rows])
            zero[name] = {int(row): why or otherwise for row, why in zip(rows, reasons, strict=True)}
    return zero


def about_zero(zero: Mapping[str, Mapping[int, str]], columns: int) -> Iterator[str]:
    """Yield warnings about maps that are zero everywhere, each reason once."""
    for name, reasons in zero.items():
        for why in dict.fromkeys(reasons.values()):
            images = np.unique([row // columns for row, each in reasons.items() if each == why])
            yield f"{name} is zero everywhere for image {name_images(images)}: {why}"
