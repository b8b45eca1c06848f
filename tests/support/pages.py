"""Reads the pages of a notebook as a browser would, and refuses what must not stand in one."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import cv2
import numpy as np

TAGS = {"b", "br", "details", "div", "figcaption", "figure", "img", "li", "p", "summary", "table", "tbody", "td", "th"}
TAGS |= {"tr", "ul"}
ATTRIBUTES = {"alt", "height", "open", "scope", "src", "style", "width"}
EMPTY = {"br", "img"}
INLINE = {"b"}

ATTACKS = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</div></table><b>&lt;i&gt;&amp;",
    "a\x1b[31m\x07\r\n\u202eb\x00",
    "' onmouseover='alert(1)",
    b"caf\xe9".decode("utf-8", "surrogateescape"),
    "${alert(1)} {{7*7}} <!-- -->",
]


class Page(HTMLParser):
    """A page: its texts, a piece each, its images as (attributes, picture), and the tags in order."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.texts, self.images, self.tags, self.open = [], [], [], []
        self._joins = False
        html.encode()  # no lone surrogates
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"

    @property
    def text(self):
        return "\n".join(self.texts)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        assert tag in TAGS and found.keys() <= ATTRIBUTES, (tag, attributes)
        assert "url(" not in found.get("style", "") and "color:#fff" not in found.get("style", "")
        self.tags.append(tag)
        self._joins = self._joins and tag in INLINE
        if tag == "img":
            self.images.append((found, decoded(found["src"])))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self._joins = self._joins and tag in INLINE

    def handle_data(self, data):
        if self._joins:
            self.texts[-1] += data
        else:
            self.texts.append(data)
        self._joins = True

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    handle_decl = handle_pi = unknown_decl = handle_comment


def decoded(url):
    """The picture, uint8 RGB, that a URL holds."""
    kind, _, content = url.partition(";base64,")
    assert kind in ("data:image/png", "data:image/jpeg")
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(content, validate=True), np.uint8), cv2.IMREAD_COLOR)
    return picture[..., ::-1]
