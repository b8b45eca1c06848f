"""Maps that do not look at the network: what a method must beat before its number means anything.

Each is a method as metrics take it, `(network, images, targets) -> maps`. A random map is drawn anew for every image,
also for one that hardly changed. Objects of photographs lie in the middle, and edges are where they are, so that a
centred Gaussian and an edge detector reach numbers that look like knowledge. A network that has learnt nothing still
has gradients, which follow the image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import cv2
import numpy as np

from tfviz.arrays import Doubles, Floats
from tfviz.errors import TfvizError, suggestion
from tfviz.methods import Results, run_methods
from tfviz.network.traced import OtherWeights, TracedNetwork
from tfviz.results.metrics import with_random_weights

Baseline = Callable[[TracedNetwork, Any, Any], Doubles]
# A side of the image over the standard deviation of the Gaussian: two thirds of its mass lie in the middle half.
GAUSSIAN_SIDES = 4


def random_map(network: TracedNetwork, images: Any, targets: Any) -> Doubles:
    """Return numbers drawn evenly from 0..1, (N, H, W); the same image has the same ones."""
    return np.stack([np.random.default_rng(_seed(each)).random(each.shape[:2]) for each in _images(network, images)])


def centred_gaussian(network: TracedNetwork, images: Any, targets: Any) -> Doubles:
    """Return a Gaussian over the middle of each image, (N, H, W), 1 at most."""
    count, height, width = _images(network, images).shape[:3]
    down, across = (
        np.exp(-0.5 * np.square((np.arange(side) - (side - 1) / 2) * GAUSSIAN_SIDES / side)) for side in (height, width)
    )
    return np.broadcast_to(np.outer(down, across), (count, height, width)).copy()


def edges(network: TracedNetwork, images: Any, targets: Any) -> Doubles:
    """Return how steep the mean of the channels is at each pixel, by Sobel's filters of 3 pixels, (N, H, W)."""
    found = []
    for image in _images(network, images).mean(axis=3, dtype=np.float64):
        down, across = (cv2.Sobel(image, cv2.CV_64F, *order, ksize=3) for order in ((0, 1), (1, 0)))
        found.append(np.hypot(down, across))
    return np.stack(found)


def untrained_network(network: TracedNetwork, images: Any, targets: Any) -> Doubles:
    """Return the saliency, (N, H, W), of the network with random weights: those that `weights="centred"` draws.

    The network itself stays as it is. Raises `UnsupportedModelError` if its weights were frozen into constants.
    """
    if network not in _UNTRAINED:
        _UNTRAINED[network] = with_random_weights(network)
    known = targets if network.head.has_classes else None
    found: Results = run_methods(_UNTRAINED[network].network, {"saliency": {}}, images, known)
    return found["saliency"].astype(np.float64)


# As long as the network itself is there: a metric asks for the maps of many changed images.
_UNTRAINED: WeakKeyDictionary[TracedNetwork, OtherWeights] = WeakKeyDictionary()

BASELINES: dict[str, Baseline] = {
    "random_map": random_map,
    "centred_gaussian": centred_gaussian,
    "edges": edges,
    "untrained_network": untrained_network,
}
"""Every baseline by its name."""


def find_baselines(names: Iterable[str]) -> Mapping[str, Baseline]:
    """Return the baselines of those names; raise `TfvizError` with close matches."""
    found = {}
    for name in names:
        if name not in BASELINES:
            raise TfvizError(
                f"no baseline {name!r}; " + suggestion(name, BASELINES, f"they are {', '.join(BASELINES)}")
            )
        found[name] = BASELINES[name]
    return found


def _images(network: TracedNetwork, given: Any) -> Floats:
    """Return images (N, H, W, C) of what a network is given: an array, or a dictionary of all inputs."""
    images = given[network.inputs.name] if isinstance(given, Mapping) else given
    return network.data_format.to_last(np.asarray(images, np.float32))


def _seed(image: Floats) -> int:
    return int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=8).digest(), "little")
