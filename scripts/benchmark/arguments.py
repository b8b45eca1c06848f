"""What is typed, refused at once where it cannot be run; for `type=` of argparse, which says so in one line."""

from __future__ import annotations

from argparse import ArgumentTypeError
from difflib import get_close_matches
from pathlib import Path

from benchmark.workers.networks import NAMES, SUFFIXES, file_of

EXPECTED = f"{', '.join(NAMES)}, or a {' or '.join(SUFFIXES)} file"


def network(text: str) -> str:
    """Return the name or the file of a network that can be opened."""
    file = file_of(text)
    if file is None or (file.is_file() and file.suffix in SUFFIXES):
        return text
    if text in NAMES:
        raise ArgumentTypeError(f"there is no file {file}, which {text} is read from")
    if file.exists():
        raise ArgumentTypeError(f"{text!r} is no Keras file; expected {EXPECTED}")
    close = get_close_matches(text, NAMES, 1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ArgumentTypeError(f"there is no network and no file {text!r}; {hint}expected {EXPECTED}")


def count(text: str) -> int:
    """Return an integer of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return number


def seconds(text: str) -> float:
    """Return a number of seconds above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not number > 0:  # NaN neither
        raise ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")
    return number


def folder(text: str) -> Path:
    """Return the path of a folder, which need not be there yet."""
    if Path(text).exists() and not Path(text).is_dir():
        raise ArgumentTypeError(f"{text!r} is a file; expected a folder")
    return Path(text)
