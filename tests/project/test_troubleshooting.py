"""The page of troubleshooting: an entry for every warning and class of error, none of what is never said."""

import re
from operator import attrgetter

import numpy as np
import pytest
import typer.main
from support import said
from support.messages import Package, headings, matching
from support.places import ROOT

import tfviz
from tfviz.apps.command.app import app
from tfviz.errors import TfvizError, emit_warnings

PAGE = said.PAGE.read_text(encoding="utf-8")
ERRORS = [
    each for name in tfviz.__all__ if isinstance(each := getattr(tfviz, name), type) and issubclass(each, TfvizError)
]
CLASSES = [each.__name__ for each in (*ERRORS, tfviz.TfvizWarning)]


@pytest.fixture(scope="module")
def package():
    return Package(ROOT / "tfviz")


@pytest.fixture(scope="module")
def warned(package):
    return package.warnings()


def test_every_warning_has_an_entry(warned):
    assert [text for text in sorted(warned) if not matching(text, headings(PAGE))] == []


def test_every_error_class_has_an_entry():
    assert [name for name in CLASSES if name not in headings(PAGE)] == []


def test_every_entry_is_of_something_that_is_said(package, warned):
    texts = {*warned, *package.errors(CLASSES), *CLASSES}
    assert [each for each in headings(PAGE) if not any(matching(text, [each]) for text in texts)] == []


def test_the_examples_run(tmp_path, monkeypatch):
    """Nothing else is warned about than the map that is meant to be zero."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.warns(tfviz.TfvizWarning, match="saliency is zero everywhere for image 0: no gradient reaches"):
        names = run_all(re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL))
    assert "since" in names["blank"].zero_maps["saliency"][0]
    assert names["hits"].all()
    np.testing.assert_array_equal(names["first"], names["again"])


def run_all(examples):
    names = {}
    for example in examples:
        exec(compile(example, "troubleshooting.md", "exec"), names)
    return names


def test_the_links_lead_to_sections_and_no_two_are_called_alike():
    """By the anchors that GitHub gives headings, as the site does."""
    sections = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL), re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in sections]
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= set(anchors)


def test_the_flags_and_names_exist():
    commands = typer.main.get_command(app).commands.values()
    flags = {flag for command in commands for each in command.params for flag in (*each.opts, *each.secondary_opts)}
    assert set(re.findall(r"(?<![\w-])--[a-z]\w*(?:-\w+)*", prose(PAGE))) <= flags
    names = set(re.findall(r"\btfviz((?:\.\w+)+)", PAGE)) - {".png", ".gif", ".apps.beam"}
    assert [name for name in names if not attrgetter(name[1:])(tfviz)] == []


def prose(page):
    """The page without its headings, and without the commands of others."""
    return re.sub(r"^#+ .*$|`(?:pip|docker) [^`]*`", "", page, flags=re.MULTILINE)


SOURCE = '''
CHOICE = "choose another one"
EXPECTED = "expected one of these"


def emit(name, is_large):
    emit_warnings([*about(name, is_large), *Layers().about])


def about(name, is_large):
    size = "very large, and nobody knows why" if is_large else "very small"
    return [f"the model of {name!r} is {size}"]


class Layers:
    @property
    def about(self):
        found = []
        found.append(f"the layer {self.name} has no map")
        return [f"{each}; {CHOICE}" for each in found]


def other(result):
    """Return what is never said of anything."""
    result.warnings += (f"what is left of {result.name} is nothing",)
    say("warning: the last of the words, said by a command")
    say("this is no warning of any kind")
    raise TfvizError(f"there is no model {result!r}; {EXPECTED}")
'''


def test_the_texts_of_a_package_are_read_through_names_functions_and_branches(tmp_path):
    """Beside a slow look at the same sources: what it can say when it runs."""
    (tmp_path / "one.py").write_text(SOURCE, encoding="utf-8")
    package = Package(tmp_path)
    assert package.warnings() == {
        "the model of … is very small",
        "the model of … is very large, and nobody knows why",
        "the layer … has no map; choose another one",
        "what is left of … is nothing",
        "the last of the words, said by a command",
    }
    assert package.errors({"TfvizError"}) == {"there is no model …; expected one of these"}


def test_a_heading_stands_for_all_that_its_holes_may_hold():
    assert matching("saliency is zero everywhere for image 0: why", ["… is zero everywhere for …: …", "… is zero"])
    assert not matching("the map is zero", ["… is zero everywhere for …: …"])
    assert headings("# A page\n### `one … two`\n### a title\ntext `three`\n") == ["one … two"]


def test_a_warning_without_an_entry_is_heard():
    with pytest.warns(tfviz.TfvizWarning):
        exec(compile('emit(["a text that no page explains"])', tfviz.__file__, "exec"), {"emit": emit_warnings})
    assert said.unexplained() == ["a text that no page explains"]
    with pytest.warns(tfviz.TfvizWarning):
        emit_warnings(["a text of a test"])
    assert said.unexplained() == []
