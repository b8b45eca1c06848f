"""Checks of arguments that need no TensorFlow, so that a mistake is reported before TensorFlow starts.

Imports stand inside the functions, so that the help of a command, which imports this module, does not load OpenCV.
"""

from __future__ import annotations

from pathlib import Path

import typer

from tfviz.errors import InvalidImagesError, emit_warnings

DEFAULT_OUTPUT = Path("tfviz-output")


def find_pictures(arguments: list[str], output: Path) -> list[Path]:
    """Return the image files that are named, without the pictures that tfviz made of others.

    Those have endings of their own (`PICTURE_SUFFIX`, `ANIMATION_SUFFIX`), and a folder that was explained into itself
    would otherwise grow with every run. A warning says how many are left out. No arguments give no files.

    Raises `InvalidImagesError` if one does not exist or only pictures of ours are left, and `TfvizError` if the folder
    `output` cannot be written.
    """
    from tfviz.apps.files import ANIMATION_SUFFIX, PICTURE_SUFFIX, check_folder, find_images

    check_folder(output)
    found = find_images(arguments)
    paths = [path for path in found if not path.name.endswith((PICTURE_SUFFIX, ANIMATION_SUFFIX))]
    if len(paths) < len(found):
        message = (
            f"{len(found) - len(paths)} pictures that tfviz wrote (*{PICTURE_SUFFIX}, *{ANIMATION_SUFFIX}) are left out"
        )
        if not paths:
            raise InvalidImagesError(f"there are no other images: {message}")
        emit_warnings([message])
    return paths


def check_looks(colormap: str, blend: str, layout: str) -> None:
    """Raise `TfvizError` for an unknown colour map, blend or layout."""
    from tfviz.results import LAYOUTS, check_look, pick

    pick("layout", layout, LAYOUTS)
    check_look(colormap, blend)


def read_numbers(text: str) -> list[int]:
    """Return the integers in a text, separated by commas; none in an empty one. Anything else is a mistake of usage."""
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise typer.BadParameter(f"--snapshots takes integers separated by commas, not {text!r}") from error
