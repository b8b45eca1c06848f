"""Sums up what was measured of a case: what a page needs, and is small enough to be committed.

A cell is the mean of a metric over the images for a row, the ends of its interval, and its marks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from known_causes.measuring import Measuring
from tfviz.results.comparison import BASELINES, PARTIAL, Findings, Measured, kendall_tau
from tfviz.results.metrics import METRICS

DIGITS = 4
Summed = dict[str, Any]
NOT_MEASURED: Summed = {
    "images": 0,
    "seconds": 0,
    "error": "it was not measured",
    "counts": [0, 0, 0, 0],
    "alike": 0,
    "pairs": 0,
    "cells": {},
    "undefined": {},
}
"""What is said of a metric that was not asked for."""


def summed_case(measuring: Measuring, metrics: tuple[str, ...]) -> Summed:
    """Measure a case, as far as it is not yet known, and return the summary."""
    case = measuring.case
    # Metrics of maps alone come first: those that run methods again take most of the time.
    order = sorted(metrics, key=lambda name: METRICS[name].takes == "method")
    found = {name: summed_metric(name, measuring.metric(name), measuring.methods) for name in order}
    every = [name for name, metric in METRICS.items() if metric.takes != "masks" or case.masks is not None]
    sanity = measuring.sanity()
    verdicts = {
        name: [_short(each[part]) for part in ("left", "similarity", "by_chance")]
        for name, each in sanity.get("verdicts", {}).items()
    }
    return {
        "images": len(case.images),
        "methods": {name: dict(options) for name, options in measuring.methods.items()},
        "layer": measuring.methods.get("grad_cam", {}).get("layer") or case.network.default_layer,
        "metrics": {name: found.get(name, NOT_MEASURED) for name in every},
        "sanity": {"images": sanity["of"]["images"], "verdicts": verdicts, "error": sanity["error"]},
    }


def summed_metric(name: str, kept: Mapping[str, Any], methods: Mapping[str, Any]) -> Summed:
    """Return what a metric says of all rows, or its error."""
    about = {"images": kept["of"]["images"], "seconds": round(kept["seconds"]), "error": kept["error"]}
    if kept["error"]:
        return {**NOT_MEASURED, **about}
    values = {row: np.array(each, np.float64) for row, each in kept["values"].items()}
    count = len(next(iter(values.values())))
    found = Findings(
        table=Measured(
            values={name: values},
            undefined={name: kept["undefined"]},
            about={name: METRICS[name]},
            rerun=np.ones(count, bool),
        ),
        results={row: None for row in values if row in methods},
        baselines=tuple(row for row in values if row in BASELINES),
        collapses={},
        confidence=0.95,
        resamples=2000,
        seed=0,
        passes=(0, 0),
        maps=(0, 0),
        warnings=(),
    )
    cells = {
        row: [_short(each.mean), _short(each.low), _short(each.high), each.marks]
        for row, each in found.summaries[name].items()
    }
    defined = sum(bool(np.isfinite(found.summaries[name][row].rank)) for row in found.methods)
    alike, pairs = len(found.alike(name)), defined * (defined - 1) // 2
    return {
        **about,
        "counts": kept["counts"],
        "alike": alike,
        "pairs": pairs,
        "cells": cells,
        "undefined": kept["undefined"],
    }


def order_of(case: Summed, name: str, rows: tuple[str, ...]) -> np.ndarray:
    """Return how good a metric says that rows are on all images, (M,), the higher the better; NaN if it does not."""
    cells = case["metrics"].get(name, {"cells": {}})["cells"]
    sign = 1 if METRICS[name].better == "higher" else -1
    of_rows = [cells.get(row, [None]) for row in rows]
    return np.array([np.nan if each[0] is None or PARTIAL in each[3:] else sign * each[0] for each in of_rows])


def truth_of(case: Summed, rows: tuple[str, ...]) -> np.ndarray:
    """Return how well rows find the true places, (M,): their mean rank by the metrics of masks, the higher the better.

    A mean rank, since no metric of masks is the truth itself.
    """
    orders = [order_of(case, name, rows) for name, metric in METRICS.items() if metric.takes == "masks"]
    return np.mean([(each[:, np.newaxis] > each[np.newaxis]).sum(axis=1) for each in orders], axis=0)


def tau(first: np.ndarray, second: np.ndarray) -> float:
    """Return Kendall's τ of two orders, NaN if there is none."""
    return kendall_tau(first, second)


def _short(value: float | None) -> float | None:
    """Return a number in the digits of a page; None for NaN."""
    return None if value is None or value != value else float(f"{value:.{DIGITS}g}")
