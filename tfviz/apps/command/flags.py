"""Flags that nobody typed: one for every option of some functions, read from their signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import typer
from typer.core import TyperCommand

from tfviz.apps.command import options
from tfviz.limits import MAXIMUM_IMAGE_BYTES, MAXIMUM_MODEL_BYTES
from tfviz.quiet import start_tensorflow

CHOSEN, MODEL = "tfviz.chosen", "tfviz.model"
DOCUMENTED = re.compile(r"^(\w+)\n((?: {4}.*\n|\n)+)", re.MULTILINE)
# What the commands have options of their own for, or take from the image file and the model.
OWN = frozenset({"model", "images", "targets", "pixel_range", "batch_size", "layer", "options", "away_from"})


class ModelCommand(TyperCommand):
    """A command with the options about the model, which `model_options` returns.

    Those that the function of the command has itself are its own.
    """

    without: ClassVar[frozenset[str]] = frozenset()
    """The options that this command does not take."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        left_out = {*self.without, *(parameter.name for parameter in self.params)}
        self._about_model = [each for each in _parameters_of(_model_flags) if each.name not in left_out]
        self.params = [*self.params, *self._about_model]

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        ctx.meta[MODEL] = {each.name: ctx.params.pop(each.name) for each in self._about_model}
        return super().invoke(ctx)


def _model_flags(
    model: options.ModelName = "demo",
    weights: options.Weights = "imagenet",
    preprocess: options.Preprocess = None,
    labels: options.Labels = None,
    size: options.Size = None,
    fit: options.Fit = None,
    depth: options.Depth = "full",
    signature: options.Signature = None,
    input_name: options.InputName = None,
    output_name: options.OutputName = None,
    cut: options.Cut = None,
    precision: options.Precision = None,
    random: options.Random = None,
    data_format: options.DataFormat = None,
    safe_mode: options.SafeMode = True,
    maximum_model_bytes: options.MaximumModelBytes = MAXIMUM_MODEL_BYTES,
    maximum_image_bytes: options.MaximumImageBytes = MAXIMUM_IMAGE_BYTES,
) -> None:
    pass


class SignatureCommand(ModelCommand):
    """A command that takes the options of some functions as flags.

    TensorFlow, which the functions need, is imported for them when a flag is none of the command's own, as in --help.
    """

    panel: ClassVar[str]

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Return the functions by their names."""
        raise NotImplementedError

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments."""
        own = {name for parameter in self.params for name in (*parameter.opts, *parameter.secondary_opts)}
        if any(each.startswith("--") and each.partition("=")[0] not in own for each in args):
            start_tensorflow()
            self.params = [*self.params, *_parameters(self.functions(), self.panel)]
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what was chosen by the flags is given to it by `chosen`."""
        expected = inspect.signature(self.callback).parameters if self.callback is not None else {}
        about_model = {each.name for each in self._about_model}
        names = [name for name in ctx.params if name not in expected and name not in about_model]
        given = {name: ctx.params.pop(name) for name in names}
        ctx.meta[CHOSEN] = {name: _value(text) for name, text in given.items() if text is not None}
        return super().invoke(ctx)


class MethodCommand(SignatureCommand):
    """A command that takes the options of every method."""

    panel = "Options of the methods"

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Return the methods."""
        from tfviz.methods import METHODS

        return {name: method.compute for name, method in METHODS.items()}


class AttackCommand(SignatureCommand):
    """A command that takes the options of every attack."""

    panel = "Options of the attacks"

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Return the attacks."""
        from tfviz.methods.adversarial import ATTACKS

        return ATTACKS


class ExportCommand(MethodCommand):
    """A command that takes the options of every method, and no names of classes."""

    without = frozenset({"labels", "depth"})


class LayersCommand(ModelCommand):
    """A command that asks what is in a model."""

    without = frozenset({"weights", "preprocess", "labels", "size", "fit", "depth", "precision", "random"})


def model_options(ctx: typer.Context) -> dict[str, Any]:
    """Return the options about the model, as `ModelOptions` takes them."""
    return dict(ctx.meta[MODEL])


def chosen(ctx: typer.Context) -> dict[str, Any]:
    """Return the options of functions that were given as flags."""
    return dict(ctx.meta[CHOSEN])


def _parameters(functions: Mapping[str, Callable[..., Any]], panel: str) -> list[Any]:
    """Return the parameters of a command with a flag for every option of the functions."""
    owners: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    said: dict[str, str] = {}
    for name, function in functions.items():
        documented = dict(DOCUMENTED.findall(f"{inspect.getdoc(function)}\n"))
        for option, parameter in list(inspect.signature(function).parameters.items())[1:]:
            if option not in OWN:
                owners[option][name] = parameter.default
                said.setdefault(option, " ".join(documented.get(option, "").split()))
    flags: dict[str, Any] = {}
    for option, defaults in owners.items():
        shown = typer.Option(help=_help(said[option], defaults), rich_help_panel=panel, metavar="VALUE")
        is_switch = all(isinstance(each, bool) for each in defaults.values())
        flags[option] = Annotated[bool | None, shown] if is_switch else Annotated[str | None, shown]

    def take(**_: Any) -> None:
        pass

    # typer reads both, and makes parameters as its own release has them.
    take.__annotations__ = dict(flags)
    take.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # read by inspect
        [
            inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for option, annotation in flags.items()
        ]
    )
    return _parameters_of(take)


def _parameters_of(function: Callable[..., Any]) -> list[Any]:
    """Return the parameters of a command made of a function, without its --help."""
    donor = typer.Typer(add_completion=False)
    donor.command()(function)
    return list(typer.main.get_command(donor).params)


def _help(said: str, defaults: Mapping[str, Any]) -> str:
    """Return the help of an option: what its docstring says, its default where it is not None, and whose it is."""
    values = {name: value for name, value in defaults.items() if value is not None}
    same = len({str(value) for value in values.values()}) == 1
    shown = str(next(iter(values.values()))) if same else ", ".join(f"{name} {value}" for name, value in values.items())
    default = f" Default: {shown}." if values else ""
    return f"{said.replace('`', '')}{default} Of {', '.join(defaults)}."


def _value(text: Any) -> Any:
    """Return what a text on the command line stands for: a number, a colour (numbers with commas), a list, a word."""
    if not isinstance(text, str):
        return text
    if "," in text:
        parts = [_value(part.strip()) for part in text.split(",")]
        return np.array(parts) if all(isinstance(part, int | float) for part in parts) else parts
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
