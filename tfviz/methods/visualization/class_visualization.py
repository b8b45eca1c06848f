"""Pictures of classes: feature visualisation of their scores, with the classes as targets.

`pixel_range` has no default: distances are measured in units of it, so that a recipe means the same under any
preprocessing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tfviz.arrays import Indices
from tfviz.errors import InvalidTargetsError
from tfviz.methods.visualization.feature_visualization import FeatureVisualization, feature_visualization
from tfviz.methods.visualization.objectives import Class
from tfviz.network import trace
from tfviz.network.batches import as_targets
from tfviz.network.traced import TracedNetwork


@dataclass(frozen=True, repr=False)
class ClassVisualization(FeatureVisualization):
    """A `FeatureVisualization` of classes. targets: (N,)."""

    targets: Indices


def class_visualization(
    model: Any, targets: Any, *, pixel_range: tuple[Any, Any], preset: str = "fourier", **options: Any
) -> ClassVisualization:
    """Return an image for each target class that maximises s_c(I), less what the recipe subtracts.

    It is `feature_visualization` of the objectives `Class`, and takes all of its options.

    Parameters
    ----------
    model
        Anything that `tfviz.trace` opens.
    targets
        Class indices or names (N,), or one; None if the network was traced with a score of your own.
    pixel_range
        What black and white are in the model's input space: two numbers, or two arrays (C,).
    preset
        One of `PRESETS`, see `feature_visualization`.
    **options
        `seed`, `snapshots`, `image_shape`, `images`, `color_statistics`, and the fields of the preset's `Recipe`.

    Returns
    -------
    ClassVisualization
        One image for each target, in their order, with scores and history.

    Raises
    ------
    InvalidTargetsError
        There are no targets though the network has classes, or one is out of range.
    TfvizError
        As `feature_visualization` raises.
    """
    network = trace(model)
    classes = _classes(network, targets)
    objectives = [Class(None if targets is None else int(each)) for each in classes]
    found = feature_visualization(network, objectives, pixel_range=pixel_range, preset=preset, **options)
    return ClassVisualization(**vars(found), targets=classes)


def _classes(network: TracedNetwork, targets: Any) -> np.ndarray:
    """Return the classes to show, int32 (N,), [0] for a custom score, which has none; raise `InvalidTargetsError`."""
    network.head.check()
    if network.num_classes is not None and targets is None:
        raise InvalidTargetsError(f"targets is None, expected the class to show, 0 to {network.num_classes - 1}")
    if targets is None:
        return np.zeros(1, np.int32)
    if np.size(targets) == 0:
        raise InvalidTargetsError("targets are empty, expected at least one class index")
    return as_targets(network.head, targets).flat
