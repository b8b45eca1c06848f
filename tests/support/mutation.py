"""Seeded mutations of files, and processes of little memory and time that open them one after the other.

As a program it is such a process: `python mutation.py KIND` reads the names of files, a line each, and answers each
with a line of JSON: what is wrong where neither a result came of it nor a `TfvizError` of one line.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import random
import resource
import select
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MEMORY = 1 << 30
"""Bytes above the start that a process may take."""
SECONDS = 20
"""That one file may take."""
FILES = 500
"""That one process opens, so that what it keeps of them is not held against the last."""
NO_MEMORY = ("allocate", "out of memory", "insufficient memory", "bad_alloc", "oom when")
REFUSED = ("out of memory reading of", "greater than filesize")
VALUES = [None, True, -1, 0, 7, 0.5, float("nan"), -(2**31), 2**63, "", "x", "\x1b[2J\n", "relu", [], {}, [[]], [None]]
"""What takes the place of a value in JSON."""
NUMBERS = [
    b"\0",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\0\0\0\x80",
    b"\xff\xff\xff\x7f",
    b"\0" * 4,
]


def mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """Data with one to four changes: of bits, bytes, numbers, of what is there once, twice or not, and of the end."""
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 4])):
        if not changed:
            return b""
        # Headers stand at the start: half of all changes are made there.
        place = draw.randrange(min(len(changed), 100) if draw.random() < 0.5 else len(changed))
        length = draw.choice([1, 2, 4, 8, 64, 1000])
        kind = draw.randrange(7)
        if kind == 0:
            changed[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            changed[place] = draw.randrange(256)
        elif kind == 2:
            number = draw.choice(NUMBERS)
            changed[place : place + len(number)] = number
        elif kind == 3:
            del changed[place:]
        elif kind == 4:
            del changed[place : place + length]
        elif kind == 5:
            changed[place:place] = changed[place : place + length] * draw.choice([1, 2, 50])
        else:
            changed[place:] = draw.choice(others)[place:]
    return bytes(changed)


def mutated_json(data: bytes, draw: random.Random) -> bytes:
    """JSON that is whole, with one to four values changed: by others, by one that stands elsewhere, or removed."""
    content = [json.loads(data)]
    for _ in range(draw.choice([1, 1, 2, 4])):
        places = list(_places(content))
        holder, key = draw.choice(places)
        kind = draw.randrange(4)
        if kind == 0 and holder is not content:
            del holder[key]
        elif kind == 1:
            other, place = draw.choice(places)
            holder[key] = copy.deepcopy(other[place])
        elif kind == 2 and isinstance(holder, dict):
            holder[draw.choice([*holder, "", "x"])] = holder.pop(key)
        else:
            holder[key] = draw.choice(VALUES)
    return json.dumps(content[0]).encode()


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield node, key
        yield from _places(value)


def mutated_message(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """A `saved_model.pb` that is whole, with one to four of its fields changed."""
    from tfviz.network.opening.saved_graphs import parse_message

    message = parse_message("SavedModel", data)
    for _ in range(draw.choice([1, 1, 2, 4])):
        _change_message(message, draw, others)
    return message.SerializeToString()


def _change_message(message: Any, draw: random.Random, others: list[bytes]) -> None:
    if not message.ListFields():
        return
    field, value = draw.choice(message.ListFields())
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    if draw.random() < 0.1:
        message.ClearField(field.name)
    elif is_map:
        key = draw.choice(sorted(value))
        if draw.random() < 0.2:
            del value[key]
        elif field.message_type.fields_by_name["value"].message_type is not None:
            _change_message(value[key], draw, others)
    elif hasattr(value, "append"):
        place = draw.randrange(len(value))
        if draw.random() < 0.2:
            del value[place]
        elif draw.random() < 0.2:
            value.append(value[place])
        elif field.message_type is not None:
            _change_message(value[place], draw, others)
        else:
            value[place] = _changed(field, value[place], draw, others)
    elif field.message_type is not None:
        _change_message(value, draw, others)
    else:
        setattr(message, field.name, _changed(field, value, draw, others))


def _changed(field: Any, value: Any, draw: random.Random, others: list[bytes]) -> Any:
    if isinstance(value, bytes):
        return mutated(value, draw, others)
    if isinstance(value, str):
        return mutated(value.encode(), draw, [value.encode()]).decode("utf-8", "replace")
    if isinstance(value, bool):
        return not value
    if field.enum_type is not None:
        return draw.choice(field.enum_type.values).number
    is_unsigned = field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64)
    return draw.choice([0, 1, 2, 7, 100, 2**31 - 1] if is_unsigned else [-1, 0, 1, 2, 7, -(2**31), 2**31 - 1])


def mutated_zip(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """A zip file, with one member changed inside so that the archive is whole."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as whole, zipfile.ZipFile(content, "w") as archive:
        names = whole.namelist()
        chosen = draw.choice(names)
        for name in names:
            member = whole.read(name)
            if name == chosen:
                is_json = name.endswith(".json") and draw.random() < 0.7
                member = mutated_json(member, draw) if is_json else mutated(member, draw, others)
            archive.writestr(name, member)
    return content.getvalue()


class Opener:
    """A process that opens files; a new one takes the place of one that died or took too long."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._process: subprocess.Popen | None = None
        self._opened = 0
        self.came: Counter[str] = Counter()

    def __enter__(self) -> Opener:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _answer(self, seconds: float) -> str:
        ready = select.select([self._process.stdout], [], [], seconds)[0]
        return self._process.stdout.readline() if ready else "took too long"

    def open(self, path: Path) -> str:
        """What is wrong with how a file was opened; empty where nothing is."""
        if self._opened % FILES == 0:
            self._stop()
        self._opened += 1
        if self._process is None:
            command = [sys.executable, "-W", "ignore", __file__, self._kind]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            assert self._answer(120) == "ready\n"
        with contextlib.suppress(BrokenPipeError):  # it answers nothing then
            self._process.stdin.write(f"{path}\n")
            self._process.stdin.flush()
        answer = self._answer(SECONDS)
        if answer.startswith("{"):
            found = json.loads(answer)
            self.came[found.get("came", "")] += 1
            return found["wrong"]
        process = self._process
        self._stop()
        return answer or f"the process died with {process.returncode}"


def open_image(path: Path) -> bool:
    """Whether an image came of the file."""
    from tfviz.apps.files.images import read_image

    image = read_image(path)
    return image.dtype == "uint8" and image.ndim == 3 and image.shape[2] == 3


def open_model(path: Path) -> bool:
    """Whether a network, or what a file of JSON says, came of the file or folder."""
    import tfviz
    from tfviz.apps.files.labels import read_labels
    from tfviz.apps.model.explanation_metadata import read_explanation_metadata

    if path.suffix == ".json":
        return isinstance(read_labels(path), list)
    if path.is_dir():
        read_explanation_metadata(path)
    return isinstance(tfviz.trace(path), tfviz.TracedNetwork)


def fail_without_memory() -> None:
    """Let OpenCV raise MemoryError where it had none: some of its decoders say it on the standard error alone."""
    import cv2

    decode = cv2.imdecode

    def imdecode(*arguments: Any) -> Any:
        with tempfile.TemporaryFile() as said:
            before = os.dup(2)
            os.dup2(said.fileno(), 2)
            try:
                return decode(*arguments)
            except cv2.error as error:
                said.write(str(error).encode())
                raise
            finally:
                os.dup2(before, 2)
                os.close(before)
                said.seek(0)
                text = said.read().decode(errors="replace")
                if lacks_memory(text):
                    raise MemoryError(text)

    cv2.imdecode = imdecode


def lacks_memory(text: str) -> bool:
    """Whether a text says that there was no memory; libtiff also says so of numbers larger than the file."""
    lines = [line for line in text.lower().splitlines() if not any(each in line for each in REFUSED)]
    return any(each in line for line in lines for each in NO_MEMORY)


def trouble(error: BaseException, path: Path, kind: str) -> str:
    """What is wrong with an error that came of a file; empty where nothing is."""
    from tfviz.errors import InvalidImagesError, TfvizError

    said = str(error)
    if not isinstance(error, InvalidImagesError if kind == "image" else TfvizError):
        return f"{type(error).__name__}: {said}"[:500]
    if not said.isprintable():
        return f"not one line: {said}"
    if kind == "image" and path.name not in said:
        return f"not of the file: {said}"
    return f"no memory: {said}" if lacks_memory(f"{said} {error.__cause__}") else ""


def answer(open_it: Any, path: Path, kind: str) -> dict[str, str]:
    """What came of a file."""
    try:
        return {"came": "result", "wrong": "" if open_it(path) else "it is no result"}
    except BaseException as error:  # whatever it is, it is what is looked for
        return {"came": "error", "wrong": trouble(error, path, kind)}


def main(kind: str) -> None:
    """Open what is named on the standard input."""
    open_it = {"image": open_image, "model": open_model}[kind]
    import tfviz
    from tfviz import demo

    open_image(demo.sample_paths()[0])
    fail_without_memory()
    if kind == "model":
        tfviz.trace(demo.load_network())
    taken = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(open_it, Path(line.rstrip("\n")), kind)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
