"""`compare`: runs several methods, and measures what they find by several metrics, baselines beside them.

All metrics of a call share their passes: an image that two of them ask for, or one of them for two methods, is run
once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfviz.apps.comparison.comparison import Comparison
from tfviz.errors import InvalidImagesError, TfvizError, emit_warnings
from tfviz.methods import Results, choose_methods, run_methods
from tfviz.methods.engine import LAYER, integer
from tfviz.results import Masks, check_masks, check_options
from tfviz.results.comparison import BASELINES, Baseline, Row, find_baselines, measure, spread
from tfviz.results.metrics import Metric, SharedMaps, Subject, collapse_of, find_metric, shared_passes, subject_of

COMPARED = ("grad_cam", "layer_cam", "hires_cam", "full_grad", "saliency", "guided_backprop", "integrated_gradients")
MEASURED_BY = ("deletion", "insertion", "max_sensitivity", "sparseness")
Named = str | Sequence[str] | Mapping[str, Mapping[str, Any]]
Chosen = Mapping[str, tuple[Metric, Mapping[str, Any]]]
SET_HERE = ("collapse", "batch_size", "options")
ONE_IMAGE = (
    "the comparison is of one image: there are no intervals, and what is best on it may be worst on the next; give at "
    "least ten"
)


def compare(
    model: Any,
    images: Any,
    targets: Any = None,
    methods: Named = COMPARED,
    metrics: Named = MEASURED_BY,
    *,
    layer: str | None = None,
    masks: ArrayLike | None = None,
    baselines: Sequence[str] = tuple(BASELINES),
    rerun_images: int | None = 4,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    batch_size: int = 32,
) -> Comparison:
    """Measure several methods by several metrics on the same images, with baselines, intervals and ranks.

    No metric says alone which map to believe: take some of several families, and look where they agree. For `model`,
    `images` and `targets` see `tfviz.methods`; there is one target for each image.

    Parameters
    ----------
    methods
        Names of `tfviz.METHODS`, or their options by name: `{"grad_cam": {"layer": "conv1"}, "saliency": {}}`.
    metrics
        Names of `tfviz.results.metrics.METRICS`, or their options by name.
    layer
        The layer for every method that looks at one and is given no other.
    masks : bool (N, H, W)
        The true places, for metrics of localisation; `tfviz.results.box_mask` makes masks of boxes.
    baselines
        Names of `tfviz.results.comparison.BASELINES`: maps that do not know the network.
    rerun_images
        On how many of the images the metrics measure that run each method again and again (robustness, randomisation),
        at equal distances among them; None is all. They take nearly all of the time.
    confidence
        The share of the resampled means that an interval holds, above 0 and below 1.
    resamples, seed
        How often images are drawn anew for the intervals, the same for all methods, and the seed of that.

    Returns
    -------
    Comparison
        A table with the value of every image, which prints itself, shows itself in a notebook, and has `save` and
        `plot`.

    Raises
    ------
    TfvizError
        A metric, baseline or option does not exist, or a metric fails for every method.
    UnknownMethodError, InvalidImagesError, InvalidTargetsError, UnsupportedModelError, UnknownLayerError
    """
    found = comparison_of(
        model,
        images,
        targets,
        methods,
        metrics,
        layer=layer,
        masks=masks,
        baselines=baselines,
        rerun_images=rerun_images,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
        batch_size=batch_size,
    )
    emit_warnings(found.warnings)
    return found


def comparison_of(
    model: Any,
    images: Any,
    targets: Any,
    methods: Named,
    metrics: Named,
    *,
    layer: str | None = None,
    masks: ArrayLike | None = None,
    baselines: Sequence[str] = tuple(BASELINES),
    rerun_images: int | None = 4,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    batch_size: int = 32,
) -> Comparison:
    """Return what `compare` does, its warnings as data alone."""
    _check_numbers(confidence, resamples, rerun_images)
    chosen = choose_methods([*_named(methods)], None if layer is None else {LAYER: layer}, _named(methods))
    measured = _chosen_metrics(metrics)
    beside = find_baselines(baselines)
    with shared_passes() as passes:
        subject = subject_of(model, images, targets, batch_size)
        places = _places(measured, masks, subject)
        results = _results(subject, chosen)
        rows, left_out = _rows(subject, results, beside)
        rerun = _remember(passes.maps, subject, rows, rerun_images)
        table = measure(subject, rows, measured, rerun, places)
    return Comparison(
        table=table,
        results=results,
        baselines=tuple(name for name in rows if name in beside),
        collapses={name: row.how for name, row in rows.items()},
        confidence=confidence,
        resamples=resamples,
        seed=seed,
        passes=(passes.asked, passes.computed),
        maps=(passes.maps.asked, passes.maps.computed),
        warnings=tuple(dict.fromkeys([*_about_few(subject), *results.warnings, *left_out, *table.warnings])),
    )


def _check_numbers(confidence: float, resamples: int, rerun_images: int | None) -> None:
    """Raise `TfvizError` for numbers that give no intervals."""
    if rerun_images is not None:
        integer("rerun_images", rerun_images, 1)
    if not 0 < confidence < 1:
        raise TfvizError(f"confidence is {confidence!r}, expected a share above 0 and below 1, such as 0.95")
    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < 1:
        raise TfvizError(f"resamples is {resamples!r}, expected an integer of at least 1")


def _named(given: Named) -> dict[str, dict[str, Any]]:
    """Return options by name, none for names alone."""
    if isinstance(given, str):
        return {given: {}}
    return {name: dict(given[name]) if isinstance(given, Mapping) else {} for name in given}


def _chosen_metrics(metrics: Named) -> Chosen:
    """Return the metrics with their options; raise `TfvizError` if there is none, or one or an option is unknown."""
    chosen = {name: (find_metric(name), options) for name, options in _named(metrics).items()}
    if not chosen:
        raise TfvizError("there are no metrics to measure by; tfviz.results.metrics.METRICS lists them")
    for name, (metric, options) in chosen.items():
        check_options(name, options, [each for each in metric.options if each not in SET_HERE])
    return chosen


def _places(metrics: Chosen, masks: ArrayLike | None, subject: Subject) -> Masks | None:
    """Return the true places, checked; raise `TfvizError` if they are missing, or given for no metric."""
    needing = [name for name, (metric, _) in metrics.items() if metric.takes == "masks"]
    if masks is None:
        if needing:
            raise TfvizError(f"{needing[0]} compares with true places, and there are none: give masks=, bool (N, H, W)")
        return None
    if not needing:
        raise TfvizError(f"masks are given, but none of the metrics compares with them: {', '.join(metrics)}")
    places = check_masks(masks)
    if places.shape != subject.images.shape[:3]:
        raise InvalidImagesError(f"expected one mask for each image, {subject.images.shape[:3]}, got {places.shape}")
    return places


def _results(subject: Subject, chosen: Mapping[str, Mapping[str, Any]]) -> Results:
    """Return the results of all methods, which share their passes."""
    given = subject.as_given(subject.images, np.arange(len(subject)))
    targets = subject.targets if subject.network.head.has_classes else None
    return run_methods(subject.network, chosen, given, targets, batch_size=subject.batch_size)


def _rows(subject: Subject, results: Results, beside: Mapping[str, Baseline]) -> tuple[dict[str, Row], list[str]]:
    """Return the rows of the table, the methods, then the baselines, and warnings of baselines that cannot be."""
    rows, warnings = {}, []
    for name, found in results.maps.items():
        options = results.options[name]
        maps, how = subject.maps(found, collapse_of(name, options))
        rows[name] = Row(found, maps, how, name.partition("@")[0], options)
    given = subject.as_given(subject.images, np.arange(len(subject)))
    for name, baseline in beside.items():
        try:
            own = baseline(subject.network, given, subject.targets)
        except TfvizError as error:
            warnings.append(f"the baseline {name} is left out: {error}")
            continue
        rows[name] = Row(own, own, None, baseline)
    return rows, warnings


def _remember(maps: SharedMaps, subject: Subject, rows: Mapping[str, Row], wanted: int | None) -> np.ndarray:
    """Let metrics that run methods again run them all together; return on which images, bool (N,).

    What the methods found in these is known already.
    """
    rerun = spread(len(subject), wanted)
    some = subject.select(np.flatnonzero(rerun))
    methods = [(row.method, row.options) for row in rows.values() if isinstance(row.method, str)]
    found = [row.found[rerun] for row in rows.values() if isinstance(row.method, str)]
    maps.together(some.network, methods)
    maps.know(some.network, some.as_given(some.images, np.arange(len(some))), some.targets, found)
    return rerun


def _about_few(subject: Subject) -> tuple[str, ...]:
    return () if len(subject) > 1 else (ONE_IMAGE,)
