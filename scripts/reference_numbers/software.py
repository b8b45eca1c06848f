"""The other software whose numbers are kept: what each needs to run, and its virtual environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from virtual_environment import python_in

WORKERS = Path(__file__).parent / "workers"
PYTHON = "3.11"
NUMBERS = ("numpy==1.26.4", "scipy==1.15.3")
PICTURES = ("matplotlib==3.10.8", "opencv-python-headless==4.11.0.86", "scikit-image==0.25.2")
TORCH = ("torch==2.13.0", *NUMBERS, *PICTURES, "pandas==2.2.3", "scikit-learn==1.6.1", "tqdm", "cachetools==5.5.2")


@dataclass(frozen=True)
class Software:
    """Software of which numbers are kept.

    environment: the folder's name, shared by what needs the same. requirements: for pip; alone: those installed without
    what they ask for, which is CUDA or a display.
    versions: what the file says of itself. repository, commit: of code that is on no registry; a checkout is given.
    """

    environment: str
    requirements: tuple[str, ...]
    alone: tuple[str, ...]
    versions: dict[str, str]
    repository: str = ""
    commit: str = ""


IN_TORCH = {"python": PYTHON, "numpy": "1.26.4", "scipy": "1.15.3", "torch": "2.13.0"}
IN_TENSORFLOW = {"python": PYTHON, "numpy": "2.4.6", "scipy": "1.15.3", "tensorflow": "2.20.0", "keras": "3.15.1"}
OF_TORCH = ("torch", TORCH, ("quantus==0.6.0",))

SOFTWARE = {
    "rise": Software(
        *OF_TORCH, IN_TORCH, "https://github.com/eclique/RISE", "d91ea006d4bb9b7990347fe97086bdc0f5c1fe10"
    ),
    "road": Software(
        *OF_TORCH,
        IN_TORCH,
        "https://github.com/tleemann/road_evaluation",
        "e6b9987ffbd79654125af2f581b5dae70e831b09",
    ),
    "quantus": Software(*OF_TORCH, {**IN_TORCH, "scikit-image": "0.25.2", "quantus": "0.6.0"}),
    "xplique": Software(
        "tensorflow",
        (
            *("tensorflow==2.20.0", "tf_keras==2.20.1", "tensorflow-probability==0.25.0", "einops==0.8.1"),
            *("keras==3.15.1", "deprecated", "numpy==2.4.6", "scipy==1.15.3", "scikit-learn==1.7.2", *PICTURES),
        ),
        ("xplique==2.0.2",),
        {**IN_TENSORFLOW, "xplique": "2.0.2"},
    ),
}


def python_of(name: str, folder: Path) -> Path:
    """Return the Python of the environment of `name` under `folder`, see `python_in`."""
    software = SOFTWARE[name]
    return python_in(folder / software.environment, software.requirements, software.alone)
