"""Text of strangers, made harmless: names of files, classes and models end in terminals, logs, pages and manifests."""

from __future__ import annotations

import unicodedata

JOINERS = "\u200c\u200d"  # they print nothing, but words of Persian and Indian languages and emoji are made with them


def printable(text: object) -> str:
    """Return a text in one line, with escapes such as ``\\x1b`` for what is no visible character.

    Escaped are control characters (a terminal obeys them), characters that change the direction or order of others,
    line separators, and the bytes of a file name that are not UTF-8.
    """
    return "".join(each if _is_harmless(each) else _escaped(each) for each in str(text))


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    code = ord(character)
    # Python stands a byte that it could not decode among these.
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else character.encode("unicode_escape").decode()
