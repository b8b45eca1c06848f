"""`tfviz visualize` and `tfviz fool`: images made from the network."""

from __future__ import annotations

from typing import Annotated

import typer

from tfviz.apps.command import options
from tfviz.apps.command.arguments import DEFAULT_OUTPUT, find_pictures, read_numbers
from tfviz.apps.command.flags import chosen, model_options
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
    output: options.Output = DEFAULT_OUTPUT,
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
    from tfviz.apps.runs import VisualizeOptions
    from tfviz.apps.runs import visualize as show

    setup = set_up(model_options(context))
    show(setup, wanted, VisualizeOptions(recipe, iterations, seed, steps, gif, image, color_paths), output)


def fool(
    context: typer.Context,
    image: Annotated[str, typer.Argument(help="An image file.")],
    *,
    target: Annotated[
        str | None, typer.Option(help="The class to reach, or the label to switch on: its index or name.")
    ] = None,
    away_from: Annotated[
        str | None,
        typer.Option(help="Without a target: the class to leave, or the label to switch off; the predicted."),
    ] = None,
    method: Annotated[str, typer.Option(help="fooling_image, fgsm or pgd.")] = "fooling_image",
    output: options.Output = DEFAULT_OUTPUT,
    save_array: Annotated[bool, typer.Option("--save-array", help="Write the float32 input (.npy), too.")] = False,
) -> None:
    """Change an image a little, so that a model takes it for another class."""
    paths = find_pictures([image], output)
    if len(paths) > 1:
        raise typer.BadParameter(f"{image} holds {len(paths)} images; give one of them")
    start_tensorflow()
    from tfviz.apps.model import set_up
    from tfviz.apps.runs import FoolOptions
    from tfviz.apps.runs import fool as change
    from tfviz.methods.adversarial import deciding

    setup = set_up(model_options(context), seen_as=deciding)
    if not change(setup, paths[0], FoolOptions(method, target, away_from, chosen(context), save_array), output):
        raise typer.Exit(1)
