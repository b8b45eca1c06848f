"""Reads the page of `tfviz report` as a browser would without running its script, and makes reports by hand."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np

LOADING = {"src", "href", "srcset", "data", "poster", "action", "formaction", "background", "cite"}
EMPTY = {"br", "img", "input", "link", "meta", "hr", "wbr", "rect", "line", "polyline"}


class ReportPage(HTMLParser):
    """A page: its texts, what stands in scripts and styles, and all elements as (tag, attributes)."""

    def __init__(self, content):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.scripts, self.styles, self.open = [], [], [], [], []
        self.feed(content.decode())
        self.close()
        assert not self.open, f"left open: {self.open}"

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        for kind, found in (("script", self.scripts), ("style", self.styles)):
            if tag == kind:
                found.append((dict(attributes), ""))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        for kind, found in (("script", self.scripts), ("style", self.styles)):
            if self.open and self.open[-1] == kind:
                attributes, before = found[-1]
                found[-1] = attributes, before + data
                return
        self.texts.append(data)

    def having(self, **wanted):
        """The elements with these attributes; `class_` is one of their classes."""
        name = wanted.pop("class_", None)
        return [
            (tag, found)
            for tag, found in self.elements
            if (name is None or name in (found.get("class") or "").split())
            and all(found.get(key) == value for key, value in wanted.items())
        ]

    @property
    def data(self):
        """What the script reads: shared data, then that of each picture."""
        found = [json.loads(text) for attributes, text in self.scripts if attributes.get("type") == "application/json"]
        return SimpleNamespace(pictures=found[:-1], shared=found[-1])

    def check_alone(self):
        """Nothing is loaded, and the policy of the page allows its own script, style and pictures alone."""
        for tag, attributes in self.elements:
            assert not {name for name in attributes if name.startswith("on") or name == "style"}, (tag, attributes)
            for name in LOADING & attributes.keys():
                assert re.match(r"#\w|data:", attributes[name]), (tag, name, attributes[name][:80])
        (policy,) = [each["content"] for _, each in self.elements if "Content-Security-Policy" in each.values()]
        (style,), (script,) = [text for _, text in self.styles], [text for each, text in self.scripts if not each]
        assert not re.search(r"url\(|@import|expression", style)
        assert not re.search(r"https?:|import\(|fetch\(|XMLHttp|WebSocket|innerHTML|eval\(", script)
        hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in (style, script)]
        assert policy == (
            f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
            "base-uri 'none'; form-action 'none'"
        )


def decoded(found):
    """The values of a map in the data of a page, and how far each may be from the truth: slowly, one by one."""
    codes = base64.b64decode(found["codes"], validate=True)
    assert len(codes) == found["width"] * found["height"]
    values, errors = [], []
    for code in codes:
        steps = code - found["zero"]
        at = [
            found["span"] * (min(max(each, 0), found["steps"]) / found["steps"]) ** 2
            for each in (abs(steps) - 0.5, abs(steps), abs(steps) + 0.5)
        ]
        values.append(found["base"] + (at[1] if steps > 0 else -at[1]))
        errors.append(max(at[2] - at[1], at[1] - at[0]))
    shape = found["height"], found["width"]
    return np.array(values).reshape(shape), np.array(errors).reshape(shape)
