"""`tfviz report`: one page about a model on pictures, which a person can read, pass on and sign.

It explains images as `tfviz explain` does, with more classes of each, and writes one HTML file. The command as it was
typed goes into the page, with the network's name if that was chosen for the user.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from tfviz.apps.command import options
from tfviz.apps.command.arguments import DEFAULT_OUTPUT
from tfviz.apps.command.explain import check_request, complain, shared_options, true_labels
from tfviz.apps.command.flags import MethodCommand
from tfviz.apps.command.networks import network_for, samples_for, typed
from tfviz.quiet import start_tensorflow

TYPED = "tfviz.typed"
DEFAULT_REPORT = DEFAULT_OUTPUT / "report.html"

ReportFile = Annotated[
    Path, typer.Option(help="The HTML file. A report that is there is replaced, another file never.")
]
TopOfReport = Annotated[
    int | None,
    typer.Option(min=1, help="Explain so many of the best classes of each image; 3, or all of fewer, if not given."),
]
WithComparison = Annotated[
    bool | None,
    typer.Option(
        "--compare/--no-compare",
        help="Measure the methods on the pictures, as tfviz compare does, and whether they depend on the weights: most "
        "of the time that a report takes. Done if nothing is said, unless there are more than 40 pictures.",
        show_default=False,
    ),
]
MetadataFile = Annotated[
    Path | None,
    typer.Option(
        "--metadata",
        help="A CSV file about the pictures, for --by. A column called file, filename, image or path names each.",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--by", help="Repeatable: a column of that file; pictures with the same cell are a group."),
]


class ReportCommand(MethodCommand):
    """A command that takes the options of every method, and remembers how it was typed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments."""
        ctx.meta[TYPED] = list(args)
        return super().parse_args(ctx, args)


def report(
    context: typer.Context,
    images: options.Images = None,
    *,
    method: options.Methods = None,
    layer: options.LayerNames = None,
    target: options.TargetNames = None,
    top: TopOfReport = None,
    output: ReportFile = DEFAULT_REPORT,
    batch_size: options.BatchSize = 8,
    true: options.TrueLabels = None,
    compare: WithComparison = None,
    metadata: MetadataFile = None,
    by: Columns = None,
) -> None:
    """Write a page about what a model looks at: pictures, maps, doubts, and how to repeat it."""
    from tfviz.apps.files import check_report_place

    check_report_place(output)
    if (metadata is None) != (not by):
        raise typer.BadParameter("--metadata and --by go together: a file about the pictures, and a column of it")
    paths = check_request(images, target, top or 1, output.parent)
    labels = true_labels(true, paths)
    about_model = network_for(context, paths)
    command = ["tfviz", "report", *context.meta[TYPED]]
    if not typed(context, "model"):
        command += ["--model", about_model.model]
    shown = paths or samples_for(about_model)
    start_tensorflow()
    from tfviz.apps.model import set_up
    from tfviz.apps.report import Metadata, read_metadata
    from tfviz.apps.runs import Request, report as write, usual_top

    told = read_metadata(metadata, by, shown) if metadata and by else Metadata()
    setup = set_up(about_model)
    shared = shared_options(context, layer)
    request = Request(method or [], shared, target or [], 1, batch_size, output, False, {}, labels)
    if not target:
        request = replace(request, top=top or usual_top(setup))
    typed_as = shlex.join(command)
    complain(write(setup, request, shown, typed_as, are_samples=not paths, compared=compare, metadata=told))
