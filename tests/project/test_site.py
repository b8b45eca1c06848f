"""The site has all pages, notebooks and public names; `scripts/nightly` builds it with Sphinx, not needed here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from support.places import ROOT, SCRIPTS

import tfviz

sys.path.append(str(SCRIPTS))

from site_source import sources
from site_source.docstrings import with_attributes
from site_source.links import broken_links
from site_source.metrics import linked_source, range_in_words

from tfviz.results.metrics import FAMILIES, METRICS

INNER = ("tfviz.results.metrics", "tfviz.results.comparison", "tfviz.apps.beam", "tfviz.apps.records")
FACES = {"tfviz", *(f"tfviz.{folder}" for folder in tfviz._FOLDERS), *INNER}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    sources.write_sources(folder)
    return folder


def listed(page):
    """The entries of the lists on a page: alone on their lines in Markdown, indented in reStructuredText."""
    entry = r"^ {3}(\w+)$" if page.suffix == ".rst" else r"^([\w./]+)$"
    return re.findall(entry, page.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_every_public_name_has_one_page(written):
    pages = [(name, face) for face in FACES for name in listed(written / "reference" / f"{face}.rst")]
    found = {id(getattr(import_module(face), name)) for name, face in pages}
    assert len(pages) == len(found)
    for face in FACES - {"tfviz.scores"}:
        module = import_module(face)
        assert [name for name in module.__all__ if id(getattr(module, name)) not in found] == []


def test_a_module_without_a_list_shows_its_functions(written):
    defined = re.findall(r"^def ([a-z]\w*)", (ROOT / "tfviz" / "scores.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed(written / "reference" / "tfviz.scores.rst") == sorted(defined)


def test_every_folder_that_users_import_from_is_in_the_reference(written):
    assert {*listed(written / "reference" / "index.md")} == FACES


def test_methods_stand_together(written):
    page = (written / "reference" / "tfviz.rst").read_text(encoding="utf-8")
    methods = page.partition("Methods\n-------")[2].partition("Functions\n---------")[0]
    assert {*re.findall(r"^ {3}(\w+)$", methods, flags=re.MULTILINE)} == {*tfviz.METHODS}
    page = (written / "reference" / "tfviz.results.metrics.rst").read_text(encoding="utf-8")
    metrics = page.partition("Metrics\n-------")[2].partition("Functions\n---------")[0]
    assert {*re.findall(r"^ {3}(\w+)$", metrics, flags=re.MULTILINE)} == {*METRICS}
    assert "Constants" in page.partition("Explain\n")[0]


def test_the_page_of_metrics_tells_all_that_is_known_of_each(written):
    page = (written / "metrics.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))
    assert [name.lower() for name in sections] == [*FAMILIES]
    found = set()
    for family, text in sections.items():
        assert FAMILIES[family.lower()] in text.lower()
        for row in text.split("\n* - ")[2:]:
            name, *rest = re.findall(r"<tfviz.results.metrics.(\w+)>", row)
            metric = METRICS[name]
            assert not rest and metric.family == family.lower() and f"{metric.better} is better" in row
            plain = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", row)
            assert all(each in plain for each in (metric.paper, metric.cost, metric.caution, f"takes `{metric.takes}`"))
            assert (", of classes" in row) == metric.of_classes
            found.add(name)
    assert found == {*METRICS}


def test_ranges_and_sources_of_metrics_in_words():
    assert [range_in_words(*each) for each in ((0, 1), (-1, 1), (0, float("inf")))] == ["0..1", "-1..1", "0 and above"]
    assert linked_source("Yeh 2019, arXiv 1901.09392, definition 2.1") == (
        "Yeh 2019, [arXiv 1901.09392](https://arxiv.org/abs/1901.09392), definition 2.1"
    )
    assert linked_source("Bach 2015, doi 10.1371/a.0130140") == (
        "Bach 2015, [doi 10.1371/a.0130140](https://doi.org/10.1371/a.0130140)"
    )


def test_every_page_and_notebook_is_found(written):
    for suffix, chapter in ((".ipynb", "guides"), (".md", "pages")):
        names = [f"notebooks/{path.stem}" for path in sorted((ROOT / "notebooks").glob(f"*{suffix}"))]
        names += ["metrics"] * (suffix == ".md")
        assert (listed(written / f"{chapter}.md") if names else []) == names
        assert (chapter in listed(written / "index.md")) == bool(names)
    given = {path.name for path in (ROOT / "notebooks").iterdir() if path.is_file()}
    assert {path.name for path in (written / "notebooks").iterdir()} == given


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of a few files in place of this one."""
    files = {
        "README.md": "# Title\n\n[a](notebooks/a.md#b) [code](tfviz/results/new.py) [face](tfviz/results/) [no](no)",
        "notebooks/a.md": "# A\n\n[start](../README.md#title) [code](../tfviz/results/new.py) [tools](../scripts)",
        "tfviz/results/new.py": "text",
        "tfviz/results/__init__.py": "",
        "scripts/tool": "",
    }
    for name, text in files.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(sources, "ROOT", tmp_path / "project")
    monkeypatch.setattr(sources, "PAGES", tmp_path / "project" / "notebooks")
    return tmp_path


def test_links_to_files_lead_to_pages_of_the_site(project):
    site = project / "site"
    sources.write_sources(site)
    code, face = "files/tfviz/results/new.py.md", "reference/tfviz.results.rst"
    front = f"# Title\n\n[a](notebooks/a.md#b) [code]({code}) [face]({face}) [no](no)\n"
    assert (site / "index.md").read_text().startswith(front)
    page = f"# A\n\n[start](../index.md#title) [code](../{code}) [tools](../files/scripts.md)\n"
    assert (site / "notebooks" / "a.md").read_text() == page
    include = re.findall(r"literalinclude} (\S+)", (site / code).read_text())
    assert [((site / code).parent / each).read_text() for each in include] == ["text"]
    assert "- `tool`" in (site / "files" / "scripts.md").read_text()
    assert not (site / "guides.md").exists() and listed(site / "pages.md") == ["notebooks/a", "metrics"]


def test_anchors_of_notebooks_are_those_of_the_site(project):
    (project / "project" / "notebooks" / "b.ipynb").write_text("[own](#May-I,-or:-not?) [a](a.md#Of-A)")
    (project / "project" / "notebooks" / "a.md").write_text("[own](#of_A?) [b](b.ipynb#What-is-`b`?)")
    sources.write_sources(project / "site")
    pages = project / "site" / "notebooks"
    assert (pages / "b.ipynb").read_text() == "[own](#may-i-or-not) [a](a.md#Of-A)\n"
    assert (pages / "a.md").read_text() == "[own](#of_A?) [b](b.ipynb#what-is-b)\n"


def test_broken_links_are_found(tmp_path):
    (tmp_path / "b.html").write_text("<h1 id='there'>B</h1>")
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "template.html").write_text("<a href='no.html'>")
    right = (
        "<a href='b.html#there'><a href='#own'><p id='own'><a href='https://a.b/'><img src='data:image/png;base64,'>"
    )
    wrong = "<a href='b.html#gone'><a href='no.html'><script src='https://a.b/c.js'></script><img src='no.png'>"
    (tmp_path / "a.html").write_text(right + wrong)
    assert [*broken_links(tmp_path)] == [
        "a.html: b.html#gone has no such anchor",
        "a.html: no.html is not a file",
        "a.html: loads https://a.b/c.js",
        "a.html: no.png is not a file",
    ]


def run(*flags, **environment):
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment}
    return subprocess.run([SCRIPTS / "site", *flags], env=environment, capture_output=True, text=True, check=False)


def test_without_the_extra_one_line_says_so(tmp_path):
    (tmp_path / "sphinx.py").write_text("raise ModuleNotFoundError(\"No module named 'sphinx'\")")
    done = run(PYTHONPATH=str(tmp_path))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == (
        "scripts/site: the extra site is not installed (ModuleNotFoundError: No module named 'sphinx'): "
        'pip install -e ".[site]"\n'
    )


def test_a_flag_that_does_not_exist():
    done = run("--exekute")
    assert (done.returncode, done.stderr) == (
        2,
        "scripts/site: there is no --exekute; it takes --execute and --external\n",
    )


def test_attributes_in_a_sentence_become_a_list():
    text = [
        "What was found.",
        "",
        "maps: (N, H, W), of",
        "`f: g`. logits, heads: (N, K); last: one. It: no.",
        "",
        "See: a. b: c.",
    ]
    listed = [
        "maps",
        "    (N, H, W), of `f: g`.",
        "",
        "logits, heads",
        "    (N, K)",
        "",
        "last",
        "    one. It: no.",
        "",
    ]
    assert [*with_attributes(text)] == ["What was found.", "", *listed, "See: a. b: c.", ""]
