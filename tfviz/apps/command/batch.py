"""`tfviz batch`: what a model looks at in many images, by Apache Beam.

Beam logs on import which of its optional parts are missing, and at length how a worker failed. Both are kept from the
terminal; `run_batch` reports the failure in one line.

Options that tfviz does not know are handed on as they are written (`context.args`): only Beam knows those of its
runners, so a misspelt one is found after its import.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from tfviz.apps.command import options
from tfviz.apps.command.flags import MethodCommand, chosen, model_options
from tfviz.quiet import start_tensorflow
from tfviz.terminal import say, tell

LOCAL_RUNNER = "DirectRunner"


class BatchCommand(MethodCommand):
    """A command that takes the options of every method, and any of Beam.

    Its help leaves both out, so that it needs neither TensorFlow nor Beam.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments."""
        if "--help" in args:
            return TyperCommand.parse_args(self, ctx, ["--help"])
        return super().parse_args(ctx, args)


def batch(
    context: typer.Context,
    *,
    input: Annotated[
        list[str],
        typer.Option(
            "--input",
            help="Repeatable: a file or pattern of image files, or of TFRecords of tf.train.Example (.gz, too); local "
            "or on a file system of Beam's, such as gs://bucket/*.jpg.",
        ),
    ],
    output: Annotated[str, typer.Option(help="The folder for the results; a run that it holds is replaced.")],
    method: Annotated[
        str,
        typer.Option(autocompletion=options.completing(*options.METHOD_NAMES), help="A name that tfviz methods lists."),
    ] = "grad_cam",
    layer: Annotated[str | None, typer.Option(help="Where grad_cam and the like look; see tfviz layers.")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Index or name of the class to explain for every image, or label: the image/class/label of each "
            "Example. The predicted class otherwise."
        ),
    ] = None,
    overlays: Annotated[bool, typer.Option("--overlays", help="Write a PNG of each map over its image, too.")] = False,
    batch_size: options.BatchSize = 32,
    runner: Annotated[str, typer.Option(help="Beam's: DirectRunner, DataflowRunner, FlinkRunner ...")] = LOCAL_RUNNER,
) -> None:
    """Explain many images by Apache Beam.

    The options of methods are those of tfviz explain. All other options are Beam's, such as --direct_num_workers 2
    --direct_running_mode multi_processing, or --project, --region and --temp_location.
    """
    from tfviz.apps.files import check_patterns

    # Beam takes seconds to import.
    check_patterns(input)
    # It says then which of its own parts are not installed.
    root = logging.getLogger()
    root.setLevel(logging.ERROR)
    if not root.handlers:
        # And how a worker failed, at length; here that is one line.
        root.addHandler(logging.NullHandler())
    start_tensorflow()
    from tfviz.apps.beam import BatchOptions, run_batch

    methods = {**({} if layer is None else {"layer": layer}), **chosen(context)}
    request = BatchOptions(input, output, method, methods, target, overlays, batch_size, runner, context.args)
    counts = run_batch(model_options(context), request)
    _report(counts, output)


def _report(counts: Mapping[str, int], output: str) -> None:
    """Print what came of the inputs; exit with 1 if nothing did."""
    inputs, results, dead = (counts[name] for name in ("inputs", "results", "dead_letters"))
    tell(f"{inputs} inputs = {results} results + {dead} dead letters", f"{output.rstrip('/')}/manifest.json")
    if counts["zero_maps"]:
        say(f"warning: {counts['zero_maps']} maps are zero everywhere")
    if counts["doubtful"]:
        say(f"warning: {counts['doubtful']} results must not be trusted by their own diagnostics, which they hold")
    if dead:
        say(f"warning: {dead} inputs could not be explained: {output.rstrip('/')}/dead_letters-*.jsonl says why")
    if not results:
        raise typer.Exit(1)
