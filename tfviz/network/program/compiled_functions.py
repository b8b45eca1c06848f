"""The functions that were compiled for a network, no more than a few of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakValueDictionary

MAXIMUM = 32
"""How many functions a network keeps: those used last. One takes 1 to 10 MB, more on large networks."""


class CompiledFunctions(OrderedDict[Hashable, Any]):
    """What was compiled for a network, by what it computes, in the order of its last use.

    made: how many were compiled so far, counting those again that had been forgotten. asked: what came of a request, by
    the request as it was made, as long as something here holds it. Not for several threads at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.asked: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()

    def find(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what is kept by `key`, or else what `make` makes; forget the one that was used longest ago."""
        if key not in self:
            self[key] = make()
            self.made += 1
        self.move_to_end(key)
        while len(self) > MAXIMUM:
            self.popitem(last=False)
        return self[key]
