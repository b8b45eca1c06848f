"""How Sphinx reads the site; `scripts/site` builds it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.ext.autosummary import Autosummary
from sphinx.pycode import ModuleAnalyzer

from site_source.docstrings import with_attributes
from site_source.names import known_name, name_role
from tfviz.quiet import start_tensorflow
from tfviz.version import __version__

# What it says when it starts would hide warnings of pages.
start_tensorflow()

project = "tfviz"
version = release = __version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode", "numpydoc", "myst_nb"]
templates_path = [str(Path(__file__).parent / "templates")]
exclude_patterns = [".doctrees", ".linkcheck", "**/.ipynb_checkpoints", "jupyter_execute"]
default_role = "name"
# Quotes of messages and code stay as they are.
smartquotes = False
ARRAY = re.compile(r"~?(?:numpy\.)?ndarray\[~?tuple\[~?(?:typing\.)?Any, \.\.\.\], ~?(?:numpy\.)?dtype\[([~\w.]+)\]\]")
ALIAS = re.compile(r"TypeAliasForwardRef\('(?:\w+\.)*(\w+)'\)")
NO_LITERAL = re.compile(r"<function [\w.]+(?:<\w+>)?>|<factory>")
WAY_BACK = re.compile(r'<a class="viewcode-back".*?</a>')
REFERENCE = re.compile(r" ?\[[\w-]+\]_")

# Anchors as GitHub makes them of headings.
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
# In one folder they find each other's files, and `tfviz batch` replaces none.
nb_execution_in_temp = True
# What TensorFlow says when it starts; a test says that the notebooks themselves warn of nothing.
nb_output_stderr = "remove"
# Else every line that a cell prints has a box of its own.
nb_merge_streams = True
# Widgets would be loaded from another site.
nb_ipywidgets_js = {}

autodoc_typehints_format = "short"
autodoc_type_aliases = {"ArrayLike": "numpy.typing.ArrayLike"}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "navbar_end": ["theme-switcher"],
    "footer_start": [],
    "footer_end": [],
}


class Listing(Autosummary):
    """A table of names with the first sentence of each, without its references, which stand on the page."""

    def get_items(self, names: list[str]) -> list[tuple[str, str | None, str, str]]:
        return [(*about, REFERENCE.sub("", first), name) for *about, first, name in super().get_items(names)]


def with_short_types(
    app: Sphinx, what: str, name: str, shown: object, options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Write `NDArray[uint8]` as in the code, not what NumPy makes of it, and no defaults that are not Python.

    An alias that is one of several types is shown by Sphinx as the object that it holds it in.
    """
    for long, short in ((ARRAY, r"NDArray[\1]"), (ALIAS, r"\1")):
        signature, returned = (each and long.sub(short, each) for each in (signature, returned))
    return signature and NO_LITERAL.sub("...", signature), returned


def as_on_a_page(app: Sphinx, what: str, name: str, member: object, options: object, lines: list[str]) -> None:
    """List the attributes of classes; give constants their docstrings, wherever they are defined, and their values."""
    if what == "class":
        lines[:] = with_attributes(lines)
    elif what == "data":
        own = "", name.rpartition(".")[2]
        modules = [module for module in sys.modules if module.startswith("tfviz.")]
        found = [ModuleAnalyzer.for_module(module).find_attr_docs().get(own, []) for module in modules]
        value = [f"``{member!r}``", ""] if isinstance(member, str | tuple) else []
        lines[:] = [*max(found, key=len), "", *value]


def from_elsewhere(app: Sphinx, what: str, name: str, member: object, skip: bool, options: object) -> bool | None:
    """Leave out what a class inherits from other packages."""
    function = getattr(member, "fget", member)
    return not (getattr(function, "__module__", None) or "tfviz").startswith("tfviz") or None


def without_ways_back(app: Sphinx, page: str, template: str, context: dict[str, object], doctree: object) -> None:
    """Remove the links from source code to the reference: Sphinx makes them for one folder's names alone."""
    if page.startswith("_modules/"):
        context["body"] = WAY_BACK.sub("", str(context["body"]))


def setup(app: Sphinx) -> None:
    app.add_directive("autosummary", Listing, override=True)
    app.add_role("name", name_role)
    # Before numpydoc reads them.
    app.connect("autodoc-process-docstring", as_on_a_page, priority=400)
    app.connect("autodoc-process-signature", with_short_types)
    app.connect("autodoc-skip-member", from_elsewhere)
    app.connect("html-page-context", without_ways_back)
    app.connect("missing-reference", known_name)
