"""The errors and warnings of tfviz.

    TfvizError (ValueError)
    ├── UnsupportedModelError    the model cannot be opened or explained
    │   └── UnsafeModelError     its file holds more than a network: code, other files, other machines
    ├── UnknownLayerError        no such layer, or several of that name
    ├── UnknownMethodError       no such method, or an option that it does not have
    ├── InvalidImagesError       images of the wrong shape, type or content
    ├── InvalidTargetsError      targets out of range, or too many or too few
    └── RuleError                a backward rule that does not apply to this network

    TfvizWarning (UserWarning)   the result is right but may not mean what it seems to

A message says what was wrong, what was expected and what exists, in one line. It quotes names from files and models of
strangers, so every message is made printable here, where no caller can forget it. All errors that a user can cause
derive from `TfvizError`.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import warnings
from collections.abc import Iterable
from types import FrameType

from tfviz.printable import printable

_PACKAGE = os.path.dirname(__file__) + os.sep


class TfvizError(ValueError):
    """Base class of the errors that a user can cause. Its message is one printable line, whatever it quotes."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class UnsupportedModelError(TfvizError):
    """The model cannot be opened or explained, with these options or at all."""


class UnsafeModelError(UnsupportedModelError):
    """The file of a model holds more than a network: code, other files, other machines."""


class UnknownLayerError(TfvizError):
    """No layer of that name, or several."""


class UnknownMethodError(TfvizError):
    """No method of that name, or an option that it does not have."""


class InvalidImagesError(TfvizError):
    """Images of the wrong shape, type or content."""


class InvalidTargetsError(TfvizError):
    """Targets out of range, or too many or too few."""


class RuleError(TfvizError):
    """A backward rule that does not apply to this network."""


class TfvizWarning(UserWarning):
    """The result is right but may not mean what it seems to. Its message is one printable line, as an error's.

    It is emitted for the caller's line by `emit_warnings`, so that Python shows it once for each place that calls.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def emit_warnings(messages: Iterable[str]) -> None:
    """Emit messages as `TfvizWarning`s of the line outside tfviz that called it.

    For public functions, commands and the app alone: inside, what must be said is data. Whoever silenced another
    function's warnings would silence the process, with all its threads.
    """
    for message in messages:
        warnings.warn(message, TfvizWarning, stacklevel=_frames_inside() + 1)


def _frames_inside() -> int:
    """Return how many frames of tfviz, from the caller's outwards, come before the first of other code.

    A fixed number would not do: a public function is called directly, by another one, or through the command line.
    """
    frame: FrameType | None = sys._getframe(1)
    count = 0
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, count = frame.f_back, count + 1
    return count


def one_line(error: BaseException) -> str:
    """Return the message of an error in one line of at most 300 characters."""
    return " ".join(str(error).split())[:300]


def resembling(name: str, known: Iterable[str], count: int = 3, *, cutoff: float = 0.5) -> str:
    """Return up to `count` of the `known` names that resemble `name`, quoted and joined by "or"; empty for none.

    They are those that differ in upper and lower case, spaces, hyphens and underscores alone; else those that are
    spelt alike, by at least the `cutoff` of `difflib`; else those whose words begin with the letters of `name`.
    """
    candidates, wanted = [*dict.fromkeys(known)], _plain(name)
    plain = [_plain(candidate) for candidate in candidates]
    spelt = difflib.get_close_matches(wanted, dict.fromkeys(plain), n=count, cutoff=cutoff)
    alike = [candidate for each in spelt for candidate, own in zip(candidates, plain, strict=True) if own == each]
    same = [candidate for candidate in alike if _plain(candidate) == wanted]
    found = same or alike or [each for each in candidates if wanted and _initials(each) == wanted]
    return " or ".join(map(repr, found[:count]))


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


def _initials(name: str) -> str:
    return "".join(word[:1] for word in re.split(r"[\s_-]+", name)).lower()


def suggestion(name: object, known: Iterable[str], otherwise: str, *, always: bool = False, count: int = 3) -> str:
    """Return "did you mean 'x'?" if up to `count` of the `known` names resemble `name`, and `otherwise` if none does.

    With `always`, `otherwise` follows the question too.
    """
    close = resembling(str(name), known, count)
    if not close:
        return otherwise
    return f"did you mean {close}? {otherwise}" if always else f"did you mean {close}?"


def no_attribute(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """Return the error of a module that has no attribute of that `name`, with those of the `known` that resemble it.

    Private names, which tools ask for, resemble nothing.
    """
    close = "" if name.startswith("_") else resembling(name, known, cutoff=0.6)
    return AttributeError(
        f"module {module!r} has no attribute {name!r}" + (f"; did you mean {close}?" if close else "")
    )
