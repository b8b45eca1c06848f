"""Seeded mutations of files, and processes of little memory and time that open them one after the other.

As a program it is such a process: `python mutation.py KIND` reads the names of files, a line each, and answers each
with a line of JSON: what is wrong where neither a result came of it nor a `TfvizError` of one line.
"""

from __future__ import annotations

import io
import json
import random
import resource
import select
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

MEMORY = 1 << 30
"""Bytes above the start that a process may take."""
SECONDS = 20
"""That one file may take."""
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


def mutated_zip(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """A zip file, with one member changed inside so that the archive is whole."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as whole, zipfile.ZipFile(content, "w") as archive:
        names = whole.namelist()
        chosen = draw.choice(names)
        for name in names:
            member = whole.read(name)
            archive.writestr(name, mutated(member, draw, others) if name == chosen else member)
    return content.getvalue()


class Opener:
    """A process that opens files; a new one takes the place of one that died or took too long."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._process: subprocess.Popen | None = None
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
        if self._process is None:
            command = [sys.executable, "-W", "ignore", __file__, self._kind]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            assert self._answer(120) == "ready\n"
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        answer = self._answer(SECONDS)
        if answer.startswith("{"):
            found = json.loads(answer)
            self.came[found.get("came", "")] += 1
            return found["wrong"]
        self._stop()
        return answer or "the process died"


def open_image(path: Path) -> bool:
    """Whether an image came of the file."""
    from tfviz.apps.images import read_image

    image = read_image(path)
    return image.dtype == "uint8" and image.ndim == 3 and image.shape[2] == 3


def open_model(path: Path) -> bool:
    """Whether a network, or what a file of JSON says, came of the file or folder."""
    import tfviz
    from tfviz.apps.explanation_metadata import read_explanation_metadata
    from tfviz.apps.labels import read_labels

    if path.suffix == ".json":
        return isinstance(read_labels(path), list)
    if path.is_dir():
        read_explanation_metadata(path)
    return isinstance(tfviz.trace(path), tfviz.TracedNetwork)


def answer(open_it, path: Path) -> dict[str, str]:
    """What came of a file."""
    from tfviz.errors import TfvizError

    try:
        return {"came": "result", "wrong": "" if open_it(path) else "it is no result"}
    except TfvizError as error:
        is_plain = "\n" not in str(error) and str(error).isprintable()
        return {"came": "error", "wrong": "" if is_plain else f"not one line: {error}"}
    except BaseException as error:  # whatever it is, it is what is looked for
        return {"wrong": f"{type(error).__name__}: {error}"[:500]}


def main(kind: str) -> None:
    """Open what is named on the standard input."""
    open_it = {"image": open_image, "model": open_model}[kind]
    import tfviz
    from tfviz import demo

    open_image(demo.sample_paths()[0])
    if kind == "model":
        tfviz.trace(demo.load_network())
    taken = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(open_it, Path(line.rstrip("\n")))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
