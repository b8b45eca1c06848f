"""Measures all methods by all metrics on a case, a metric at a time; each is kept in a file as soon as it is known.

A run that is interrupted goes on where it stopped: a file is read if it is of the same pictures, methods and options,
and measured anew if it is not, or if it holds an error.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import tfviz
from known_causes.cases import Case
from tfviz.errors import TfvizError, TfvizWarning
from tfviz.results.comparison import BASELINES, Row, measure, spread
from tfviz.results.metrics import METRICS, SharedPasses, Subject, collapse_of, sanity_verdicts, subject_of

SANITY = "sanity"
SANITY_IMAGES = 4
METRIC_OPTIONS: Mapping[str, Mapping[str, Any]] = {"smooth_parameter_randomisation": {"steps": 4, "samples": 3}}
"""The options of metrics that would take longest; all others have their defaults."""


def method_options(side: int, layer: str | None = None) -> dict[str, dict[str, Any]]:
    """Return the options of every method: fewer samples than by default, since most metrics run it many times.

    layer: that of the methods that look at one, unless it is the network's default.
    """
    given = {"samples": 5, "steps": 12, "masks": 96, "max_channels": 32} | ({} if layer is None else {"layer": layer})
    own = {"occlusion": {"patch": max(2, side // 6), "stride": max(1, side // 7)}}
    return {
        name: own.get(name, {option: value for option, value in given.items() if option in method.options})
        for name, method in tfviz.METHODS.items()
    }


@dataclass(eq=False)
class Measuring:
    """A case to be measured into a folder.

    few: how many of its pictures for metrics that run the methods again. passes: what its metrics share.
    """

    case: Case
    folder: Path
    methods: Mapping[str, Mapping[str, Any]]
    few: int
    passes: SharedPasses
    missing: dict[str, str] = field(default_factory=dict)

    def metric(self, name: str) -> dict[str, Any]:
        """Return what a metric says of all rows, from its file if there is one."""
        return self._kept(name, self._of(name), lambda: self._measured(name))

    def sanity(self) -> dict[str, Any]:
        """Return the sanity verdict of every method."""
        return self._kept(SANITY, {"images": SANITY_IMAGES, "methods": self.methods}, self._verdicts)

    def _of(self, name: str) -> dict[str, Any]:
        """Return what a metric is measured of."""
        count = len(self.case.images)
        images = min(self.few, count) if METRICS[name].takes == "method" else count
        options = {**METRICS[name].options, **METRIC_OPTIONS.get(name, {})}
        return {"images": images, "options": options, "methods": self.methods}

    def _kept(self, name: str, of: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        path = self.folder / self.case.name / f"{name}.json"
        of = json.loads(json.dumps(of))
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["of"] == of and not kept["error"]:
                return kept
        self.ready()
        started = time.monotonic()
        try:
            found = {**make(), "error": ""}
        except Exception as error:  # Hours of other metrics are not lost to one.
            found = {"error": f"{type(error).__name__}: {error}"}
        found |= {"of": of, "seconds": time.monotonic() - started}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
        print(f"{self.case.name} {name}: {found['seconds']:.0f} s {found['error']}".rstrip(), flush=True)
        return found

    def _measured(self, name: str) -> dict[str, Any]:
        before = self._counts()
        with quiet():
            chosen = {name: (METRICS[name], METRIC_OPTIONS.get(name, {}))}
            table = measure(self.subject, self.rows, chosen, self.rerun, self.case.masks)
        return {
            "values": {row: values.tolist() for row, values in table.values[name].items()},
            "undefined": {**self.missing, **table.undefined.get(name, {})},
            "counts": [now - then for now, then in zip(self._counts(), before, strict=True)],
        }

    def _counts(self) -> tuple[int, int, int, int]:
        """Return how many scores and maps were asked for and run, in turn."""
        maps = self.passes.maps
        return self.passes.asked, self.passes.computed, maps.asked, maps.computed

    def ready(self) -> None:
        """Run all methods once, and let metrics that run them again run them together."""
        if "rows" in vars(self):
            return
        named = [(row.method, row.options) for row in self.rows.values() if isinstance(row.method, str)]
        self.passes.maps.together(self.case.network, named)

    def _verdicts(self) -> dict[str, Any]:
        methods = {name: row.options for name, row in self.rows.items() if isinstance(row.method, str)}
        some = spread(len(self.case.images), SANITY_IMAGES)
        with quiet():
            about = (self.case.network, self.case.images[some], self.case.targets[some])
            found = sanity_verdicts(*about, [*methods], options=methods)
        return {"verdicts": {name: {**vars(each)} for name, each in found.items()}}

    @property
    def rerun(self) -> np.ndarray:
        """On which pictures metrics measure that run the methods again, bool (N,)."""
        return spread(len(self.case.images), self.few)

    @cached_property
    def subject(self) -> Subject:
        """The network and pictures as metrics take them."""
        return subject_of(self.case.network, self.case.images, self.case.targets)

    @cached_property
    def rows(self) -> dict[str, Row]:
        """What every method and baseline finds; those that cannot be are in `missing`."""
        started = time.monotonic()
        with quiet():
            rows = dict(self._found())
        print(f"{self.case.name} maps: {time.monotonic() - started:.0f} s", flush=True)
        return rows

    def _found(self) -> Iterable[tuple[str, Row]]:
        about = (self.case.network, self.case.images, self.case.targets)
        for name, options in self.methods.items():
            try:
                found = tfviz.explain(*about, methods=[name], options={name: dict(options)})[name]
            except TfvizError as error:
                self.missing[name] = str(error)
                continue
            complete = tfviz.METHODS[name].complete(options)
            maps, how = self.subject.maps(found, collapse_of(name, complete))
            yield name, Row(found, maps, how, name, options)
        for name, baseline in BASELINES.items():
            found = baseline(*about)
            yield name, Row(found, np.asarray(found, np.float64), None, baseline)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what methods and metrics warn of: few samples, and maps that are empty, which the tables show."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TfvizWarning)
        yield
