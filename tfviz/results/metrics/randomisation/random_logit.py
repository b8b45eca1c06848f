"""Random logit: whether a map of one class differs from that of another one.

A map that is asked for a class must show something of that class. Sixt 2020 found rules of backpropagation whose maps
hardly depend on it, since their products of matrices converge to one direction whatever they start from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfviz.arrays import Indices
from tfviz.results.metrics.measuring import (
    Definitions,
    Explain,
    Explaining,
    Measurement,
    choose,
    metric,
    set_undefined,
    subject_of,
)
from tfviz.results.metrics.randomisation.cascading import CHECKS
from tfviz.results.metrics.randomisation.similarity import NOT_COMPARED, similarities

LIKE: Definitions = {
    "tfviz": {"similarity": "ssim", "seed": 0},
    "quantus": {"similarity": "ssim_of_quantus", "seed": 42},
}


@metric(
    family="randomisation",
    takes="method",
    better="lower",
    bounds=(-1.0, 1.0),
    paper="Sixt 2020, arXiv 1912.09818, section 4",
    cost="the method twice",
    caution="one other class is drawn, and the maps of classes that look alike are alike",
    of_classes=True,
)
def random_logit(
    model: Any,
    images: Any,
    targets: Any,
    method: str | Explain,
    *,
    like: str = "tfviz",
    similarity: str | None = None,
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return how alike the map of the target is to that of another class, drawn at random [1]_.

    Parameters
    ----------
    like
        ``"tfviz"``: the structural similarity of absolute maps. ``"quantus"``: that of signed maps laid out in one row
        of pixels, divided by the largest value of the batch, and the classes that it draws.
    similarity
        ``"ssim"`` (structural), ``"spearman"`` (of ranks) or ``"pearson"``, of absolute maps, in place of that of
        `like`.
    seed
        Of the classes; 0, or Quantus's 42.

    Returns
    -------
    Measurement of (N,), -1..1, the lower the better; its options name the other `classes`. NaN for maps that are the
    same everywhere.

    References
    ----------
    .. [1] Sixt, Granz, Landgraf, "When Explanations Lie: Why Many Modified BP Attributions Fail", 2020, arXiv
       1912.09818, section 4.
    """
    chosen = choose(LIKE, like, CHECKS, similarity=similarity, seed=seed)
    explaining = Explaining(subject_of(model, images, targets, batch_size), method, options or {}, collapse)
    subject, every = explaining.subject, np.arange(len(explaining.subject))
    subject.check_classes("random_logit")
    classes = _other_classes(subject.targets, subject.network.num_classes or 2, chosen["seed"], like == "quantus")
    maps, others = (explaining.maps(subject.images, every, targets) for targets in (subject.targets, classes))
    values = similarities(chosen["similarity"], maps, others)
    about = {**chosen, "classes": tuple(classes.tolist())}
    warnings = set_undefined("random_logit", values, np.isnan(values), since=NOT_COMPARED)
    return Measurement("random_logit", values, explaining.how, about, warnings=warnings)


def _other_classes(targets: Indices, count: int, seed: int, like_quantus: bool) -> Indices:
    """Return for each image a class (N,) that is not its target, all of the others being as likely."""
    if like_quantus:
        drawn = np.random.RandomState(seed).randint(0, count - 1, len(targets))
    else:
        drawn = np.random.default_rng(seed).integers(0, count - 1, len(targets))
    return np.asarray(drawn + (drawn >= targets), np.int32)
