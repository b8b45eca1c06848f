"""Writes and reads maps as localisation benchmarks do (Choe 2020, arXiv 2001.07437).

The format is one float64 .npy file per image, named after it, with values in 0..1. Benchmarks threshold the values as
they are, so a map that is not scaled is refused here instead of giving a wrong score there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.apps.files.output import write_array
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results import check_scaled

SUFFIX = ".npy"


def write_maps(folder: str | Path, names: Sequence[str], maps: Sequence[ArrayLike] | NDArray[Any]) -> list[Path]:
    """Write each map to `folder/NAME.npy`, and return the paths.

    Parameters
    ----------
    folder
        Made if it does not exist. Files of the same names are replaced.
    names
        The images' names in the benchmark, without their suffix: `val/1234` lies in a folder `val`.
    maps
        (N, H, W), or N maps (H, W) whose sizes may differ, in 0..1: `tfviz.results.normalise` scales them, and
        `"min_max"` gives the 0 and the 1 that benchmarks expect in every map.

    Raises
    ------
    TfvizError
        There is not one name per map, all different; a map is not (H, W) or not in 0..1; the folder cannot be written.
    """
    if isinstance(names, str) or not len(names) == len(set(names)) == len(maps):
        raise TfvizError(f"expected a list of {len(maps)} different names, one per map, got {names!r}")
    checked = [_checked(name, one_map) for name, one_map in zip(names, maps, strict=True)]
    paths = [Path(folder) / f"{name}{SUFFIX}" for name in names]
    for path, one_map in zip(paths, checked, strict=True):
        write_array(path, one_map)
    return paths


def read_maps(folder: str | Path, names: Sequence[str]) -> NDArray[np.float32]:
    """Read maps of one size that `write_maps` or another program wrote: float32 (N, H, W), in 0..1.

    Raises
    ------
    TfvizError
        A file is missing, is not an .npy file, or does not hold numbers (H, W) in 0..1; or the maps differ in size.
    """
    paths = [Path(folder) / f"{name}{SUFFIX}" for name in names]
    maps = {path: _checked(path, _load(path)) for path in paths}
    sizes = {one_map.shape: path for path, one_map in maps.items()}
    if len(sizes) != 1:
        found = ", ".join(f"{path} {shape}" for shape, path in sizes.items()) or "no names"
        raise TfvizError(f"expected one or more maps, all of one size, got {found}")
    return np.stack([maps[path] for path in paths]).astype(np.float32)


def _load(path: Path) -> Any:
    """Return the array in an .npy file, in memory; raise `TfvizError` if it cannot be read. Pickles are refused."""
    try:
        # Mapped first, which fails if the header asks for more than the file holds; reading would take the memory.
        return np.array(np.load(path, allow_pickle=False, mmap_mode="r"))
    except OSError as error:
        raise TfvizError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise TfvizError(f"{path} is not an .npy file of numbers: {error}") from error


def _checked(what: str | Path, one_map: Any) -> NDArray[np.float64]:
    """Return a map as float64 (H, W), within 0..1; raise `InvalidImagesError`, which begins with `what`, for others."""
    if np.ndim(one_map) != 2:
        raise InvalidImagesError(f"{what}: expected one map (H, W), got the shape {np.shape(one_map)}")
    try:
        return check_scaled(one_map, 0)
    except InvalidImagesError as error:
        raise InvalidImagesError(f"{what}: {error}") from error
