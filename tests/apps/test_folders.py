"""A folder takes the place of another, and no other than one that tfviz batch wrote."""

from __future__ import annotations

import os
import re
import sys
import threading
from types import SimpleNamespace

import pytest
import tensorflow as tf
from support.model_zoo import model_of
from support.thinning import by_day

import tfviz
from tfviz.apps.beam.files import check_replaceable
from tfviz.apps.files import folders
from tfviz.apps.files.folders import replace_folder
from tfviz.errors import TfvizError, TfvizWarning


def folder(path, *names):
    path.mkdir(parents=True)
    for name in names:
        (path / name).write_text(name)
    return path


@pytest.mark.parametrize("before", ["missing", "empty", "full"])
@pytest.mark.parametrize("by", ["one step", "steps"])
def test_the_new_is_there_and_the_old_is_gone(tmp_path, monkeypatch, before, by):
    if by == "steps":
        # Not every file system can exchange two folders in one step.
        monkeypatch.setattr(folders, "_exchange", lambda new, old: False)
    new, old = folder(tmp_path / "new", "a"), tmp_path / "old"
    if before != "missing":
        folder(old, *(["b", "c"] if before == "full" else []))
    replace_folder(new, old)
    assert [path.name for path in tmp_path.iterdir()] == ["old"] and os.listdir(old) == ["a"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges folders in one step")
def test_there_is_a_whole_folder_at_every_moment(tmp_path):
    folder(tmp_path / "out", "a", "b")
    done = threading.Event()

    def look():
        while not done.is_set():
            # What raises here fails the test.
            os.close(os.open(tmp_path / "out", os.O_RDONLY))

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(200):
        replace_folder(folder(tmp_path / f"new{number}", "a", "b"), tmp_path / "out")
    done.set()
    watcher.join()
    assert len(os.listdir(tmp_path / "out")) == 2


def test_the_old_comes_back_where_the_new_cannot_be_moved(tmp_path):
    old = folder(tmp_path / "old", "a")
    with pytest.raises(FileNotFoundError):
        folders._exchange_in_steps(tmp_path / "missing", old)
    assert os.listdir(tmp_path) == ["old"] and os.listdir(old) == ["a"]


@pytest.mark.parametrize("moves", [1, 2, 3])
def test_an_exchange_that_is_interrupted_is_undone(tmp_path, monkeypatch, moves):
    new, old, rename, done = folder(tmp_path / "new", "a"), folder(tmp_path / "old", "b"), os.rename, []

    def interrupted(source, place):
        rename(source, place)
        done.append(place)
        if len(done) == moves:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        folders._exchange_in_steps(new, old)
    expected = [["a"], ["b"]] if moves < 3 else [["b"], ["a"]]
    assert sorted(os.listdir(tmp_path)) == ["new", "old"] and [os.listdir(new), os.listdir(old)] == expected


@pytest.fixture
def unremovable(monkeypatch):
    """Let what was replaced stay where it is."""

    def fail(path):
        raise PermissionError(13, "Permission denied")

    # There alone: whoever makes a temporary folder removes it, too.
    monkeypatch.setattr(folders, "shutil", SimpleNamespace(rmtree=fail))


def test_what_cannot_be_removed_is_no_error_of_what_took_its_place(tmp_path, unremovable):
    new, old = folder(tmp_path / "new", "a"), folder(tmp_path / "old", "b")
    (said,) = replace_folder(new, old)
    assert re.search("old is replaced, but not all .* Permission denied; see .*new", said)
    assert os.listdir(old) == ["a"]


def test_an_export_says_once_that_not_all_could_be_removed(tmp_path, unremovable):
    old = folder(tmp_path / "old", "saved_model.pb")
    with pytest.warns(TfvizWarning) as said:
        tfviz.export(model_of("functional"), old, "saliency", overwrite=True)
    (message,) = [str(each.message) for each in said]
    assert re.search("old is replaced, but not all .* Permission denied; see ", message)
    assert tf.saved_model.load(str(old)).signatures["saliency"]


@pytest.mark.parametrize(
    "command, before",
    by_day([("export", "saved_model.pb"), ("batch", "manifest.json")], [("export", "saved_model.pb")]),
)
def test_each_command_says_once_that_not_all_could_be_removed(command, before, run, tmp_path, unremovable):
    given = {
        "export": ["demo", "old", "--overwrite"],
        "batch": ["--input", tfviz.demo.sample_paths()[0], "--output", "old"],
    }[command]
    folder(tmp_path / "old", before)
    status, _, err = run(command, *given, "--method", "saliency")
    assert status == 0
    assert re.fullmatch("tfviz: warning: .*old is replaced, but not all .* Permission denied; see .*\n", err), err


OURS = ["manifest.json", "results-00000-of-00002.tfrecord", "dead_letters-00001-of-00002.jsonl", "overlays/a.tfviz.png"]


def test_what_may_be_replaced():
    check_replaceable("out", [])
    check_replaceable("out", OURS)


@pytest.mark.parametrize(
    "names, shown",
    [
        ([*OURS, "photo.jpg"], "photo.jpg"),
        ([*OURS, "overlays/photo.png"], "overlays/photo.png"),
        ([*OURS, "overlays/a/b.tfviz.png"], "overlays/a/b.tfviz.png"),
        ([*OURS, "results-00000-of-00002.tfrecord.bak"], "results-00000-of-00002.tfrecord.bak"),
        (OURS[1:], "dead_letters-00001-of-00002.jsonl, overlays/a.tfviz.png, results-00000-of-00002.tfrecord"),
    ],
)
def test_what_is_not_replaced(names, shown):
    with pytest.raises(TfvizError) as raised:
        check_replaceable("out", names)
    assert str(raised.value) == (
        f"out would be replaced, but holds files that are not of a tfviz batch run ({shown}); choose another"
    )
