#!/usr/bin/env python
"""Compare all methods by all metrics on photographs: the tables of notebooks/trust_on_photographs.md.

    python scripts/trust_on_photographs.py --network FILE --photographs FOLDER [--images 20] [--few 8] [--known 20]
        [--layer NAME] [--metric NAME ...] [--output FOLDER] [--page notebooks]
    python scripts/trust_on_photographs.py --render --page notebooks

FILE is a Keras model of 227 x 227 pixels in BGR minus its mean, such as SqueezeNet; FOLDER holds pictures and their
classes in `labels.json`. The same is measured on two networks whose causes are known, and the metrics themselves on
three (`scripts/meta_evaluation.py`). Every metric is written to the output folder as soon as it is measured, with its
time, and what is there already is not measured again; a metric that fails stands in the tables with its error. With
--page the data and the tables of the page are written anew, and its prose is left as it is; --render makes the tables
of the data that is there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.stamp import moment, said, stamp
from known_causes.cases import KNOWN, Case, photographs
from known_causes.measuring import Measuring, method_options, quiet
from known_causes.summaries import summed_case
from known_causes.trust_page import filled, paths
from meta_evaluation import OF_MAPS, false_maps, preference

from tfviz.results.metrics import METRICS, shared_passes


def main() -> None:
    """Measure, and write data and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", type=Path)
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--images", type=int, default=20, help="photographs")
    parser.add_argument("--few", type=int, default=8, help="pictures for metrics that run the methods again")
    parser.add_argument("--known", type=int, default=20, help="pictures of each network whose causes are known")
    parser.add_argument("--layer", help="for methods that look at one, on photographs; else the network's default")
    parser.add_argument("--metric", nargs="*", default=[*METRICS], choices=[*METRICS])
    parser.add_argument("--output", type=Path, default=Path("trust-on-photographs"))
    parser.add_argument("--page", type=Path, help="the folder of the page")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    given = parser.parse_args()
    if not given.render:
        if given.network is None or given.photographs is None:
            parser.error("--network and --photographs are needed, unless --render is given")
        data = measured(given)
        write(data, given.output)
        if given.page is not None:
            write(data, given.page)
    if given.page is not None:
        render(given.page)


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """Return the data of the page, measuring what the output folder does not have."""
    about = {"date": moment()["date"], "said": said(stamp())}
    cases, preferences = {}, {}
    for case in all_cases(given):
        if case.name != "disconnected":
            cases[case.name] = summed(case, given)
        if case.masks is not None:
            preferences[case.name] = preferred(case, given)
    return {**about, "cases": cases, "preference": preferences}


def summed(case: Case, given: argparse.Namespace) -> dict[str, Any]:
    """Return what all metrics that apply say of all methods."""
    metrics = [name for name in given.metric if METRICS[name].takes != "masks" or case.masks is not None]
    with shared_passes() as passes:
        options = method_options(case.images.shape[1], given.layer if case.masks is None else None)
        return summed_case(Measuring(case, given.output, options, given.few, passes), tuple(metrics))


def all_cases(given: argparse.Namespace) -> Iterator[Case]:
    """Yield the networks whose causes are known, which are small, then the photographs."""
    for make in KNOWN.values():
        yield make(given.known)
    yield photographs(given.network, given.photographs, given.images)


def preferred(case: Case, given: argparse.Namespace) -> dict[str, Any]:
    """Return how often each metric prefers the true map, from its file if there is one."""
    path = given.output / case.name / "preference.json"
    names = [name for name in OF_MAPS if name in given.metric]
    of = {"images": len(case.images), "metrics": {name: _options(name) for name in names}}
    if path.exists() and (kept := json.loads(path.read_text(encoding="utf-8")))["of"] == of:
        return {"images": len(case.images), "metrics": kept["metrics"]}
    started, found, false = time.monotonic(), {}, false_maps(case)
    with quiet(), shared_passes():
        for name in names:
            try:
                shares = preference(case, name, false)
                found[name] = {key: round(share, 4) if share == share else None for key, share in shares.items()}
            except Exception as error:  # One metric does not end the others.
                found[name] = str(error)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"of": of, "metrics": found}), encoding="utf-8")
    print(f"{case.name} preference: {time.monotonic() - started:.0f} s", flush=True)
    return {"images": len(case.images), "metrics": found}


def _options(name: str) -> Any:
    """Return a metric's options as JSON has them."""
    return json.loads(json.dumps(METRICS[name].options))


def write(data: Mapping[str, Any], folder: Path) -> None:
    """Write the data into a folder, a metric of a case on a line."""
    path, _ = paths(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(as_text(data), encoding="utf-8")
    print(path)


def as_text(data: Mapping[str, Any], depth: int = 3) -> str:
    """Return data as JSON, of which what is nested deeper than that stands on a line."""

    def text(value: Any, level: int) -> str:
        if not isinstance(value, dict) or level == depth or not value:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        rows = ",\n".join(f"{' ' * level}{json.dumps(key)}:{text(each, level + 1)}" for key, each in value.items())
        return f"{{\n{rows}\n{' ' * (level - 1)}}}" if level else f"{{\n{rows}\n}}"

    return text(dict(data), 0) + "\n"


def render(folder: Path) -> None:
    """Make the tables of the page anew, from the data in its folder."""
    data, page = paths(folder)
    made = filled(page.read_text(encoding="utf-8"), json.loads(data.read_text(encoding="utf-8")))
    page.write_text(made, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
