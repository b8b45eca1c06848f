"""Writes files that are complete or not there, and finds names for them.

A file is written beside its place under another name, then moved to it, so that a run that is killed or a disk that is
full leaves no half of a picture. Names come from the user's files: made different from each other (also where capitals
do not count), shortened by a digest if a file system would refuse them, and with an ending of our own, so that a result
never replaces a photograph and is not taken for one by the next run.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tfviz.errors import TfvizError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_SUFFIX = ".tfviz.png"
"""The ending of every picture that tfviz writes: none replaces a photograph, or is taken for one in the next run."""
ANIMATION_SUFFIX = ".tfviz.gif"
MANIFEST_NAME = "manifest.json"
LONGEST_STEM, LONGEST_PART = 120, 80
"""Bytes of a file's name that come from the name of an image, and of a result."""
MOST_NAMED = 5


def _existing(folder: Path) -> Path:
    """Return a folder or, if it does not exist, the nearest above it that does."""
    return next(place for place in (folder, *folder.parents) if os.path.lexists(place))


def check_folder(folder: Path) -> None:
    """Raise `TfvizError` if files could not be written into a folder, which need not exist; nothing is made."""
    existing = _existing(folder)
    try:
        # Asking for the permission is not enough: a read-only file system grants it to root.
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        reason = f"{existing}: {error.strerror}"
        raise TfvizError(f"the output folder {folder} cannot be written ({reason}); choose another") from error


def check_file_names(names: Sequence[str], count: int) -> None:
    """Raise `TfvizError` unless there are `count` different names that files in a folder may have."""
    if not len(names) == len(set(names)) == count:
        raise TfvizError(f"expected {count} different names, one per row, got {len(set(names))}")
    for name in names:
        if Path(name).name != name:
            raise TfvizError(
                f"{name!r} is no name of a file; expected one without a folder, such as {Path(name).name!r}"
            )


@contextlib.contextmanager
def written_together(folder: Path) -> Iterator[Path]:
    """Give a temporary folder whose files are moved into `folder` at the end; after an error none of them is.

    Raises `TfvizError` as `check_folder`, and if a file cannot be moved.
    """
    check_folder(folder)
    with tempfile.TemporaryDirectory(prefix=".tfviz-", dir=_existing(folder)) as temporary:
        yield Path(temporary)
        for file in list(Path(temporary).iterdir()):
            place = folder / file.name
            try:
                folder.mkdir(parents=True, exist_ok=True)
                os.replace(file, place)
            except OSError as error:
                raise TfvizError(f"{place} cannot be written: {error.strerror}") from error


def write_file(path: Path, content: bytes) -> None:
    """Write a file, and make the folders that it lies in; raise `TfvizError` if that fails."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(content)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise TfvizError(f"{path} cannot be written: {error.strerror}") from error


def write_figure(path: Path, figure: Figure) -> None:
    """Write a matplotlib figure as a PNG file, of its own dots per inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi="figure")
    write_file(path, buffer.getvalue())


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture, uint8 RGB (H, W, 3), as a PNG file, which loses nothing."""
    write_file(path, encode_picture(picture))


def encode_picture(picture: NDArray[np.uint8]) -> bytes:
    """Return the bytes of a PNG file of a picture, uint8 RGB (H, W, 3)."""
    import cv2  # here, because the help of the commands imports this module and needs no OpenCV

    encoded: Any = cv2.imencode(".png", picture[..., ::-1])[1]
    return bytes(encoded)


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_file(path, buffer.getvalue())


def short_name(name: str, longest: int) -> str:
    """Return a name of at most `longest` bytes; the end of a longer one is replaced by a digest of it.

    File systems allow 255 bytes for a name, with everything that is added to it.
    """
    encoded = os.fsencode(name)
    if len(encoded) <= longest:
        return name
    digest = hashlib.blake2b(encoded, digest_size=4).hexdigest()
    return f"{encoded[: longest - len(digest) - 1].decode(errors='ignore')}-{digest}"


def file_part(result: str) -> str:
    """Return a result's name as part of a file name: a layer's path, in `grad_cam@block/conv`, holds slashes."""
    return short_name(result.replace("/", "."), LONGEST_PART)


def replacing(paths: Sequence[Path]) -> str:
    """Return a message about the files among `paths` that another run wrote and this one replaces; empty for none."""
    names = [path.name for path in paths if os.path.lexists(path)]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"replaces what another run had written: {', '.join(names[:MOST_NAMED])}{more}" if names else ""


def file_names(paths: Sequence[Path]) -> list[str]:
    """Return a different name for the results of each file: its own, without the suffix.

    Equal names are preceded by as many of their folders as tell them apart; those that no folder tells apart are
    numbered. Names that differ only in capitals count as equal, as they do on some file systems. So `a/cat.png` and
    `b/cat.png` become `a_cat` and `b_cat`, `cat.png` and `cat.jpg` become `cat` and `cat-2`, `cat.png` and `CAT.png`
    become `cat` and `CAT-2`.
    """
    places = [Path(os.path.abspath(path)).with_suffix("").parts[1:] for path in paths]
    alike = [tuple(part.casefold() for part in place) for place in places]
    depths = dict.fromkeys(alike, 1)
    for depth in range(2, max(map(len, places), default=0) + 1):
        names = {place: "_".join(place[-known:]) for place, known in depths.items()}
        counts = Counter(names.values())
        depths.update((place, depth) for place, name in names.items() if counts[name] > 1)
    preceded = ["_".join(place[-depths[each] :]) for place, each in zip(places, alike, strict=True)]
    return _numbered([short_name(name, LONGEST_STEM) for name in preceded])


def _numbered(names: Sequence[str]) -> list[str]:
    """Return names that differ also without regard to case: the second of equal ones ends in -2, and so on."""
    taken = set()
    numbered = []
    for name in names:
        candidate, number = name, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{name}-{number}"
        taken.add(candidate.casefold())
        numbered.append(candidate)
    return numbered
