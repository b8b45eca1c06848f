#!/usr/bin/env python
"""Measure the metrics: which of them can tell a true map from a false one, where the truth is known.

    python scripts/meta_evaluation.py [--images 20] [--metric NAME ...] [--case NAME ...]

Three networks: the embedded one, whose pictures come with the shape that decides; one in which a mark is planted that
decides half of one class; and four copies of the embedded one side by side, of which one alone can have a part in the
score. The true map is the cause, a little blurred; the false ones are the same map elsewhere, the object that a person
would point at, noise, and edges. Printed is, for each metric, the share of the images for which it prefers the true
map: 0.5 is chance. Metrics that run a method again are not among them, because a true map has no method.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from known_causes.cases import KNOWN, Case

from tfviz.errors import TfvizError
from tfviz.results.comparison import BASELINES
from tfviz.results.metrics import METRICS, shared_passes

BLUR = 1 / 40  # of the side
FALSE = ("elsewhere", "the object", *BASELINES)
"""The false maps, by name."""
OF_MAPS = tuple(name for name, metric in METRICS.items() if metric.takes != "method")
"""The metrics that measure a map without running a method."""


def soft(masks: np.ndarray) -> np.ndarray:
    """Return masks as maps: blurred a little, with noise far below, since equal values have no order."""
    noise = np.random.default_rng(0).random(masks.shape) * 1e-3
    deviation = max(0.7, masks.shape[1] * BLUR)
    return np.stack([cv2.GaussianBlur(each.astype(np.float64), (0, 0), deviation) for each in masks]) + noise


def elsewhere(maps: np.ndarray) -> np.ndarray:
    """Return maps moved by half of the picture in both directions."""
    return np.roll(maps, (maps.shape[1] // 2, maps.shape[2] // 2), (1, 2))


def false_maps(case: Case) -> dict[str, np.ndarray]:
    """Return maps that do not show the causes, by name."""
    own = {} if case.objects is None else {"the object": soft(case.objects)}
    beside = {name: make(case.network, case.images, case.targets) for name, make in BASELINES.items()}
    return {"elsewhere": elsewhere(soft(case.masks)), **own, **beside}


def value_of(name: str, network: Any, images: Any, targets: Any, masks: Any, maps: Any) -> np.ndarray:
    """Return what a metric measures of maps."""
    metric = METRICS[name]
    given = {"maps": (maps,), "masks": (maps, masks), "network": (network, images, targets, maps)}[metric.takes]
    return metric.compute(*given).values


def preference(case: Case, name: str, false: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the share of the images for which a metric prefers the true map to each of the false ones."""

    def values(maps: np.ndarray) -> np.ndarray:
        found = value_of(name, case.network, case.images, case.targets, case.masks, maps)
        return found if METRICS[name].better == "higher" else -found

    true = values(soft(case.masks))
    found = {}
    for key, maps in false.items():
        other = values(maps)
        defined = np.isfinite(true) & np.isfinite(other)
        wins = (true > other) + 0.5 * (true == other)
        found[key] = float(wins[defined].mean()) if defined.any() else float("nan")
    return found


def main() -> None:
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--metric", nargs="*", default=OF_MAPS, choices=OF_MAPS)
    parser.add_argument("--case", nargs="*", default=[*KNOWN], choices=[*KNOWN])
    given = parser.parse_args()
    for case in (KNOWN[name](given.images) for name in given.case):
        false = false_maps(case)
        print(f"\n{case.name}, {len(case.images)} images\n\n| metric | family | {' | '.join(false)} | seconds |")
        print(f"| --- | --- |{' ---: |' * (len(false) + 1)}")
        with shared_passes():
            for name in given.metric:
                started = time.monotonic()
                try:
                    shares = [f"{share:.2f}" for share in preference(case, name, false).values()]
                except TfvizError as error:
                    shares = [str(error)]
                took = f"{time.monotonic() - started:.0f}"
                print(f"| {name} | {METRICS[name].family} | {' | '.join([*shares, took])} |", flush=True)


if __name__ == "__main__":
    main()
