"""Writes SavedModel folders that are complete or not there.

A folder is filled beside its place under a hidden name, then moved to it; a failure leaves nothing of it. What already
exists is replaced only if the user asked for that and it is nothing but a SavedModel: files that a person put there are
never deleted. What a person adds to a SavedModel (`assets.extra`, `explanation_metadata.json`) is carried over to its
export.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from tfviz.apps.files.folders import replace_folder
from tfviz.apps.files.output import MANIFEST_NAME, check_folder
from tfviz.errors import TfvizError
from tfviz.paths import SAVED_MODEL

EXTRA = "assets.extra"
"""Where a SavedModel keeps files that TensorFlow does not read."""
METADATA = "explanation_metadata.json"
WRITTEN = {SAVED_MODEL, "fingerprint.pb", "keras_metadata.pb", "variables", "assets", EXTRA, METADATA}
"""All that TensorFlow and tfviz write into a SavedModel."""


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Raise `TfvizError` if a SavedModel could not be written, before the work of making it.

    A folder that exists is replaced only with `overwrite`, and only if it is a SavedModel and nothing more.
    """
    if os.path.lexists(folder):
        if not overwrite:
            raise TfvizError(
                f"{folder} exists already; choose another folder, or replace it with overwrite=True (--overwrite)"
            )
        if not (folder / SAVED_MODEL).is_file():
            raise TfvizError(f"{folder} is not a SavedModel, so it is not replaced; choose another folder")
        if extra := sorted(set(os.listdir(folder)) - WRITTEN):
            more = ", ".join(extra)
            raise TfvizError(f"{folder} holds more than a SavedModel ({more}), so it is not replaced; choose another")
    check_folder(folder.parent)


def write_folder(folder: Path, fill: Callable[[Path], None], *, overwrite: bool) -> list[str]:
    """Let `fill` write into an empty folder, then put that in the place of `folder`; remove it if anything fails.

    Returns what must be said of what was replaced. The place is checked again by `check_place` before it is taken, in
    case something was put there meanwhile. A link to a folder stays a link, and the folder that it leads to is
    replaced. A process that is killed leaves a folder called `.NAME.` and 32 hexadecimal digits, beside the place or,
    if its parent does not exist yet, in the nearest folder above that does.
    """
    # A link stays, and what it leads to is replaced.
    folder = Path(os.path.realpath(folder))
    # In the same file system, but without making parent folders that a failure would leave behind.
    existing = next(place for place in folder.parents if place.is_dir())
    unfinished = existing / f".{folder.name}.{uuid.uuid4().hex}"
    try:
        unfinished.mkdir()
        fill(unfinished)
        folder.parent.mkdir(parents=True, exist_ok=True)
        check_place(folder, overwrite=overwrite)
        if overwrite:
            return replace_folder(unfinished, folder)
        # It replaces nothing but an empty folder.
        os.rename(unfinished, folder)
        return []
    except OSError as error:
        raise TfvizError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def carry_over(source: Path, folder: Path) -> None:
    """Copy what a person added to the SavedModel `source` to another, if it has no file of that name: see `EXTRA`."""
    kept = [source / METADATA, *(each for each in sorted(source.glob(f"{EXTRA}/*")) if each.name != MANIFEST_NAME)]
    for path in kept:
        new = folder / path.relative_to(source)
        if path.is_dir() and not new.exists():
            shutil.copytree(path, new)
        elif path.is_file() and not new.exists():
            new.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, new)
