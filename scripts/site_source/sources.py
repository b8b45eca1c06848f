"""Writes what Sphinx reads: README as the front page, the pages and notebooks, and a list of the public names.

Nothing is told here a second time: pages are copies whose links lead to pages of the site, and the reference is a list
of names by folder, whose docstrings Sphinx reads. New pages, notebooks and names appear by themselves.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import get_origin

from site_source.metrics import page_of_metrics
from tfviz.quiet import start_tensorflow

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "notebooks"
FACES = (
    "tfviz",
    "tfviz.results",
    "tfviz.results.metrics",
    "tfviz.results.comparison",
    "tfviz.images",
    "tfviz.scores",
    "tfviz.callbacks",
    "tfviz.demo",
    "tfviz.apps.beam",
    "tfviz.apps.records",
    "tfviz.methods",
)
"""The folders and modules that users import from; a name that several show has its page with the first."""
LINK = re.compile(r"\]\((?P<path>[^)\s#:]*)(?P<anchor>#[^)\s]*)?\)")
SUFFIXES = (".ipynb", ".md")


def names_shown(face: str) -> list[str]:
    """Return the names that a folder shows by `__all__`; a module without it shows the functions that it defines."""
    module = import_module(face)
    own = [name for name, each in vars(module).items() if inspect.isfunction(each) and each.__module__ == face]
    return list(getattr(module, "__all__", [name for name in own if not name.startswith("_")]))


def public_names(face: str) -> list[str]:
    """Return the public names of a folder, without those that an earlier one shows."""
    earlier = FACES[: FACES.index(face)]
    shown = {id(getattr(import_module(other), name)) for other in earlier for name in names_shown(other)}
    own = [name for name in names_shown(face) if id(getattr(import_module(face), name)) not in shown]
    return sorted(own, key=str.lower)


def kind_of(face: str, name: str) -> str:
    """Return the heading under which the reference lists a name."""
    import tfviz
    from tfviz.results.metrics import METRICS

    found = getattr(import_module(face), name)
    if inspect.isclass(found):
        return "Errors and warnings" if issubclass(found, Exception) else "Classes"
    if not callable(found) or get_origin(found):
        return "Constants"
    if face == "tfviz.results.metrics" and name in METRICS:
        return "Metrics"
    return "Methods" if face == "tfviz" and name in tfviz.METHODS else "Functions"


def write_sources(folder: Path) -> None:
    """Write the sources of the site into a folder, which is made."""
    notebooks, pages = ([f"notebooks/{path.stem}" for path in sorted(PAGES.glob(f"*{kind}"))] for kind in SUFFIXES)
    chapters = {"guides": ("Guides", notebooks), "pages": ("Pages", [*pages, "metrics"])}
    written = {name: chapter for name, chapter in chapters.items() if chapter[1]}
    for name, (title, names) in written.items():
        _write(folder / f"{name}.md", f"# {title}", _toctree(names, "maxdepth: 2"))
    _write(folder / "metrics.md", page_of_metrics())
    front = _linked(ROOT / "README.md", folder)
    _write(folder / "index.md", front, _toctree(["Start <self>", *written, "reference/index"], "hidden:"))
    for path in sorted(PAGES.iterdir()):
        if path.suffix in SUFFIXES:
            _write(folder / "notebooks" / path.name, _linked(path, folder))
        elif path.is_file():
            shutil.copy(path, folder / "notebooks")
    _write_reference(folder / "reference")


def _write_reference(folder: Path) -> None:
    for face in FACES:
        kinds: dict[str, list[str]] = {}
        for name in public_names(face):
            kinds.setdefault(kind_of(face, name), []).append(name)
        tables = [_table(face, kind, kinds[kind]) for kind in sorted(kinds, key=_place)]
        title = f"{face}\n{'=' * len(face)}"
        _write(folder / f"{face}.rst", title, f".. automodule:: {face}\n   :no-members:", *tables)
    _write(folder / "index.md", "# Reference", _toctree(FACES, "maxdepth: 1"))


def _place(kind: str) -> int:
    return ["Methods", "Metrics", "Functions", "Classes", "Constants", "Errors and warnings"].index(kind)


def _table(face: str, kind: str, names: Sequence[str]) -> str:
    """Return a list of names with a sentence each and, by its `toctree`, a page for each."""
    listed = "\n".join(f"   {name}" for name in names)
    heading = f".. currentmodule:: {face}\n\n{kind}\n{'-' * len(kind)}"
    return f"{heading}\n\n.. autosummary::\n   :toctree: .\n   :nosignatures:\n\n{listed}"


def _toctree(names: Sequence[str], *options: str) -> str:
    return "\n".join(("```{toctree}", *(f":{option}" for option in options), "", *names, "```"))


def _linked(path: Path, folder: Path) -> str:
    """Return a page's text whose links to files of the project lead to pages of the site, which are made for them."""

    def lead(link: re.Match[str]) -> str:
        target = (path.parent / link["path"]).resolve() if link["path"] else path
        anchor = _anchor_of_site(link["anchor"] or "", target)
        inside = target.exists() and target.is_relative_to(ROOT) and not target.is_relative_to(PAGES)
        if not link["path"] or not inside:
            return f"]({link['path']}{anchor})"
        place = "index.md" if target == ROOT / "README.md" else _source_page(target, folder)
        up = "../" * len(path.parent.relative_to(ROOT).parts)
        return f"]({up}{place}{anchor})"

    return LINK.sub(lead, path.read_text(encoding="utf-8"))


def _anchor_of_site(anchor: str, target: Path) -> str:
    """Return an anchor as the site makes it; Jupyter keeps capitals and signs in the anchors of a notebook."""
    return re.sub(r"[^\w#-]", "", anchor.lower()) if target.suffix == ".ipynb" else anchor


def _source_page(target: Path, folder: Path) -> str:
    """Return the page of the site that shows a file or folder; write it, unless it is in the reference."""
    inside = target.relative_to(ROOT)
    if ".".join(inside.with_suffix("").parts) in FACES:
        return f"reference/{'.'.join(inside.with_suffix('').parts)}.rst"
    page = Path("files") / f"{inside}.md"
    shown = target / "__init__.py" if target.is_dir() else target
    if shown.exists():
        include = os.path.relpath(shown, (folder / page).parent)
        body = f"```{{literalinclude}} {include}\n:language: {'python' if shown.suffix == '.py' else 'text'}\n```"
    else:
        body = "\n".join(f"- `{each.name}`" for each in sorted(target.iterdir()) if each.name[0] not in "._")
    _write(folder / page, "---\norphan: true\n---", f"# `{inside}`", body)
    return page.as_posix()


def _write(path: Path, *parts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    start_tensorflow()
    write_sources(Path(sys.argv[1]))
