"""Remembers what methods find, and runs those of a comparison together when one of them is run again.

Robustness and randomisation run each method on the same changed images. So what the first one asks for is found by all
of them in one compiled function, which shares their passes, and remembered until the others ask.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfviz.errors import TfvizError
from tfviz.network.traced import OtherWeights, TracedNetwork

OptionsByName = Mapping[str, Mapping[str, Any]]
"""The options of methods by their names."""

REMEMBERED = 1_000_000_000
"""The bytes of maps and attributions that are kept; those used longest ago are forgotten."""


@dataclass(eq=False)
class SharedMaps:
    """What methods found, by the images they were run on; asked, computed: how many maps were asked for, and found.

    Only methods that were named by `together` are remembered, on networks that were made here or named with them.
    """

    asked: int = 0
    computed: int = 0
    _methods: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list, repr=False)
    _made: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False)
    # A network's place in memory is a part of the key, so it must not be used for another one.
    _networks: dict[int, TracedNetwork] = field(default_factory=dict, repr=False)
    _kept: OrderedDict[tuple[bytes, int], np.ndarray] = field(default_factory=OrderedDict, repr=False)
    _forgotten: set[bytes] = field(default_factory=set, repr=False)
    _bytes: int = field(default=0, repr=False)

    def together(self, network: TracedNetwork, methods: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Name the methods, with their options, that are run on the same images of a network again and again."""
        self._networks[id(network)] = network
        self._methods = [*methods]

    def know(self, network: TracedNetwork, given: Any, targets: np.ndarray, found: Sequence[np.ndarray]) -> None:
        """Take what each of the methods, in their order, found in given images."""
        key = self._key(network, given, targets)
        for number, each in enumerate(found):
            self._keep((key, number), each)

    def made(self, network: TracedNetwork, key: Any, make: Callable[[], Any]) -> Any:
        """Return what was made of a network under this key, another network or `OtherWeights`: the same each time."""
        if (network, key) not in self._made:
            found = self._made[network, key] = make()
            other = found.network if isinstance(found, OtherWeights) else found
            self._networks[id(other)] = other
        return self._made[network, key]

    def found(
        self,
        network: TracedNetwork,
        given: Any,
        targets: np.ndarray,
        chosen: tuple[str, Mapping[str, Any]],
        run: Callable[[OptionsByName], Mapping[str, np.ndarray]],
    ) -> np.ndarray:
        """Return what the chosen method finds in the given images; `run` returns it for several methods at once."""
        number = self._number(*chosen)
        self.asked += len(targets)
        if number is None or id(network) not in self._networks:
            self.computed += len(targets)
            return run(dict([chosen]))[chosen[0]]
        key = self._key(network, given, targets)
        if (key, number) not in self._kept:
            self._run(key, number, len(targets), run)
        self._kept.move_to_end((key, number))
        return self._kept[key, number]

    def _run(
        self, key: bytes, number: int, count: int, run: Callable[[OptionsByName], Mapping[str, np.ndarray]]
    ) -> None:
        """Find what is missing for these images, at least of the method of that number."""
        wanted = {self._methods[number][0]: number}
        if key not in self._forgotten:
            for other, (method, _) in enumerate(self._methods):
                if (key, other) not in self._kept:
                    wanted.setdefault(method, other)
        try:
            found = run({method: self._methods[each][1] for method, each in wanted.items()})
        except TfvizError:
            # Of one that cannot be run on changed images or another network, the others must not suffer.
            wanted = {self._methods[number][0]: number}
            found = run(dict([self._methods[number]]))
        self.computed += count * len(wanted)
        # What was asked for comes last, and so is kept whatever is forgotten.
        for method, each in reversed(wanted.items()):
            self._keep((key, each), found[method])

    def _keep(self, place: tuple[bytes, int], found: np.ndarray) -> None:
        """Keep what was found, and forget what was used longest ago: it is not found for all methods again."""
        self._bytes += 0 if place in self._kept else found.nbytes
        self._kept[place] = found
        self._kept.move_to_end(place)
        while self._bytes > REMEMBERED and len(self._kept) > 1:
            (key, _), oldest = self._kept.popitem(last=False)
            self._forgotten.add(key)
            self._bytes -= oldest.nbytes

    def _number(self, method: str, options: Mapping[str, Any]) -> int | None:
        """Return which of the methods this is: its options are the same objects."""
        for number, (name, own) in enumerate(self._methods):
            if name == method and own.keys() == options.keys() and all(own[each] is options[each] for each in own):
                return number
        return None

    def _key(self, network: TracedNetwork, given: Any, targets: np.ndarray) -> bytes:
        """Return what names images, with their other inputs and targets, on a network with the weights it has now."""
        digest = hashlib.blake2b(f"{id(network)}".encode(), digest_size=20)
        arrays = given if isinstance(given, Mapping) else {"": given}
        for name, each in {**arrays, "targets": targets}.items():
            digest.update(f"{name} {np.shape(each)}".encode() + np.asarray(each).tobytes())
        for made in self._made.values():
            if isinstance(made, OtherWeights) and made.network is network:
                for values in (each for layer in made.layers for each in layer.values()):
                    digest.update(values.tobytes())
        return digest.digest()
