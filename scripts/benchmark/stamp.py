"""What numbers are of: the machine, the releases, the day and the commit."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from tfviz.version import __version__

ROOT = Path(__file__).parents[2]
SAME = ("machine", "tfviz", "tensorflow", "keras")
"""Numbers that stand in one table have these in common; they may be of several days and commits."""

Stamp = dict[str, str]


def stamp() -> Stamp:
    """Return what is measured now is of, but for its day."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {processor()}",
        "tfviz": __version__,
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
    }


def moment() -> Stamp:
    """Return the day and the commit, which has a + where files differ from it."""
    return {"date": time.strftime("%Y-%m-%d"), "commit": commit()}


def said(of: Stamp) -> str:
    """Return a stamp as words."""
    releases = f"tfviz {of['tfviz']}, TensorFlow {of['tensorflow']}, Keras {of['keras']}"
    return f"{of['machine']}; {releases}"


def processor() -> str:
    """Return the model of the processor."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown processor"


def commit() -> str:
    """Return the commit of this checkout; "unknown" where it is none."""
    try:
        return git("rev-parse", "--short", "HEAD") + "+" * bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def git(*words: str) -> str:
    """Return what git says of this checkout."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
