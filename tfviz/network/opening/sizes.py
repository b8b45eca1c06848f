"""Checks what a model file unpacks to, by its headers: a small file can ask for any amount of memory.

Readers of zip files unpack a member before they compare it with the size that is listed, which may lie: 1.4 MB of
config.json took 1.2 GB. So compressed members are unpacked once in blocks, up to their listed size, before they are
believed. Weights are measured by the shapes of their datasets, as one that is compressed or was never written takes no
room in the file. The limit is `maximum_model_bytes`, or four times the size of the file if that is more.

What a model's own layers ask for is not limited: a few bytes of configuration can describe a layer of any size, and
whether that is meant cannot be told. Run a server in a container.
"""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]  # it ships no types

from tfviz.errors import UnsupportedModelError

CONFIGURATIONS = ("config.json", "metadata.json")
TIMES_ITS_SIZE = 4  # Keras compresses nothing; others may
MOST_MEMBERS = 10_000
"""In a .keras file: Keras writes those that it calls assets into a folder, which takes time for each."""
_BLOCK = 1 << 16  # bytes that are unpacked at once
CONFIGURATION_PART = 25
"""The part of the limit that a configuration may take: Python needs up to 24 bytes for each of JSON."""


def read_configuration(text: bytes | str, path: Path, name: str, maximum_bytes: int) -> dict[str, Any]:
    """Return the JSON object of a text in a model file, which errors call `name`.

    Raises `UnsupportedModelError` for a text that is too large or is not an object, `ValueError` if it is not JSON.
    """
    _check_configuration(len(text), path, name, maximum_bytes)
    found = json.loads(text)
    if not isinstance(found, dict):
        raise UnsupportedModelError(f"cannot open {str(path)!r}: its {name} is {type(found).__name__}, not an object")
    return found


def check_zip(archive: zipfile.ZipFile, path: Path, maximum_bytes: int) -> None:
    """Raise `UnsupportedModelError` if the members of a .keras file unpack to too much, or to more than it lists."""
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise UnsupportedModelError(
            f"{str(path)!r} is not opened: it holds {len(members)} members, more than {MOST_MEMBERS}"
        )
    for member in members:
        if member.filename in CONFIGURATIONS:
            _check_configuration(member.file_size, path, member.filename, maximum_bytes)
    _check(sum(member.file_size for member in members), path, "unpacks to", maximum_bytes)
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED and not _holds_what_is_listed(archive, member):
            raise UnsupportedModelError(
                f"{str(path)!r} is not opened: its {member.filename} does not unpack to the size that it lists; "
                "copy or download it again"
            )


def _holds_what_is_listed(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Return whether a compressed member is as large as the list of members says.

    It is read as if one byte more were listed, and without its checksum, so that neither stops the reader early.
    """
    unlimited: Any = copy.copy(member)
    unlimited.file_size, unlimited.CRC = member.file_size + 1, None
    size = 0
    with archive.open(unlimited) as content:
        while block := content.read(min(_BLOCK, unlimited.file_size - size)):
            size += len(block)
    return size == member.file_size


def check_weights_size(file: h5py.File, path: Path, maximum_bytes: int) -> None:
    """Raise `UnsupportedModelError` if the datasets in a file, as often as they are named, hold too much.

    Their shapes tell it: one that was never written, or is compressed, takes nothing in the file.
    """
    size, pending, seen = 0, [file["/"]], set()
    while pending:
        group = pending.pop()
        for found in (group[name] for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)):
            if isinstance(found, h5py.Dataset):
                size += (found.size or 0) * found.dtype.itemsize
            elif isinstance(found, h5py.Group) and (address := h5py.h5o.get_info(found.id).addr) not in seen:
                seen.add(address)
                pending.append(found)
    _check(size, path, "holds weights of", maximum_bytes)


def _check(size: int, path: Path, what: str, maximum_bytes: int) -> None:
    """Raise `UnsupportedModelError` if a file asks for more bytes than the limit, see the top of this module."""
    limit = max(maximum_bytes, TIMES_ITS_SIZE * path.stat().st_size)
    if size > limit:
        raise UnsupportedModelError(_too_large(path, f"it {what}", size, limit, maximum_bytes))


def _check_configuration(size: int, path: Path, name: str, maximum_bytes: int) -> None:
    limit = maximum_bytes // CONFIGURATION_PART
    if size > limit:
        raise UnsupportedModelError(_too_large(path, f"its {name} has", size, limit, maximum_bytes))


def _too_large(path: Path, what: str, size: int, limit: int, maximum_bytes: int) -> str:
    return (
        f"{str(path)!r} is not opened: {what} {size / 1e6:,.1f} MB, more than {limit / 1e6:,.1f}. If you trust whoever "
        f"made it, raise maximum_model_bytes (--model-limit), which is {maximum_bytes}"
    )
