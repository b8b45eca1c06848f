"""Remembers the scores of images, so that metrics and methods that ask for the same image run it once.

The whole image, one of nothing, those under the same random masks: in a comparison all metrics ask for them, for every
method. An image is known by its content, so that no metric needs to know of another. What methods find is remembered
by `shared_maps`.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfviz.arrays import Floats
from tfviz.network.traced import TracedNetwork
from tfviz.results.metrics.measuring.shared_maps import SharedMaps

REMEMBERED = 400_000_000
"""The bytes of scores that `shared_passes` keeps; those used longest ago are forgotten."""


@dataclass(eq=False)
class SharedPasses:
    """Scores by the image that they are of; asked: how many were asked for, computed: for how many a pass was run.

    maps: what methods found, with counts of its own.
    """

    asked: int = 0
    computed: int = 0
    maps: SharedMaps = field(default_factory=SharedMaps)
    _kept: OrderedDict[bytes, Floats] = field(default_factory=OrderedDict, repr=False)
    # A network's place in memory is a part of the key, so it must not be used for another one.
    _networks: dict[int, TracedNetwork] = field(default_factory=dict, repr=False)
    _bytes: int = field(default=0, repr=False)

    def logits(
        self,
        network: TracedNetwork,
        inputs: Sequence[tuple[Floats, Mapping[str, np.ndarray]]],
        run: Callable[[np.ndarray], Floats],
    ) -> Floats:
        """Return the logits (n, K) of images (H, W, C) with their other inputs; `run` those of the indices given."""
        self._networks[id(network)] = network
        keys = [_key(network, *each) for each in inputs]
        new = {key: index for index, key in enumerate(keys) if key not in self._kept}
        found = dict(zip(new, run(np.array([*new.values()])), strict=True)) if new else {}
        self.asked += len(keys)
        self.computed += len(new)
        logits = np.stack([found[key] if key in found else self._kept[key] for key in keys])
        self._keep(keys, logits)
        return logits

    def _keep(self, keys: Sequence[bytes], logits: Floats) -> None:
        for key, row in zip(keys, logits, strict=True):
            self._bytes += 0 if key in self._kept else row.nbytes
            self._kept[key] = row.copy()
            self._kept.move_to_end(key)
        while self._bytes > REMEMBERED:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes


def _key(network: TracedNetwork, image: Floats, beside: Mapping[str, np.ndarray]) -> bytes:
    # Processors have instructions for it, so that it takes half the time of other digests.
    digest = hashlib.sha256(image.tobytes(), usedforsecurity=False)
    digest.update(f"{id(network)} {image.shape}".encode())
    for name in sorted(beside):
        digest.update(f"{name} {beside[name].shape}".encode() + beside[name].tobytes())
    return digest.digest()


_SHARED: ContextVar[SharedPasses | None] = ContextVar("shared passes", default=None)


@contextmanager
def shared_passes() -> Iterator[SharedPasses]:
    """Run each image once for all metrics called inside; yields how many were asked for and computed."""
    shared = SharedPasses()
    token = _SHARED.set(shared)
    try:
        yield shared
    finally:
        _SHARED.reset(token)


def made_of(network: TracedNetwork, key: Any, make: Callable[[], Any]) -> Any:
    """Return what `make` returns, another network or `OtherWeights`: the same one for all that share their passes."""
    shared = sharing()
    return make() if shared is None else shared.maps.made(network, key, make)


def sharing() -> SharedPasses | None:
    """Return what the surrounding `shared_passes` remembers; None outside of one."""
    return _SHARED.get()
