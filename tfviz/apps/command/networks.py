"""Chooses the network of a command that names none, and the sample pictures of a command that names no images.

The user's images are photographs, which the embedded network does not know: a network that does explains them, if it is
installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer

from tfviz.apps.command.flags import model_options
from tfviz.errors import emit_warnings
from tfviz.model_options import EMBEDDED, ModelOptions


def typed(context: typer.Context, *names: str) -> bool:
    """Return whether one of the command's options was given by the user."""
    sources = [context.get_parameter_source(name) for name in names]
    return any(source is not None and source.name != "DEFAULT" for source in sources)


def network_for(context: typer.Context, images: Sequence[Path]) -> ModelOptions:
    """Return the options about the model, which is a network for photographs if there are images and none is named.

    Where that network is not installed, a warning says what the embedded one knows.
    """
    from tfviz.demo import IMAGENET_NETWORK, how_to_install

    about_model = model_options(context)
    if typed(context, "model") or not images:
        return about_model
    if install := how_to_install():
        emit_warnings(
            [f"the embedded network knows coloured shapes, not photographs: name another by --model, or {install}"]
        )
        return about_model
    return replace(about_model, model=IMAGENET_NETWORK)


def networks_for_samples(context: typer.Context) -> list[ModelOptions]:
    """Return the options about each network that sample pictures are explained by, if no images are named.

    The bare command shows the network for photographs, too; what is asked of one network is not asked of both.
    """
    from tfviz.demo import IMAGENET_NETWORK, how_to_install

    about_model = model_options(context)
    asked_of_one = about_model != ModelOptions() or typed(context, "model", "layer", "target", "save_maps")
    if asked_of_one or how_to_install():
        return [about_model]
    return [replace(about_model, model=IMAGENET_NETWORK), about_model]


def samples_for(about_model: ModelOptions) -> tuple[Path, ...]:
    """Return sample pictures for a network: those that the embedded one knows, or photographs if they are installed."""
    from tfviz.demo import photograph_paths, sample_paths

    shapes = about_model.model == EMBEDDED
    return sample_paths() if shapes else photograph_paths() or sample_paths()
