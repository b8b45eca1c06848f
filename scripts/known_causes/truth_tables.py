"""The tables of the page that are about networks whose causes are known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import tfviz
from known_causes.cells import ROWS, Data, mean_of, number, rank, ranked, table
from known_causes.photograph_tables import of_metrics
from known_causes.summaries import order_of, tau, truth_of
from tfviz.results.metrics import FAMILIES, METRICS


def truth(data: Data) -> str:
    """Return what the metrics of masks say of all methods on the embedded network."""
    case = data["cases"]["embedded"]
    names = [name for name, metric in METRICS.items() if metric.takes == "masks" and name in case["metrics"]]
    return of_metrics(case, names)


def preference(data: Data) -> str:
    """Return how often each metric prefers the true map: the mean over the false ones, and the one it likes most."""
    found = data["preference"]
    rows = []
    for name in next(iter(found.values()))["metrics"]:
        cells = [_preferred(each["metrics"].get(name, "")) for each in found.values()]
        rows.append([f"`{name}`", METRICS[name].family, *(cell for pair in cells for cell in pair)])
    head = (cell for case in found for cell in (case, f"least: {case}"))
    counts = ", ".join(f"{case['images']} of {name}" for name, case in found.items())
    return f"Pictures: {counts}.\n\n{table(['metric', 'family', *head], rows)}"


def _preferred(shares: Mapping[str, float | None] | str) -> tuple[str, str]:
    if isinstance(shares, str):
        return "–", "–"
    defined = {name: share for name, share in shares.items() if share is not None}
    if not defined:
        return "–", "–"
    worst = min(defined, key=defined.__getitem__)
    deceived = f" {worst.replace('_', ' ')}" if defined[worst] < 1 else ""
    return f"{np.mean([*defined.values()]):.2f}", f"{defined[worst]:.2f}{deceived}"


def orders(data: Data) -> str:
    """Return for each metric how far its order is that of the true masks, and that of photographs the same."""
    cases, methods = data["cases"], tuple(tfviz.METHODS)
    rows = []
    for name in METRICS:
        found = {key: order_of(case, name, methods) for key, case in cases.items()}
        known = [tau(found[key], truth_of(cases[key], methods)) for key in ("embedded", "planted")]
        every = tau(order_of(cases["embedded"], name, ROWS), truth_of(cases["embedded"], ROWS))
        across = tau(found["photographs"], found["embedded"])
        carried = tau(found["photographs"], truth_of(cases["embedded"], methods))
        rows.append([f"`{name}`", METRICS[name].family, *map(number, (*known, every, across, carried))])
    head = ["embedded", "planted", "embedded, with baselines", "photographs and embedded", "photographs and masks"]
    both = tau(*(truth_of(cases[key], methods) for key in ("embedded", "planted")))
    sentence = f"Between the orders of the truth on the embedded and on the planted network, τ is {both:.2f}."
    return table(["metric", "family", *head], rows) + f"\n\n{sentence}"


def ranks(data: Data) -> str:
    """Return the mean rank of each method by the metrics of each family on photographs, and by the masks elsewhere."""
    case, methods = data["cases"]["photographs"], tuple(tfviz.METHODS)
    columns = {}
    for family in FAMILIES:
        names = [name for name, metric in METRICS.items() if metric.family == family and name in case["metrics"]]
        found = [ranked(order_of(case, name, methods)) for name in names]
        columns[family] = np.array([mean_of(each) for each in zip(*found, strict=True)])
    for key in ("embedded", "planted"):
        columns[f"masks, {key}"] = ranked(truth_of(data["cases"][key], methods))
    rows = [[f"`{row}`", *(rank(each[index]) for each in columns.values())] for index, row in enumerate(methods)]
    return table(["method", *columns], rows)
