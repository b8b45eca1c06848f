"""Renders a report as one HTML file that needs nothing else: neither a network nor a server.

Names of files, classes and models come from strangers. Templates escape every text, after it was made printable, and
data for the script stands in a form in which it can end neither its element nor a string. Should something slip
through all the same, the page's own policy lets the browser run no script and apply no style but the two that are in
it, told by their digests, and load nothing but the pictures that it holds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfviz.apps.report.charts import BAR, HEIGHT, WIDTH, bars_of, charts_of
from tfviz.apps.report.facts import Identity, MethodFacts
from tfviz.apps.report.pictures import ReportedPicture
from tfviz.apps.report.quantised import SIGNED_STEPS, UNSIGNED_STEPS
from tfviz.apps.report.sections import Sections
from tfviz.errors import TfvizError
from tfviz.printable import printable
from tfviz.results import COLORMAPS, heatmap

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent
TEMPLATES = FOLDER / "templates"
DIVERGING, DEFAULT_COLORMAP = "blue_white_red", "inferno"
# What would end the element that holds the data, or begin another, as JSON writes any character.
UNSAFE = {ord(each): f"\\u{ord(each):04x}" for each in "<>&'\u2028\u2029"}


@dataclass(frozen=True)
class Report:
    """All that a report says.

    title: of the page. doubts: warnings about the network and the methods. failed: the reason for each file that could
    not be explained. cells: height and width of the network's images, in pixels.
    """

    title: str
    identity: Identity
    pictures: tuple[ReportedPicture, ...]
    methods: tuple[MethodFacts, ...]
    size: tuple[int, int]
    doubts: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    sections: Sections = field(default_factory=Sections)


def render_report(report: Report) -> bytes:
    """Return the HTML file of a report. Raises `TfvizError` if jinja2 is not installed."""
    environment = _environment()
    style, script = ((FOLDER / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    page = environment.get_template("page.html.j2").render(
        report=report,
        policy=policy_of(style, script),
        style=style,
        script=script,
        shared=_shared(report),
        colormaps=[name for name in COLORMAPS if name != DIVERGING],
        default_colormap=DEFAULT_COLORMAP,
        counts=_counts(report.pictures),
        cells=_cells(report.pictures),
        sizes={"chart": (WIDTH, HEIGHT), "bar": BAR, "steps": (UNSIGNED_STEPS, SIGNED_STEPS)},
        charts_of=charts_of,
        bars_of=bars_of,
    )
    return f"{page}\n".encode()


def check_installed() -> None:
    """Raise `TfvizError` if jinja2, which makes the page, is not installed."""
    _environment()


def _environment() -> Environment:
    """Return the environment of the templates: a missing variable is an error, and every text is escaped."""
    try:
        import jinja2
    except ImportError as error:
        raise TfvizError("a report needs the package jinja2: pip install jinja2") from error

    def harmless(value: Any) -> Any:
        # What is marked as HTML was made so by a template or a filter.
        return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(data=_data, number=_number, probability=_probability, breakable=_breakable)
    return environment


def policy_of(style: str, script: str) -> str:
    """Return the page's policy on content: this style, this script and pictures in the page; nothing else."""
    styles, scripts = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (style, script)
    )
    return (
        f"default-src 'none'; img-src data:; style-src {styles}; script-src {scripts}; base-uri 'none'; "
        "form-action 'none'"
    )


def _data(value: Any) -> Any:
    """Return data as JSON that may stand in an element for scripts."""
    from markupsafe import Markup

    text = json.dumps(_harmless(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(UNSAFE))


def _harmless(value: Any) -> Any:
    """Return data whose texts are all printable."""
    if isinstance(value, Mapping):
        return {name: _harmless(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_harmless(each) for each in value]
    return printable(value) if isinstance(value, str) else value


def _number(value: float | None) -> str:
    """Return a number in four digits; a dash for none, or for one that is not finite."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _probability(value: float) -> str:
    """Return a probability in three digits; 0.000 would look as if the class were impossible."""
    return f"{value:.3f}" if value >= 0.0005 else "< 0.001"


def _breakable(name: str) -> Any:
    """Return a name as HTML that may be broken after its underscores."""
    from markupsafe import Markup, escape

    return escape(printable(name)).replace("_", Markup("_<wbr>"))


def _shared(report: Report) -> dict[str, Any]:
    """Return the data that all pictures share: colours, methods, and the size of the network's images."""
    steps = np.linspace(0, 1, UNSIGNED_STEPS + 1)[np.newaxis]
    signed = np.linspace(-1, 1, 2 * UNSIGNED_STEPS + 1)[np.newaxis]
    tables = {name: _table(steps, name) for name in COLORMAPS if name != DIVERGING}
    methods = [
        {"title": each.title, "sign": each.sign, "caution": each.caution, "reduced": each.reduced}
        for each in report.methods
    ]
    return {"colormaps": tables, "diverging": _table(signed, DIVERGING), "methods": methods, "size": report.size}


def _table(values: Any, name: str) -> str:
    """Return the colours of values as red, green, blue, red and so on, a byte each, in base64."""
    return base64.b64encode(heatmap(values, name).tobytes()).decode()


def _counts(pictures: Sequence[ReportedPicture]) -> tuple[int, int]:
    """Return how many maps a page has, and of how many something must be said."""
    maps = [found for picture in pictures for target in picture.targets for found in target.maps]
    return len(maps), sum(bool(found.notes) for found in maps)


def _cells(pictures: Sequence[ReportedPicture]) -> list[tuple[int, int]]:
    """Return the height and width of the maps in a page, each once."""
    found = [
        each.values.codes.shape
        for picture in pictures
        for target in picture.targets
        for each in target.maps
        if each.values
    ]
    return [(int(height), int(width)) for height, width in dict.fromkeys(found)]
