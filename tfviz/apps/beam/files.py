"""Reads and writes files on any file system that Beam knows: local ones, gs://, s3://, hdfs://.

Beam treats every path as a pattern and as UTF-8, so local folders are read without it, and paths that it would misread
are refused with the reason. A finished folder replaces another in one step if the file system can do that; in an object
store the manifest is removed first and written last, so that a folder without one is not complete.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from tfviz.apps.files import MANIFEST_NAME, PICTURE_SUFFIX, check_folder, replace_folder
from tfviz.apps.records import DEAD_LETTERS, OVERLAYS, RESULTS
from tfviz.errors import InvalidImagesError, TfvizError

GLOB = re.compile(r"[*?[]")
_AS_IT_IS = CompressionTypes.UNCOMPRESSED
_SHARD = r"-\d+-of-\d+"
OURS = re.compile(
    rf"{re.escape(MANIFEST_NAME)}|{RESULTS}{_SHARD}\.tfrecord|{DEAD_LETTERS}{_SHARD}\.jsonl"
    rf"|{OVERLAYS}/[^/]*{re.escape(PICTURE_SUFFIX)}"
)


def is_local(path: str) -> bool:
    """Return whether a path is on this machine's own file system."""
    return "://" not in path


def is_text(path: str) -> bool:
    """Return whether a path is UTF-8, which names on a local file system need not be."""
    return readable(path) == path


def readable(path: str) -> str:
    """Return a path with all bytes that are not UTF-8 written as `\\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def join(folder: str, *names: str) -> str:
    """Return a path in a folder."""
    path: str = FileSystems.join(folder, *names)
    return path


def check_inputs(patterns: Sequence[str]) -> None:
    """Raise `InvalidImagesError` for a pattern that no file matches."""
    for pattern in patterns:
        if not is_text(pattern):
            raise InvalidImagesError(
                f"{readable(pattern)} is not UTF-8; give a pattern of such files with ? for the rest"
            )
        try:
            (found,) = FileSystems.match([pattern], limits=[1])
        except (BeamIOError, ValueError, OSError) as error:
            raise InvalidImagesError(f"{pattern} cannot be looked up: {error}") from error
        if not found.metadata_list:
            raise InvalidImagesError(f"no file matches {pattern}")


def check_output(output: str) -> None:
    """Raise `TfvizError` if a folder cannot be written, or holds anything but a run of `tfviz batch`."""
    if GLOB.search(output):
        raise TfvizError(f"the output folder {output} has *, ? or [ in its path, which Beam takes for a pattern")
    if not is_text(output):
        raise TfvizError(f"the path of the output folder {readable(output)} is not UTF-8; choose another")
    if is_local(output):
        check_folder(Path(output))
        if Path(output).is_file():
            raise TfvizError(f"the output folder {output} is a file; choose another")
    check_replaceable(output, names_in(output))


def names_in(folder: str) -> list[str]:
    """Return the paths of all files in a folder and its folders, relative to it, sorted; none if there is no folder.

    Raises `TfvizError` if a remote file system refuses to list it; local folders that cannot be read are left out.
    """
    if is_local(folder):
        # Beam would take the folder's name for a pattern.
        place = Path(folder)
        return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if not path.is_dir())
    start = folder.rstrip("/") + "/"
    try:
        (found,) = FileSystems.match([f"{start}**"])
    except (BeamIOError, ValueError, OSError) as error:
        raise TfvizError(f"{folder} cannot be read: {error}") from error
    return sorted(metadata.path.removeprefix(start) for metadata in found.metadata_list)


def make_folder(path: str) -> None:
    """Make a folder, if the file system has folders; if that fails, so does what is written into it."""
    with contextlib.suppress(BeamIOError, OSError):
        FileSystems.mkdirs(path)


@contextmanager
def local_copy(path: str) -> Iterator[str]:
    """Yield a local path of a file or folder: its own, or that of a copy which is removed afterwards.

    Files are copied as they are: Beam would unpack those that end in `.gz`. Raises `TfvizError` if one cannot be read.
    """
    if is_local(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / Path(path).name
        for name in names_in(path) or [""]:
            source, target = (f"{path.rstrip('/')}/{name}", place / name) if name else (path, place)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with FileSystems.open(source, compression_type=_AS_IT_IS) as content, target.open("wb") as file:
                    shutil.copyfileobj(content, file)
            except (BeamIOError, OSError) as error:
                raise TfvizError(f"{source} cannot be read: {error}") from error
        yield str(place)


def copy_file(local: str, path: str) -> None:
    """Copy a local file to a path of any file system."""
    with open(local, "rb") as content, FileSystems.create(path, compression_type=_AS_IT_IS) as file:
        shutil.copyfileobj(content, file)


def create_file(path: str, content: bytes) -> None:
    """Write a file. Until it is closed its place may hold half of it, so nothing is written into a finished folder."""
    with FileSystems.create(path, compression_type=_AS_IT_IS) as file:
        file.write(content)


def discard(folder: str) -> None:
    """Remove a folder with everything in it; what a local file system refuses to remove stays."""
    if is_local(folder):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        FileSystems.delete([join(folder, name) for name in names_in(folder)])


def publish(folder: str, output: str) -> list[str]:
    """Put a finished folder in the place of another, in one step as `replace_folder` does it, and return its warnings.

    Object stores have no such step. There, the manifest of the other is removed first and that of the finished one
    moved last, so that a folder without a manifest is not complete.

    Raises `TfvizError` if something else has appeared in that place.
    """
    check_replaceable(output, names_in(output))
    if is_local(output):
        return replace_folder(Path(folder), Path(output))
    old, new = (sorted(names_in(each), key=lambda name: name == MANIFEST_NAME) for each in (output, folder))
    FileSystems.delete([join(output, name) for name in reversed(old)])
    FileSystems.rename([join(folder, name) for name in new], [join(output, name) for name in new])
    return []


def check_replaceable(output: str, names: Iterable[str]) -> None:
    """Raise `TfvizError` if a folder, by the names of its files, holds anything but a run of `tfviz batch`."""
    names = sorted(names)
    foreign = [name for name in names if not OURS.fullmatch(name)]
    if foreign or (names and MANIFEST_NAME not in names):
        found = ", ".join((foreign or names)[:3])
        raise TfvizError(
            f"{output} would be replaced, but holds files that are not of a tfviz batch run ({found}); choose another"
        )
