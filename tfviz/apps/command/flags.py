"""Command-line flags generated from the fields of `ModelOptions` and from function signatures.

A command takes two groups of flags beside those of its own function. Those about the model are the fields of
`ModelOptions`, and come back as one by `model_options`. Those of methods or attacks are the parameters of their
functions, with the docstrings as help, and come back by `chosen`; they need TensorFlow, and are added only when a flag
on the command line is not one of the others. So the help of `explain`, `localize`, `export` and `fool`, unlike that of
the other commands, imports TensorFlow. All are made by typer itself, from a function whose signature lists them, so
that they look and fail like any other.

A flag holds for every chosen function that knows it, and its value is read by its form, not by the type of the
parameter: a number, a colour, a list, a word.
"""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, ClassVar, get_type_hints

import numpy as np
import typer
from typer.core import TyperCommand

from tfviz.model_options import FLAG, Flag, ModelOptions
from tfviz.quiet import start_tensorflow

CHOSEN, MODEL = "tfviz.chosen", "tfviz.model"
MODEL_PANEL = "The model"
DOCUMENTED = re.compile(r"^(\w+)\n((?: {4}.*\n|\n)+)", re.MULTILINE)
PYTHON_NAMES = {"--class-names": "--labels", "--targets": "--target", "--methods": "--method"}
"""Options that are called otherwise in Python, where typer would guess at --samples for the first."""
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
        self._about_model = [each for each in _model_flags() if each.name not in left_out]
        self.params = [*self.params, *self._about_model]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments."""
        own = {name for parameter in self.params for name in parameter.opts}
        for given in (each.partition("=")[0] for each in args):
            name = PYTHON_NAMES.get(given.replace("_", "-"))
            if name in own and given not in own:
                raise typer.BadParameter(f"{given} is called {name} on the command line", ctx=ctx)
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        ctx.meta[MODEL] = {each.name: ctx.params.pop(each.name) for each in self._about_model}
        return super().invoke(ctx)


class SignatureCommand(ModelCommand):
    """A command that takes the options of some functions as flags.

    They need TensorFlow, and are looked up only if a flag is not one of the command's own, or is --help.
    """

    panel: ClassVar[str]

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Return the functions by their names."""
        raise NotImplementedError

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments."""
        own = {name for parameter in self.params for name in (*parameter.opts, *parameter.secondary_opts)}
        unknown = any(each.startswith("--") and each.partition("=")[0] not in own for each in args)
        # A shell that completes a line parses it as well, at each press of the key.
        if unknown and not ctx.resilient_parsing:
            start_tensorflow()
            self.params = [*self.params, *_option_flags(self.functions(), self.panel)]
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what was chosen by the flags is given to it by `chosen`."""
        expected = inspect.signature(self.callback).parameters if self.callback is not None else {}
        about_model = {each.name for each in self._about_model}
        names = [name for name in ctx.params if name not in expected and name not in about_model]
        given = {name: ctx.params.pop(name) for name in names}
        ctx.meta[CHOSEN] = {name: value_of(text) for name, text in given.items() if text is not None}
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

    without = frozenset(
        {"weights", "preprocess", "labels", "size", "fit", "interpolation", "depth", "precision", "random"}
    )


def model_options(ctx: typer.Context) -> ModelOptions:
    """Return the options about the model; one that the command does not take has its default."""
    return ModelOptions(**ctx.meta[MODEL])


def chosen(ctx: typer.Context) -> dict[str, Any]:
    """Return the options of functions that were given as flags."""
    return dict(ctx.meta[CHOSEN])


def _model_flags() -> list[Any]:
    """Return the parameters of a command with a flag for every option about the model."""
    # Of the class itself, Python 3.10 takes the mark KW_ONLY for a type that it refuses.
    kinds = get_type_hints(ModelOptions.__init__)
    flags = []
    for each in fields(ModelOptions):
        flag: Flag = each.metadata[FLAG]
        names = () if flag.name is None else (flag.name,)
        shown = typer.Option(*names, help=flag.help, min=flag.minimum, rich_help_panel=MODEL_PANEL)
        flags.append(_parameter(each.name, kinds[each.name], each.default, shown))
    return _parameters_of(flags)


def _option_flags(functions: Mapping[str, Callable[..., Any]], panel: str) -> list[Any]:
    """Return the parameters of a command with a flag for every option of the functions.

    Functions that share an option share its flag: the help is the text that the first of them has, with the default of
    each and the names of all. An option is a switch if all its defaults are bool, and else a text, for `value_of`.
    """
    owners: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    texts: dict[str, str] = {}
    for name, function in functions.items():
        documented = dict(DOCUMENTED.findall(f"{inspect.getdoc(function)}\n"))
        for option, parameter in list(inspect.signature(function).parameters.items())[1:]:
            if option not in OWN:
                owners[option][name] = parameter.default
                texts.setdefault(option, " ".join(documented.get(option, "").split()))
    flags = []
    for option, defaults in owners.items():
        shown = typer.Option(help=_help(texts[option], defaults), rich_help_panel=panel, metavar="VALUE")
        is_switch = all(isinstance(each, bool) for each in defaults.values())
        flags.append(_parameter(option, bool | None if is_switch else str | None, None, shown))
    return _parameters_of(flags)


def _parameter(name: str, kind: Any, default: Any, shown: Any) -> inspect.Parameter:
    """Return the parameter of a function that typer makes a flag of."""
    annotation = Annotated[kind, shown]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _parameters_of(flags: Sequence[inspect.Parameter]) -> list[Any]:
    """Return the parameters of a command with these flags, as the installed typer makes them, without its --help.

    Typer makes parameters only from a function, so it is given one that does nothing.
    """

    def take(**_: Any) -> None:
        pass

    # typer reads both.
    take.__annotations__ = {each.name: each.annotation for each in flags}
    take.__signature__ = inspect.Signature(flags)  # type: ignore[attr-defined]  # read by inspect
    donor = typer.Typer(add_completion=False)
    donor.command()(take)
    return list(typer.main.get_command(donor).params)


def _help(text: str, defaults: Mapping[str, Any]) -> str:
    """Return the help of an option: the `text` of its docstring, its default if it is not None, and whose it is."""
    values = {name: value for name, value in defaults.items() if value is not None}
    same = len({str(value) for value in values.values()}) == 1
    shown = str(next(iter(values.values()))) if same else ", ".join(f"{name} {value}" for name, value in values.items())
    default = f" Default: {shown}." if values else ""
    return f"{text.replace('`', '')}{default} Of {', '.join(defaults)}."


def value_of(text: Any) -> Any:
    """Return what a text on the command line stands for: a number, a colour (numbers with commas), a list, a word.

    A colour is an array, because a list of baselines is averaged; parts that are not all numbers are a list. What is
    not a text, a switch or None, stays as it is.
    """
    if not isinstance(text, str):
        return text
    if "," in text:
        parts = [value_of(part.strip()) for part in text.split(",")]
        return np.array(parts) if all(isinstance(part, int | float) for part in parts) else parts
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
