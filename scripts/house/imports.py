"""Who imports whom in tfviz: its files, and its folders. Read from the source; nothing of tfviz is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parents[2]
MODULES = {p.relative_to(ROOT).as_posix(): ast.parse(p.read_text()) for p in sorted((ROOT / "tfviz").rglob("*.py"))}
ROOF = "tfviz"  # the files beside the folders that import from these
GROUND = "ground floor"  # the other files there, which all folders may import


class Folder(TypedDict):
    """What the picture shows of a folder."""

    about: str
    files: list[str]
    imports: list[str]


@cache
def imports(name: str) -> tuple[str, ...]:
    """Return the full names of everything that a module imports, anywhere in it: `tfviz.network.trace.trace`."""
    return tuple(full for node in ast.walk(MODULES[name]) for full in imported_by(node, name))


def imported_by(node: ast.AST, name: str) -> Iterator[str]:
    """Yield the full names of what one node of a module imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = name.split("/")[: -node.level] if node.level else []
        yield from (".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names)


@cache
def imports_for_types(name: str) -> tuple[str, ...]:
    """Return what a module imports for the type checker alone."""
    return tuple(
        full
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in node.body
        for full in imported_by(inner, name)
    )


@cache
def files_imported(name: str) -> tuple[str, ...]:
    """Return the files of tfviz that a module imports, anywhere in it: modules, and faces of folders."""
    return tuple(file_of(full, name) for full in imports(name) if full.split(".")[0] == "tfviz")


def file_of(full: str, name: str) -> str:
    """Return the file of tfviz that holds what is imported by its full name: a module, or a folder's face."""
    package, _, last = full.rpartition(".")
    inner, face = f"{full.replace('.', '/')}.py", f"{package.replace('.', '/')}/__init__.py"
    if inner in MODULES and (name == face or last not in names_in(face)):
        return inner  # of `from tfviz.apps.command import options`
    places = (f"{full.replace('.', '/')}/__init__.py", face, f"{package.replace('.', '/')}.py")
    return next(path for path in places if path in MODULES)


@cache
def names_in(face: str) -> set[str]:
    """Return the names that the `__init__` of a folder imports from its files."""
    nodes = [node for node in ast.walk(MODULES[face]) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in nodes for alias in node.names}


def folder_of(name: str) -> str:
    """Return the folder of a file: `tfviz/network/program`."""
    return name.rpartition("/")[0]


def room_of(name: str) -> str:
    """Return the room of a file: its wing or a folder of that, or which of the two that stand beside the wings.

    What a folder of a wing holds in folders of its own is in the same room.
    """
    folder = folder_of(name)
    if folder == ROOF and all(folder_of(other) == ROOF for other in files_imported(name)):
        return GROUND
    return "/".join(folder.split("/")[:3])


def read_folders() -> dict[str, Folder]:
    """Return every room of tfviz by its path: what its `__init__` says it is, its files, and the rooms that it imports.

    The files beside the folders are the roof or the ground floor. A folder in a room is named among its files, with a
    slash: `axioms/`.
    """
    rooms = {name: room_of(name) for name in MODULES}
    folders: dict[str, Folder] = {}
    for room in sorted({*rooms.values()}):
        names = [name for name in MODULES if rooms[name] == room]
        found = {rooms[other] for name in names for other in files_imported(name)}
        folders[room] = {
            "about": first_sentence(MODULES[f"{room}/__init__.py"]) if room != GROUND else "",
            "files": [each for each in dict.fromkeys(_shown(name, room) for name in names) if each != "__init__"],
            "imports": sorted(found - {room}),
        }
    return folders


def _shown(name: str, room: str) -> str:
    """Return what stands for a file in its room: its name, or that of the folder in the room that holds it."""
    inside = Path(name).parts[len(Path(room).parts) :]
    return f"{inside[0]}/" if len(inside) > 1 else Path(name).stem


def first_sentence(module: ast.Module) -> str:
    """Return the first sentence of a module's docstring, as plain text."""
    return (ast.get_docstring(module) or "").splitlines()[0].split(". ")[0].rstrip(".").replace("`", "")
