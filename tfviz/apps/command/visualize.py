"""`tfviz visualize`: pictures of what a model looks for.

`--class NAME` is short for an objective; several objectives ascend together, a picture each. Without a preset it is
`fourier`, or `deep-dream` from an image, whose fewer and shorter steps leave it visible.
"""

from __future__ import annotations

import typer

from tfviz.apps.command import options
from tfviz.apps.command.arguments import DEFAULT_OUTPUT, find_pictures, read_numbers
from tfviz.apps.command.flags import model_options
from tfviz.quiet import start_tensorflow


def visualize(
    context: typer.Context,
    *,
    objectives: options.Objectives = None,
    classes: options.Classes = None,
    preset: options.Preset = None,
    iterations: options.Iterations = None,
    seed: options.Seed = 0,
    image: options.StartImage = None,
    colors: options.ColorImages = None,
    snapshots: options.Snapshots = "",
    gif: options.Gif = False,
    output: options.OutputFolder = DEFAULT_OUTPUT,
) -> None:
    """Make pictures of what a model looks for: a class, a channel, a neuron, a direction or a layer."""
    wanted = [*(f"class:{name}" for name in classes or []), *(objectives or [])]
    if not wanted:
        raise typer.BadParameter("say what to show: --class, or --objective such as channel:LAYER:7")
    recipe = preset or ("fourier" if image is None else "deep-dream")
    steps = read_numbers(snapshots)
    color_paths = find_pictures(colors or [], output)
    start_tensorflow()
    from tfviz.apps.model import set_up
    from tfviz.apps.runs import VisualizeOptions, visualize as show

    setup = set_up(model_options(context))
    show(setup, wanted, VisualizeOptions(recipe, iterations, seed, steps, gif, image, color_paths), output)
