"""Writes `tests/references/*.npz`: what other software computes on small networks, for tests to compare with.

    python scripts/references.py quantus xplique
    python scripts/references.py rise --checkout ../RISE
    python scripts/references.py road --checkout ../road_evaluation

Each runs in a virtual environment of its own under `--environments`, made now where it is not there yet. RISE and ROAD
are on no registry: clone them (`reference_numbers/software.py` has the addresses and commits). Numbers are the other
software's, computed by its own code on inputs that stand in the file too, with the versions of all that took part. Run
it with Python 3.11, on which the pinned versions are. Nothing random changes from run to run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from reference_numbers.software import SOFTWARE, WORKERS, python_of

PLACE = Path(__file__).parents[1] / "tests" / "references"
CACHE = Path.home() / ".cache" / "tfviz-references"


def main() -> None:
    arguments = read_arguments()
    for name in arguments.software:
        python = python_of(name, arguments.environments)
        file = arguments.output / f"{name}.npz"
        command = [str(python), str(WORKERS / f"with_{name}.py"), str(file)]
        if SOFTWARE[name].repository:
            command += [str(arguments.checkout), commit_of(name, arguments.checkout)]
        quiet = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore", "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run(command, check=True, env=os.environ | quiet, stdout=subprocess.DEVNULL)
        print(f"{file}: {file.stat().st_size / 1000:.0f} KB")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("software", nargs="+", choices=SOFTWARE)
    parser.add_argument("--environments", type=Path, default=CACHE, help="where the virtual environments are")
    parser.add_argument("--checkout", type=Path, help="a clone of the software's repository")
    parser.add_argument("--output", type=Path, default=PLACE)
    arguments = parser.parse_args()
    cloned = [name for name in arguments.software if SOFTWARE[name].repository]
    if cloned and (arguments.checkout is None or len(arguments.software) > 1):
        parser.error(f"{cloned[0]} alone, with --checkout: a clone of {SOFTWARE[cloned[0]].repository}")
    return arguments


def commit_of(name: str, checkout: Path) -> str:
    """Return the commit of a checkout; one that is not the pinned one ends the script."""
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    if found != SOFTWARE[name].commit:
        sys.exit(f"{checkout} is at {found}; the numbers are of {SOFTWARE[name].commit}")
    return found


if __name__ == "__main__":
    main()
