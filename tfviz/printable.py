"""Makes text harmless that comes from strangers: names of files, classes and models.

Such names end up in terminals, logs, pages and manifests, where control characters are obeyed, characters of direction
reorder the line, and a byte that is not UTF-8 raises an error long after it was read. Errors, warnings and everything
that is printed pass through `printable`.
"""

from __future__ import annotations

import unicodedata

JOINERS = "\u200c\u200d"  # invisible, but needed in words of Persian and Indian languages, and in emoji


def printable(text: object) -> str:
    """Return a text in one line, with escapes such as ``\\x1b`` for characters that are not visible.

    Escaped are control characters (a terminal obeys them), characters that change the direction or order of others,
    line separators, and the bytes of a file name that are not UTF-8.
    """
    return "".join(each if _is_harmless(each) else _escaped(each) for each in str(text))


def _is_harmless(character: str) -> bool:
    """Return whether a character is shown as it is: visible, a space of any kind, or one of `JOINERS`."""
    return character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    """Return the escape of a character; of a byte that is not UTF-8, as in the name of a file, that of the byte."""
    code = ord(character)
    # Python puts a byte that it could not decode into this range.
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else character.encode("unicode_escape").decode()
