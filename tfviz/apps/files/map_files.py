"""Maps as localisation benchmarks read them (Choe 2020, arXiv 2001.07437): float64 .npy files, an image each, 0..1."""

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
        Made where it does not exist. Files of the same names are replaced.
    names
        The images' names in the benchmark, without their suffix: `val/1234` lies in a folder `val`.
    maps
        (N, H, W), or N maps (H, W) whose sizes may differ, in 0..1: `tfviz.results.normalise` scales them, and
        `"min_max"` gives the 0 and the 1 that benchmarks expect in every map.

    Raises
    ------
    TfvizError
        Names are not one for each map, all different; a map is not (H, W) or not in 0..1; the folder cannot be written.
    """
    if isinstance(names, str) or not len(names) == len(set(names)) == len(maps):
        raise TfvizError(f"{len(maps)} maps need a list of as many different names, got {names!r}")
    checked = [_checked(name, one_map) for name, one_map in zip(names, maps, strict=True)]
    paths = [Path(folder) / f"{name}{SUFFIX}" for name in names]
    for path, one_map in zip(paths, checked, strict=True):
        write_array(path, one_map)
    return paths


def read_maps(folder: str | Path, names: Sequence[str]) -> NDArray[np.float32]:
    """Read what `write_maps` wrote, or another program: float32 (N, H, W), in 0..1.

    Raises
    ------
    TfvizError
        A file is missing, no .npy file, or holds no numbers (H, W) in 0..1; or the maps differ in size.
    """
    paths = [Path(folder) / f"{name}{SUFFIX}" for name in names]
    maps = {path: _checked(path, _load(path)) for path in paths}
    sizes = {one_map.shape: path for path, one_map in maps.items()}
    if len(sizes) != 1:
        found = ", ".join(f"{path} {shape}" for shape, path in sizes.items()) or "no names"
        raise TfvizError(f"maps of one size are read together, one or more, got {found}")
    return np.stack([maps[path] for path in paths]).astype(np.float32)


def _load(path: Path) -> Any:
    try:
        # Mapped first, which fails where the header asks for more than the file holds; reading would take the memory.
        return np.array(np.load(path, allow_pickle=False, mmap_mode="r"))
    except OSError as error:
        raise TfvizError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise TfvizError(f"{path} is no .npy file of numbers: {error}") from error


def _checked(what: str | Path, one_map: Any) -> NDArray[np.float64]:
    if np.ndim(one_map) != 2:
        raise InvalidImagesError(f"{what}: one map (H, W) is expected, got the shape {np.shape(one_map)}")
    try:
        return check_scaled(one_map, 0)
    except InvalidImagesError as error:
        raise InvalidImagesError(f"{what}: {error}") from error
