"""The command `tfviz` and its subcommands.

The function of a subcommand checks its arguments, starts TensorFlow, and only then imports the work from
`tfviz.apps.runs` or `tfviz.apps.beam`: help, and a mistake that is plain without a model, come at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tfviz.apps.command.batch import BatchCommand, batch
from tfviz.apps.command.behaviour import CommandGroup
from tfviz.apps.command.compare import compare
from tfviz.apps.command.explain import explain, localize
from tfviz.apps.command.export import export
from tfviz.apps.command.flags import (
    AttackCommand,
    ExportCommand,
    LayersCommand,
    MethodCommand,
    ModelCommand,
    model_options,
)
from tfviz.apps.command.fool import fool
from tfviz.apps.command.report import ReportCommand, report
from tfviz.apps.command.visualize import visualize
from tfviz.quiet import start_tensorflow
from tfviz.version import __version__

app = typer.Typer(
    cls=CommandGroup,
    help="See what any TensorFlow image model looks at.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    """Print the version and exit, before a command is asked for."""
    if wanted:
        print(f"tfviz {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(cls=LayersCommand)
def layers(
    context: typer.Context, model: Annotated[str, typer.Argument(help="As the --model of explain.")] = "demo"
) -> None:
    """List the layers that grad_cam can look at."""
    start_tensorflow()
    from tfviz.apps.model import complete_choice, open_architecture
    from tfviz.apps.runs import print_layers
    from tfviz.network import trace

    opened = open_architecture(model)
    choice, _ = complete_choice(model_options(context).trace_options, opened)
    print_layers(trace(opened, **choice))


@app.command()
def methods() -> None:
    """List the methods: what they need and cost, and when not to trust them."""
    start_tensorflow()
    from tfviz.apps.runs import print_methods

    print_methods()


app.command(cls=MethodCommand)(explain)
app.command(cls=MethodCommand)(localize)
app.command(cls=MethodCommand)(compare)
app.command(cls=ReportCommand)(report)
app.command(cls=ExportCommand)(export)
app.command(cls=ModelCommand)(visualize)
app.command(cls=AttackCommand)(fool)
app.command(cls=BatchCommand, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(batch)
