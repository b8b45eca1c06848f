"""Listens to the warnings that tfviz emits while tests run: each must have an entry in troubleshooting.md.

`messages` reads the texts in the sources; here they are heard with names and numbers filled in.
"""

import os
import sys
import warnings
from functools import cache
from types import SimpleNamespace

import tfviz.errors
from support.messages import headings, matching
from support.places import ROOT

PAGE = ROOT / "notebooks" / "troubleshooting.md"
_PACKAGE = os.path.dirname(tfviz.errors.__file__) + os.sep
_heard: list[str] = []


def listen():
    """Hear from now on what `emit_warnings` is given by tfviz, and not what a test gives it."""
    tfviz.errors.warnings = SimpleNamespace(warn=_warn)


def _warn(message, category, stacklevel):
    if sys._getframe(2).f_code.co_filename.startswith(_PACKAGE):
        _heard.append(str(category(message)))
    warnings.warn(message, category, stacklevel=stacklevel + 1)


def unexplained():
    """Return what was heard since the last call and is no instance of a heading."""
    texts = {_heard.pop() for _ in range(len(_heard))}
    return [text for text in texts if not matching(text, _headings())]


@cache
def _headings():
    return headings(PAGE.read_text(encoding="utf-8"))
