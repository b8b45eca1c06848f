"""A cache of the functions compiled for one network, which keeps those used last.

Numbers (seeds, steps, samples, masks, baselines) are arguments of a compiled function, and only what must be a constant
(layers, methods, recipes) belongs to its key. When each seed and number of steps compiled a function of its own, which
was kept for good, memory grew by 6 MB each time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakValueDictionary

MAXIMUM = 32
"""How many functions a network keeps. One takes 1 to 10 MB, more on large networks."""


class CompiledFunctions(OrderedDict[Hashable, Any]):
    """Compiled functions by what they compute, in the order of their last use. Not safe for several threads.

    made: how many were compiled so far; a function that was forgotten and compiled again counts twice. asked: what came
    of a request, by the request as it was made, as long as something here holds it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.asked: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()

    def find(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the function kept under `key`, or make and keep it; forget the one used longest ago."""
        if key not in self:
            self[key] = make()
            self.made += 1
        self.move_to_end(key)
        while len(self) > MAXIMUM:
            self.popitem(last=False)
        return self[key]
