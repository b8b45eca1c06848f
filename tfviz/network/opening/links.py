"""Finds weights of an HDF5 file that lie in other files, without reading them.

An external link, a virtual or external dataset and a reference each let a file name another one on the reader's disk,
whose contents would be read as weights and shown by whatever the weights make. They are found in the structure alone. A
member of a .keras file is read in place if it is stored; a compressed one is unpacked once, since each step back in it
would unpack it anew.

Soft links stay inside their file and are passed over: what they name is found where it is. A reference in an attribute
of a group may name anything, and counts as leading out.
"""

from __future__ import annotations

import io
import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]  # it ships no types

from tfviz.errors import UnsupportedModelError
from tfviz.limits import MAXIMUM_MODEL_BYTES
from tfviz.network.opening.sizes import check_weights_size, check_zip
from tfviz.network.opening.trust import Finding, quoted, refuse

LOCAL_HEADER = 30
"""Bytes of a member of a zip file before its name; the last four are the lengths of the name and of what follows it."""


def find_links(file: h5py.File) -> Iterator[Finding]:
    """Yield the links of a file to others, and the datasets in it that are kept in others.

    A group that several links lead to, perhaps from inside it, is looked at once, by its address in the file.
    """
    pending, seen = [file["/"]], set()
    while pending:
        group = pending.pop()
        for name in group.attrs:
            if h5py.check_ref_dtype(group.attrs.get_id(name).dtype) is not None:
                yield Finding(f"weights that are named by a reference ({quoted(name)})", "may lie in another file")
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield _leading_to(link.filename)
            if not isinstance(link, h5py.HardLink):
                continue
            found = group[name]
            if isinstance(found, h5py.Dataset):
                others = {str(each[0]) for each in found.external or ()}
                if found.is_virtual:
                    others |= {each.file_name for each in found.virtual_sources()} - {"."}
                yield from map(_leading_to, sorted(others))
            elif isinstance(found, h5py.Group) and (address := h5py.h5o.get_info(found.id).addr) not in seen:
                seen.add(address)
                pending.append(found)


def check_weights_file(path: Path, maximum_bytes: int = MAXIMUM_MODEL_BYTES) -> None:
    """Raise if a file of weights, .h5 or .keras, leads to other files (`UnsafeModelError`) or is too large."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                check_zip(archive, path, maximum_bytes)
                found = list(find_links_in_zip(path, archive, maximum_bytes))
        else:
            with h5py.File(path) as file:
                check_weights_size(file, path, maximum_bytes)
                found = list(find_links(file))
    except UnsupportedModelError:
        raise
    except Exception:  # whatever the formats' libraries raise; reading the weights will say what is wrong
        return
    refuse(repr(str(path)), found, "Save them into one file")


def find_links_in_zip(
    path: Path, archive: zipfile.ZipFile, maximum_bytes: int = MAXIMUM_MODEL_BYTES
) -> Iterator[Finding]:
    """Yield the links of all HDF5 files in a zip file; raise `UnsupportedModelError` if one holds too much."""
    for member in archive.infolist():
        if member.filename.endswith(".h5"):
            with _opened(path, archive, member) as content, h5py.File(content) as file:
                check_weights_size(file, path, maximum_bytes)
                yield from find_links(file)


def _opened(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> io.IOBase:
    """Return a member as a file in which a step back unpacks nothing anew."""
    if member.compress_type == zipfile.ZIP_STORED:
        return _StoredMember(path, member)
    unpacked = io.BytesIO()
    with archive.open(member) as content:
        shutil.copyfileobj(content, unpacked)
    return unpacked


def _leading_to(name: str) -> Finding:
    return Finding(f"weights that lie in another file, {quoted(name)}", "is read with them")


class _StoredMember(io.RawIOBase):
    """The bytes of a member of a zip file that is not compressed, read in place.

    `zipfile` may step backwards by reading the member from its start again, and h5py steps back for every group.
    """

    def __init__(self, path: Path, member: zipfile.ZipInfo) -> None:
        self._file = path.open("rb")
        self._file.seek(member.header_offset + LOCAL_HEADER - 4)
        lengths = struct.unpack("<HH", self._file.read(4))
        self._start = member.header_offset + LOCAL_HEADER + sum(lengths)
        self._size = member.file_size
        self._position = 0

    def close(self) -> None:
        """Close the file, too."""
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place in the member."""
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read what follows."""
        self._file.seek(self._start + self._position)
        found = self._file.readinto(memoryview(buffer)[: max(0, self._size - self._position)])
        self._position += found
        return found
