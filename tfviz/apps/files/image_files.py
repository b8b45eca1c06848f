"""Finds the image files that a user means: files, folders and patterns.

A named file is taken whatever its suffix, since its content decides; folders and patterns are searched for known
suffixes, because they hold other files, too. An argument that gives nothing is an error that shows what is there.
"""

from __future__ import annotations

import glob
import itertools
import re
from collections.abc import Iterable
from pathlib import Path

from tfviz.errors import InvalidImagesError, resembling
from tfviz.paths import ABSENT, trouble_with

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def find_images(arguments: Iterable[str | Path]) -> list[Path]:
    """Return the image files that `arguments` name: files, folders (with their subfolders) and glob patterns.

    A named file is taken whatever its suffix. Folders and patterns give the files with one of `SUFFIXES`, sorted,
    without hidden ones. A file that is named twice is returned once.

    Raises:
        InvalidImagesError: A path does not exist or cannot be read, or a folder or pattern gives no image.
    """
    try:
        return list(dict.fromkeys(path for argument in arguments for path in _expand(Path(argument).expanduser())))
    except OSError as error:
        raise InvalidImagesError(f"{error.filename} cannot be read: {error.strerror}") from error


def check_patterns(patterns: Iterable[str]) -> None:
    """Check files and patterns that Beam will expand, as far as that can be told without importing it.

    Paths of other file systems, such as gs://bucket/*.jpg, are left to Beam.

    Raises:
        InvalidImagesError: A path does not exist or is a folder, or the folder of a pattern does not exist.
    """
    for pattern in patterns:
        if "://" in pattern:
            continue
        path = Path(pattern).expanduser()
        if path.is_dir():
            raise InvalidImagesError(f"{path} is a folder; give a pattern of files, such as {path / '*.jpg'}")
        known = itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)
        place = Path(*known)
        if trouble_with(place) == ABSENT:
            raise InvalidImagesError(f"{place} {ABSENT}; {_what_exists(place)}")


def _expand(path: Path) -> list[Path]:
    """Return the image files of one argument; raise `InvalidImagesError` if it gives none.

    What exists is a path, whatever its name: only an argument that is not there is read as a pattern. Folders that a
    pattern matches are searched like named ones.
    """
    trouble = trouble_with(path)
    if not trouble and not path.is_dir():
        return [path]
    if not trouble:
        images = _images_in(path)
    elif glob.has_magic(str(path)):
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        images = [image for match in matches for image in (_images_in(match) if match.is_dir() else _only_image(match))]
    else:
        raise InvalidImagesError(f"{path} {trouble}; {_what_exists(path)}")
    if not images:
        raise InvalidImagesError(f"no image file ({' '.join(SUFFIXES)}) in {path}; {_what_exists(path)}")
    return images


def _images_in(folder: Path) -> list[Path]:
    """Without hidden files: macOS leaves a `._photo.jpg` beside a photo, notebooks copies in `.ipynb_checkpoints`."""
    visible = (
        path for path in sorted(folder.rglob("*")) if not re.search(r"(^|[\\/])\.", str(path.relative_to(folder)))
    )
    return [image for path in visible for image in _only_image(path)]


def _only_image(path: Path) -> list[Path]:
    return [path] if path.suffix.lower() in SUFFIXES and path.is_file() else []


def _what_exists(path: Path) -> str:
    """Return what there is instead of a missing path, in words.

    Names like the missing one, or else the first five in the innermost folder of the path that exists.
    """
    folder = next(place for place in (path, *path.parents) if not trouble_with(place) and place.is_dir())
    missing = path.relative_to(folder).parts[:1]
    names = sorted(entry.name for entry in folder.iterdir())
    place = "this folder" if folder == Path() else str(folder)
    if missing and (close := resembling(missing[0], names)):
        return f"{place} has {close}"
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{place} has {shown or 'nothing'}"
