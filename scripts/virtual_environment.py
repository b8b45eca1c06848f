"""Makes the virtual environments of other software: for the benchmark's peers, and for the numbers that tests keep."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def python_in(place: Path, requirements: tuple[str, ...], alone: tuple[str, ...]) -> Path:
    """Return the Python of the virtual environment in a folder, made now where it is not there yet, or of other pins.

    requirements: for pip; alone: those installed without what they ask for. Raises `subprocess.CalledProcessError`
    where pip fails.
    """
    python, stamp = place / "bin" / "python", place / "installed.json"
    wanted = json.dumps([requirements, alone, list(sys.version_info[:2])])
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"making the environment {place.name} in {place.parent}", file=sys.stderr)
    run(sys.executable, "-m", "venv", "--clear", str(place))
    run(str(python), "-m", "pip", "install", "-q", *requirements)
    if alone:
        run(str(python), "-m", "pip", "install", "-q", "--no-deps", *alone)
    stamp.write_text(wanted)
    return python


def run(*command: str) -> None:
    """Run a command; what it prints is kept for the error."""
    subprocess.run(command, check=True, capture_output=True, text=True)
