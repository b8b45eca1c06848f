"""`tfviz compare`: which method to trust on a user's own model and pictures, by several metrics.

The options of the methods are flags, as of `tfviz explain`; those of metrics are given in Python.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tfviz.apps.command import options
from tfviz.apps.command.arguments import DEFAULT_OUTPUT, find_pictures
from tfviz.apps.command.flags import chosen
from tfviz.apps.command.networks import network_for, samples_for
from tfviz.quiet import start_tensorflow

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
        autocompletion=options.completing(*METRIC_NAMES),
        help=f"Repeatable: {', '.join(METRIC_NAMES)}. One or two of each family if nothing is said.",
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
    layer: LayerName = None,
    target: TargetName = None,
    output: options.OutputFolder = DEFAULT_OUTPUT,
    batch_size: options.BatchSize = 32,
) -> None:
    """Measure which methods to trust: a table of methods and metrics, with baselines and intervals."""
    paths = find_pictures(images or [], output)
    about_model = network_for(context, paths)
    start_tensorflow()
    from tfviz.apps.model import set_up
    from tfviz.apps.runs import CompareOptions, compare_files

    shared = {**({} if layer is None else {"layer": layer}), **chosen(context)}
    asked = CompareOptions(tuple(method or ()), shared, tuple(metric or ()), target, batch_size)
    if not compare_files(set_up(about_model), paths or samples_for(about_model), asked, output):
        raise typer.Exit(1)
