"""Refuses what a file holds beside plain data and arithmetic or, with `safe_mode=False`, warns about it.

`configuration`, `links`, `saved_graphs` and `effects` gather it as data; here it becomes one message, in which all that
a file says is quoted, with escapes and not at any length. A class or function that the user may have meant to pass
(`Missing`) is not refused here: those who open the file ask for it by name.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tfviz.errors import UnsafeModelError

_QUOTING = reprlib.Repr()
_QUOTING.maxstring = _QUOTING.maxother = 100
SHOWN = 3
TRUST = "If you trust whoever made it: tfviz.trace(..., safe_mode=False), on the command line --no-safe-mode"


@dataclass(frozen=True)
class Finding:
    """Something in a file that is more than plain data and arithmetic.

    what: it, as in "it holds ...". does: what comes of it, as in "which ...".
    """

    what: str
    does: str

    def __str__(self) -> str:
        """Return it as a part of a sentence."""
        return f"{self.what}, which {self.does}"


@dataclass(frozen=True)
class Missing:
    """A class or function that is not Keras's own and may be the user's: its name, and the module that is named."""

    name: str
    module: str = ""

    def __str__(self) -> str:
        """Return it as a part of a sentence."""
        of = f" of the module {quoted(self.module)}" if self.module else ""
        return f"{quoted(self.name)}{of}, which is not part of Keras"


def refuse(place: str, findings: Sequence[Finding], advice: str = TRUST) -> None:
    """Raise `UnsafeModelError` if there are findings."""
    if findings:
        raise UnsafeModelError(f"{place} is not opened: it holds {_listed(findings)}. {advice}")


def risks(place: str, findings: Sequence[Finding | Missing]) -> list[str]:
    """Return what must be said of what was opened all the same, a message or none."""
    if not findings:
        return []
    return [f"{place} was opened with safe_mode=False, so it may do all that you may: it holds {_listed(findings)}"]


def quoted(text: Any) -> str:
    """Return a text from a file as a message shows it: in quotes, with escapes, and not too long."""
    return _QUOTING.repr(text)


def _listed(findings: Sequence[Finding | Missing]) -> str:
    different = list(dict.fromkeys(map(str, findings)))
    more = f"; and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
    return "; ".join(different[:SHOWN]) + more
