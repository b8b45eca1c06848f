"""`tfviz export`: a SavedModel that explains itself.

The place is checked before TensorFlow is imported, and again before it is replaced (`write_folder`). `--preprocess`,
`--fit` and `--interpolation` belong to `--encoded` alone: images are given to the other signatures as the network takes
them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tfviz.apps.command import options
from tfviz.apps.command.flags import chosen, model_options
from tfviz.quiet import start_tensorflow

ExportMethods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        autocompletion=options.completing(*options.METHOD_NAMES, "all"),
        help="Repeatable: a name that tfviz methods lists, or all that suit the network. grad_cam if nothing is said.",
    ),
]


def export(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="As the --model of explain.")],
    output: Annotated[Path, typer.Argument(help="The folder of the SavedModel.")],
    *,
    method: ExportMethods = None,
    layer: options.LayerNames = None,
    encoded: Annotated[
        bool, typer.Option("--encoded", help="The signatures take encoded image files in place of images.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Images that methods of many runs compute at once.")] = 32,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a SavedModel that is there.")] = False,
) -> None:
    """Write a SavedModel that has a signature for each method, beside its own."""
    from tfviz.apps.files import check_place

    check_place(output, overwrite=overwrite)
    about_model = replace(model_options(context), model=model)
    if not encoded and (about_model.preprocess or about_model.fit or about_model.interpolation):
        raise typer.BadParameter(
            "--preprocess, --fit and --interpolation are for --encoded; images are given as the network takes them"
        )
    start_tensorflow()
    from tfviz.apps.runs import export as write

    named = {} if not layer else {"layer": layer[0] if len(layer) == 1 else layer}
    write(
        about_model,
        method or ["grad_cam"],
        {**named, **chosen(context)},
        batch_size,
        output,
        encoded=encoded,
        overwrite=overwrite,
    )
