"""Turns names in docstrings, `such as this`, into links where the site has a page for them.

Anything else in single backticks is code. A dotted name of tfviz that does not exist is a warning, and so an error.
"""

from __future__ import annotations

import pkgutil
import re
from typing import Any

from docutils import nodes
from docutils.utils import unescape
from sphinx.addnodes import pending_xref

from site_source.sources import FACES

NAME = re.compile(r"(?:help\()?([A-Za-z_][\w.]*)\)?")


def name_role(
    role: str, rawtext: str, text: str, lineno: int, inliner: Any, options: Any = None, content: Any = None
) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """Return a link that Sphinx resolves where text is a name, else code."""
    shown = unescape(text)
    code = nodes.literal(rawtext, shown, classes=["code"])
    found = NAME.fullmatch(shown)
    if not found:
        return [code], []
    context = inliner.document.settings.env.ref_context
    about = {"py:module": context.get("py:module"), "py:class": context.get("py:class")}
    link = pending_xref(
        rawtext,
        code,
        refdomain="py",
        reftype="obj",
        reftarget=found[1],
        refdoc=inliner.document.settings.env.docname,
        refwarn=False,
        **about,
    )
    return [link], []


def known_name(app: Any, env: Any, node: pending_xref, shown: nodes.Element) -> nodes.Element | None:
    """Return what stands in place of a name that means nothing where it stands; None is an error.

    It is the link to the name of that folder which shows it, for words in small letters of `tfviz` alone, since others
    are options as well. Names without a page are code, unless they claim to be of tfviz and do not exist.
    """
    if node.get("refdomain") != "py":
        return None
    target, python = node["reftarget"], env.domains["py"]
    for face in FACES if target[0].isupper() else FACES[:1]:
        link = python.resolve_xref(env, node["refdoc"], app.builder, "obj", f"{face}.{target}", node, shown)
        if link is not None:
            return link
    return None if target.startswith("tfviz.") and not exists(target) else shown


def exists(name: str) -> bool:
    """Return whether a dotted name leads to something."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True
