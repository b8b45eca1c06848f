"""Folders that are whole or not there: each is filled beside its place under another name, then moved to it."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfviz.apps.output import check_folder
from tfviz.apps.replacing import replace_folder
from tfviz.errors import TfvizError

SAVED_MODEL = "saved_model.pb"
"""The file that makes a folder a SavedModel."""


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Raise `TfvizError` where a SavedModel could not be written, before the work that would make it.

    A folder that exists is replaced only where `overwrite` says so and it is one itself: nothing else is deleted.
    """
    if os.path.lexists(folder):
        if not overwrite:
            raise TfvizError(f"{folder} exists already; choose another folder, or replace it with overwrite")
        if not (folder / SAVED_MODEL).is_file():
            raise TfvizError(f"{folder} is no SavedModel, so it is not replaced; choose another folder")
    check_folder(folder.parent)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder, which takes the place of `folder` when all went well, and vanishes when not."""
    # A link stays, and what it leads to is replaced.
    folder = Path(os.path.realpath(folder))
    # In the same file system, and without making the folders above before it is known that they are needed.
    existing = next(place for place in folder.parents if place.is_dir())
    unfinished = existing / f".{folder.name}.{uuid.uuid4().hex}"
    try:
        unfinished.mkdir()
        yield unfinished
        folder.parent.mkdir(parents=True, exist_ok=True)
        replace_folder(unfinished, folder)
    except OSError as error:
        raise TfvizError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
