"""How the command behaves: one line for an error or a warning, a quiet TensorFlow, and help that asks the registry."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from tfviz.apps.quiet import silent_stderr
from tfviz.errors import TfvizError, TfvizWarning, UnsupportedModelError

INTERRUPTED = 130
PRESETS = "{presets}"
"""Stands in a help text for the names of the presets, which are known once TensorFlow is imported."""


class Group(TyperGroup):
    """All commands: what a user causes ends in one line on the standard error and a non-zero exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            warnings.simplefilter("always", TfvizWarning)
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except TfvizError as error:
                say(str(error))
                raise typer.Exit(1) from error
            except ImportError as error:
                if ".so" not in str(error):
                    raise
                say(f"OpenCV cannot start: {error}; on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0")
                raise typer.Exit(1) from error
            except KeyboardInterrupt:
                raise typer.Exit(INTERRUPTED) from None


class PresetCommand(TyperCommand):
    """A command whose help lists the presets."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        start_tensorflow()
        from tfviz.methods.class_visualization import PRESETS as KNOWN

        for parameter in self.params:
            parameter.help = (parameter.help or "").replace(PRESETS, ", ".join(KNOWN))  # type: ignore[attr-defined]  # options have one
        super().format_help(ctx, formatter)


class AttackCommand(TyperCommand):
    """A command whose help gives the attacks that an option belongs to, each with its default."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        start_tensorflow()
        from tfviz.methods.adversarial import ATTACKS, defaults

        for parameter in self.params:
            values = {name: defaults(name).get(parameter.name) for name in ATTACKS}
            said = ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
            if said:
                parameter.help = f"{parameter.help} Default: {said}."  # type: ignore[attr-defined]  # options have one
        super().format_help(ctx, formatter)


def say(message: str) -> None:
    """Write one line about what went wrong to the standard error."""
    print(f"tfviz: {' '.join(message.split())}", file=sys.stderr)


def start_tensorflow() -> None:
    """Import TensorFlow without its noise; raise `UnsupportedModelError` where Keras is set to another backend."""
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise UnsupportedModelError(
            f"Keras is set to the {backend} backend, expected tensorflow: unset KERAS_BACKEND or set it to tensorflow"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("tensorflow", "absl", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if "tensorflow" not in sys.modules:
        with silent_stderr():
            import tensorflow  # noqa: F401  # imported for its noise, which is made once


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"warning: {message}")
