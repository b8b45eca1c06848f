"""What a file holds beside plain data and arithmetic: it is refused or, with `safe_mode=False`, warned about."""

from __future__ import annotations

import reprlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tfviz.errors import TfvizWarning, UnsafeModelError

_QUOTING = reprlib.Repr()
_QUOTING.maxstring = _QUOTING.maxother = 100


@dataclass(frozen=True)
class Finding:
    """Something in a file that is more than plain data and arithmetic.

    what: it, as in "it holds ...". does: what comes of it, as in "which ...". missing: the name of a class or function
    that may be the user's own, and is harmless then; empty for what no user can pass.
    """

    what: str
    does: str = ""
    missing: str = ""

    def __str__(self) -> str:
        """Return it as a part of a sentence."""
        return f"{self.what}, which {self.does}"


def refuse(place: str, findings: Sequence[Finding]) -> None:
    """Raise `UnsafeModelError` where there are findings."""
    if findings:
        raise UnsafeModelError(
            f"{place} is not opened: it holds {findings[0]}. If you trust whoever made it: "
            "tfviz.trace(..., safe_mode=False), on the command line --no-safe-mode"
        )


def warn(place: str, findings: Sequence[Finding]) -> None:
    """Say what was opened all the same."""
    if findings:
        warnings.warn(
            f"{place} was opened with safe_mode=False: it holds {findings[0]}, with all your rights",
            TfvizWarning,
            stacklevel=2,
        )


def quoted(text: Any) -> str:
    """Return what a file says as it is shown in a message: in quotes, with escapes, and not too long."""
    return _QUOTING.repr(text)
