#!/usr/bin/env python
"""Measure the metrics: which of them can tell a true map from a false one, where the truth is known.

    python scripts/meta_evaluation.py [--images 20]

On the embedded network, whose pictures come with the shape that decides, and on a network in which a mark is planted
that decides half of one class. The true map is the cause, a little blurred; the false ones are the same map elsewhere,
the object that a person would point at, noise, and edges. Printed is, for each metric, the share of the images for
which it prefers the true map: 0.5 is chance. Metrics that run a method again are not among them, because a true map has
no method.
"""

from __future__ import annotations

import argparse
from typing import Any

import cv2
import numpy as np
from known_causes.planted import MARKED, planted_network, planted_pictures

import tfviz
from tfviz import demo
from tfviz.errors import TfvizError
from tfviz.results.comparison import BASELINES
from tfviz.results.metrics import METRICS, shared_passes

BLUR = 1 / 40  # of the side


def soft(masks: np.ndarray) -> np.ndarray:
    """Return masks as maps: blurred a little, with noise far below, since equal values have no order."""
    noise = np.random.default_rng(0).random(masks.shape) * 1e-3
    deviation = max(0.7, masks.shape[1] * BLUR)
    return np.stack([cv2.GaussianBlur(each.astype(np.float64), (0, 0), deviation) for each in masks]) + noise


def elsewhere(maps: np.ndarray) -> np.ndarray:
    """Return maps moved by half of the picture in both directions."""
    return np.roll(maps, (maps.shape[1] // 2, maps.shape[2] // 2), (1, 2))


def cases(count: int) -> dict[str, tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]]:
    """Return for each network: itself, images, targets, the masks of the causes, and false maps by name."""
    pictures = demo.generate(count, seed=5)
    images, embedded = pictures.images.astype(np.float32), tfviz.trace(demo.load_network())
    planted = planted_pictures(4 * count, 1)
    marked = planted.kinds == MARKED
    network = tfviz.trace(planted_network())
    found = {}
    for name, about in {
        "embedded": (embedded, images, pictures.labels, pictures.masks, {}),
        "planted": (
            network,
            planted.images[marked],
            planted.labels[marked],
            planted.causes[marked],
            {"the object": soft(planted.objects[marked])},
        ),
    }.items():
        traced, shown, targets, masks, own = about
        false = {"elsewhere": elsewhere(soft(masks)), **own}
        false |= {baseline: make(traced, shown, targets) for baseline, make in BASELINES.items()}
        found[name] = (traced, shown, targets, masks, false)
    return found


def value_of(name: str, network: Any, images: Any, targets: Any, masks: Any, maps: Any) -> np.ndarray:
    """Return what a metric measures of maps."""
    metric = METRICS[name]
    given = {"maps": (maps,), "masks": (maps, masks), "network": (network, images, targets, maps)}[metric.takes]
    return metric.compute(*given).values


def main() -> None:
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20)
    for case, (network, images, targets, masks, false) in cases(parser.parse_args().images).items():
        print(f"\n{case}, {len(images)} images\n\n| metric | family | {' | '.join(false)} |")
        print(f"| --- | --- |{' ---: |' * len(false)}")
        with shared_passes():
            for name, metric in METRICS.items():
                if metric.takes == "method":
                    continue
                try:
                    true = value_of(name, network, images, targets, masks, soft(masks))
                    sign = 1 if metric.better == "higher" else -1
                    shares = []
                    for maps in false.values():
                        other = value_of(name, network, images, targets, masks, maps)
                        shares.append(np.mean((sign * true > sign * other) + 0.5 * (true == other)))
                except TfvizError as error:
                    print(f"| {name} | {metric.family} | {error} |")
                    continue
                print(f"| {name} | {metric.family} | {' | '.join(f'{share:.2f}' for share in shares)} |", flush=True)


if __name__ == "__main__":
    main()
