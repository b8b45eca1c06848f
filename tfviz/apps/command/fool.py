"""`tfviz fool`: an image that a model takes for another class.

The options of the attacks are flags made from their signatures; whether the chosen attack has the given ones is checked
just before it runs. The exit status is 1 if the network is not fooled, so that a script can tell.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tfviz.apps.command import options
from tfviz.apps.command.arguments import DEFAULT_OUTPUT, find_pictures
from tfviz.apps.command.flags import chosen
from tfviz.apps.command.networks import network_for
from tfviz.quiet import start_tensorflow


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
    method: Annotated[
        str,
        typer.Option(autocompletion=options.completing(*options.ATTACK_NAMES), help="fooling_image, fgsm or pgd."),
    ] = "fooling_image",
    output: options.OutputFolder = DEFAULT_OUTPUT,
    save_array: Annotated[bool, typer.Option("--save-array", help="Write the float32 input (.npy), too.")] = False,
) -> None:
    """Change an image a little, so that a model takes it for another class."""
    paths = find_pictures([image], output)
    if len(paths) > 1:
        raise typer.BadParameter(f"{image} holds {len(paths)} images; give one of them")
    about_model = network_for(context, paths)
    start_tensorflow()
    from tfviz.apps.model import set_up
    from tfviz.apps.runs import FoolOptions, fool as change
    from tfviz.methods.adversarial import deciding

    setup = set_up(about_model, seen_as=deciding)
    if not change(setup, paths[0], FoolOptions(method, target, away_from, chosen(context), save_array), output):
        raise typer.Exit(1)
