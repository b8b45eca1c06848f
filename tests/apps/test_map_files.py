"""Files that other evaluations read, and those that they write."""

from __future__ import annotations

import numpy as np
import pytest

from tfviz.apps.files.map_files import read_maps, write_maps
from tfviz.errors import TfvizError

MAPS = np.random.default_rng(0).random((2, 3, 4))


def test_what_is_written_is_what_the_benchmark_reads(tmp_path):
    """One file an image at FOLDER/NAME.npy: two axes, float64, in 0..1."""
    paths = write_maps(tmp_path / "new", ["val/1", "2.x"], MAPS)
    assert paths == [tmp_path / "new" / "val" / "1.npy", tmp_path / "new" / "2.x.npy"]
    for path, one_map in zip(paths, MAPS, strict=True):
        stored = np.load(path)
        assert stored.dtype == np.float64
        np.testing.assert_array_equal(stored, one_map)


def test_read_equals_written(tmp_path):
    write_maps(tmp_path, ["a", "b"], MAPS)
    found = read_maps(tmp_path, ["b", "a", "b"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, MAPS[[1, 0, 1]], rtol=1e-6)


def test_rounding_is_no_error_and_is_cut(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[-1e-6, 1 + 1e-6]], np.float32))
    np.testing.assert_array_equal(read_maps(tmp_path, ["a"]), [[[0, 1]]])


def test_maps_of_several_sizes_are_written_but_not_stacked(tmp_path):
    write_maps(tmp_path, ["a", "b"], [np.eye(2), np.eye(3)])
    with pytest.raises(TfvizError, match=r"maps, all of one size.*a\.npy \(2, 2\), .*b\.npy \(3, 3\)"):
        read_maps(tmp_path, ["a", "b"])
    with pytest.raises(TfvizError, match="one or more maps, all of one size, got no names"):
        read_maps(tmp_path, [])


@pytest.mark.parametrize(
    "names, maps, message",
    [
        (["a"], MAPS, r"expected a list of 2 different names, one per map, got \['a'\]"),
        (["a", "a"], MAPS, "2 different names"),
        ("ab", MAPS, "2 different names, one per map, got 'ab'"),
        (["a", "b"], [MAPS[0], 3 * MAPS[1]], r"b: map values must lie in 0\.\.1 here, got .* `normalise` first"),
        (["a", "b"], [MAPS[0], -MAPS[1]], r"b: map values must lie in 0\.\.1"),
        (["a", "b"], [MAPS[0], MAPS[1] * np.nan], "b: the map of image 0 has 12 NaN"),
        (["a", "b"], [MAPS[0], MAPS], r"b: expected one map \(H, W\), got the shape \(2, 3, 4\)"),
    ],
)
def test_what_is_not_written(tmp_path, names, maps, message):
    with pytest.raises(TfvizError, match=message):
        write_maps(tmp_path, names, maps)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content, message",
    [
        (None, r"a\.npy cannot be read: No such file"),
        (b"", r"a\.npy is not an \.npy file of numbers"),
        (b"\x89PNG and so on", r"a\.npy is not an \.npy file of numbers"),
        (np.array([{"a": 1}]), r"a\.npy is not an \.npy file of numbers"),
        (np.array([["a"]]), r"a\.npy: maps must be numbers"),
        (np.array([[0, 255]], np.uint8), r"a\.npy: map values must lie in 0\.\.1"),
        (np.zeros((3, 4, 1)), r"a\.npy: expected one map \(H, W\), got the shape \(3, 4, 1\)"),
    ],
)
def test_what_is_not_read(tmp_path, content, message):
    if isinstance(content, bytes):
        (tmp_path / "a.npy").write_bytes(content)
    elif content is not None:
        np.save(tmp_path / "a.npy", content)
    with pytest.raises(TfvizError, match=message):
        read_maps(tmp_path, ["a"])


def test_an_archive_is_no_map(tmp_path):
    np.savez(tmp_path / "a.npz", MAPS[0])
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(TfvizError, match=r"a\.npy: "):
        read_maps(tmp_path, ["a"])


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TfvizError, match="cannot be written"):
        write_maps(tmp_path / "file", ["a", "b"], MAPS)
