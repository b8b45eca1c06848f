"""Counts what explanations cost while a network is trained: seconds for each, and all as a share of the training.

Compiling is counted by itself, since it happens once and says nothing of what one more explanation would cost; the
share includes it. The share is of the time from the beginning of the training to the moment that it is asked for.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass
class Cost:
    """Cost in seconds: when the training began, how long compiling took, and all explanations together."""

    began: float
    compiling: float = 0.0
    times: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> float:
        """Add one time, and return its seconds."""
        self.times, self.seconds = self.times + 1, self.seconds + seconds
        return seconds

    def __str__(self) -> str:
        """Return the cost in words."""
        share = (self.compiling + self.seconds) / (time.perf_counter() - self.began)
        each = self.seconds / max(self.times, 1)
        return (
            f"{each:.2g} s each of {self.times} times, {self.compiling:.2g} s to compile: {share:.0%} of the training"
        )
