"""`tfviz compare`: which method to trust on a user's own model and pictures, by several metrics.

The options of the methods are flags, as of `tfviz explain`; those of a metric follow its name. True places are given as
`--true-masks`, since `--masks` is an option of `rise`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfviz.apps.command import options
from tfviz.apps.command.arguments import DEFAULT_OUTPUT, find_pictures
from tfviz.apps.command.flags import chosen, value_of
from tfviz.apps.command.networks import network_for, samples_for
from tfviz.errors import TfvizError
from tfviz.model_options import EMBEDDED
from tfviz.quiet import start_tensorflow

if TYPE_CHECKING:
    from tfviz.apps.files import TruePlaces

METRIC_NAMES = (
    "deletion",
    "insertion",
    "pixel_flipping",
    "road",
    "sensitivity_n",
    "mu_fidelity",
    "infidelity",
    "average_drop",
    "increase_in_confidence",
    "performance_information",
    "max_sensitivity",
    "average_sensitivity",
    "local_lipschitz",
    "grid_pointing_game",
    "disconnected_grid",
    "sparseness",
    "complexity",
    "effective_complexity",
    "completeness",
    "non_sensitivity",
    "input_invariance",
    "parameter_randomisation",
    "smooth_parameter_randomisation",
    "efficient_parameter_randomisation",
    "random_logit",
)
"""The names in `tfviz.results.metrics.METRICS` but those of true places; a test keeps them equal."""

PLACE_METRICS = (
    "pointing_game",
    "energy_in_mask",
    "relevance_rank",
    "top_k_intersection",
    "localisation_auc",
)
"""The names of those, kept likewise."""

SWITCHES = {"true": True, "false": False}

CompareMethods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        autocompletion=options.completing(*options.METHOD_NAMES),
        help="Repeatable: a name that tfviz methods lists. Seven usual ones, as far as they suit the network, if "
        "nothing is said.",
    ),
]
MetricNames = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        autocompletion=options.completing(*METRIC_NAMES, *PLACE_METRICS),
        help=f"Repeatable: {', '.join(METRIC_NAMES)}; with true places {', '.join(PLACE_METRICS)}. Options follow a "
        "colon: deletion:like=rise:steps=20. deletion, insertion, max_sensitivity and sparseness if nothing is said, "
        "and energy_in_mask with true places.",
    ),
]
TrueMasks = Annotated[
    Path | None,
    typer.Option(
        help="The true places, resized as the images are: a folder of masks that are called as the images, 1.png of "
        "1.jpg, and black outside; or boxes in pixels of the images, a CSV file with rows FILE,X,Y,WIDTH,HEIGHT or a "
        "JSON file {FILE: [[X, Y, WIDTH, HEIGHT]]}. The sample shapes bring theirs."
    ),
]
LayerName = Annotated[str | None, typer.Option(help="Where grad_cam and the like look; see tfviz layers.")]
TargetName = Annotated[
    str | None, typer.Option("--target", help="Index or name of a class to explain, not the predicted one.")
]


def compare(
    context: typer.Context,
    images: options.Images = None,
    *,
    method: CompareMethods = None,
    metric: MetricNames = None,
    true_masks: TrueMasks = None,
    layer: LayerName = None,
    target: TargetName = None,
    output: options.OutputFolder = DEFAULT_OUTPUT,
    batch_size: options.BatchSize = 32,
) -> None:
    """Measure which methods to trust: a table of methods and metrics, with baselines and intervals."""
    metrics = read_metrics(metric or [])
    paths = _pictures(images, output, true_masks)
    places = _places(true_masks, paths)
    about_model = network_for(context, paths)
    is_own_sample = not paths and about_model.model == EMBEDDED
    _check_places(metrics, has_places=places is not None, has_own=is_own_sample)
    start_tensorflow()
    from tfviz.apps.model import set_up
    from tfviz.apps.runs import CompareOptions, compare_files

    shared = {**({} if layer is None else {"layer": layer}), **chosen(context)}
    _check_count_of_masks(shared)
    asked = CompareOptions(tuple(method or ()), shared, metrics, target, batch_size, places)
    if not compare_files(set_up(about_model), paths or samples_for(about_model), asked, output):
        raise typer.Exit(1)


def read_metrics(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the options of each metric that is named, as in `deletion:like=rise:steps=20`.

    Raises `TfvizError` for an option without a value, and a metric that is named twice.
    """
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, *parts = (part.strip() for part in text.split(":"))
        if name in found:
            raise TfvizError(f"the metric {name} is named twice; a table has one column for each")
        found[name] = {}
        for option, value in (map(str.strip, f"{part}=".split("=")[:2]) for part in parts):
            if not option or not value:
                raise TfvizError(f"--metric {text}: expected {name}:OPTION=VALUE, with a colon before each option")
            found[name][option] = SWITCHES[value.lower()] if value.lower() in SWITCHES else value_of(value)
    return found


def _pictures(images: list[str] | None, output: Path, masks: Path | None) -> list[Path]:
    """Return the image files that are named, without masks in a folder below them."""
    paths = find_pictures(images or [], output)
    folder = None if masks is None else masks.absolute()
    others = [path for path in paths if folder is None or folder not in path.absolute().parents]
    return others or paths


def _places(masks: Path | None, paths: Sequence[Path]) -> TruePlaces | None:
    """Return the true places of images, None if none are given."""
    if masks is None:
        return None
    if not paths:
        raise typer.BadParameter("--true-masks is about image files; name them, too")
    from tfviz.apps.files import find_true_places

    return find_true_places(masks, paths)


def _check_places(metrics: Mapping[str, Any], *, has_places: bool, has_own: bool) -> None:
    """Raise `TfvizError` if metrics lack true places, or there are some for none of those that are named."""
    needing = [name for name in metrics if name in PLACE_METRICS]
    if needing and not has_places and not has_own:
        raise TfvizError(f"{needing[0]} compares with true places: give --true-masks, masks or boxes of the images")
    if metrics and has_places and not needing:
        raise TfvizError(
            f"--true-masks is given, but none of the metrics compares with them: {', '.join(metrics)}; "
            f"{', '.join(PLACE_METRICS)} do"
        )


def _check_count_of_masks(given: Mapping[str, Any]) -> None:
    """Raise `TfvizError` for true masks that are given as the number of random masks of `rise`."""
    if isinstance(given.get("masks"), str):
        raise TfvizError("--masks is the number of random masks of rise; masks of the images are --true-masks")
