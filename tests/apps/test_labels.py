"""Class names: the files they come from, and what a user may type."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.places import SHARED

from tfviz.apps.files.labels import imagenet_labels, keras_cache, read_labels, resolve_target
from tfviz.demo import imagenet_class_names
from tfviz.errors import InvalidTargetsError

IMAGENET = SHARED / "models" / "imagenet_classes.txt"
NAMES = ["tench, Tinca tinca", "tiger_cat", "crane", "maillot", "maillot, tank suit", "crane, lifting", "7"]


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        data = content if isinstance(content, (bytes, str)) else json.dumps(content)
        (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
        return tmp_path / name

    return write


# Files


@pytest.mark.parametrize(
    "name, content",
    [
        ("names.txt", "cat\ndog, hound\nstraße\n"),
        ("names.txt", "\ufeffcat\r\n dog, hound \r\nstraße\r\n\r\n"),
        ("names", "cat\ndog, hound\nstraße"),
        ("names.json", ["cat", "dog, hound", "straße"]),
        ("names.JSON", {"2": "straße", "0": "cat", "1": "dog, hound"}),
        ("names.json", {"0": ["n01", "cat"], "1": ["n02", "dog, hound"], "2": ["n03", "straße"]}),
        ("names.json", {"straße": 2, "cat": 0, "dog, hound": 1}),
    ],
)
def test_every_form_gives_the_same_names(file, name, content):
    path = file(name, content)
    assert read_labels(path) == read_labels(str(path), num_classes=3) == ["cat", "dog, hound", "straße"]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", "", "a.txt: the file is empty"),
        ("a.txt", "cat\n\ndog", "a.txt: line 2 is blank"),
        ("a.txt", b"caf\xe9\n", "a.txt: 'utf-8' codec"),
        ("a.json", "{", "a.json: "),
        ("a.json", [], "a.json: its entries are not names"),
        ("a.json", {}, "a.json: its entries are not names"),
        ("a.json", ["cat", 3], "a.json: its entries are not names"),
        ("a.json", 3, "a.json: "),
        ("a.json", {"0": "cat", "2": "dog"}, "a.json: class 1 of 2 has no name"),
        ("a.json", {"cat": 1, "dog": 2}, "a.json: class 0 of 2 has no name"),
        ("a.json", {"x": "cat"}, "a.json: invalid literal"),
        ("a.json", [["n01"], ["n02"]], "a.json: "),
    ],
)
def test_other_files_are_refused(file, name, content, message):
    with pytest.raises(InvalidTargetsError, match=f"class names .*{message}.*; expected one name a line") as raised:
        read_labels(file(name, content))
    assert "\n" not in str(raised.value)


def test_the_file_is_missing(tmp_path):
    with pytest.raises(InvalidTargetsError, match=r"class names .*none\.txt cannot be read: No such file"):
        read_labels(tmp_path / "none.txt")


def test_as_many_names_as_classes(file):
    with pytest.raises(InvalidTargetsError, match=r"a\.txt holds 2 class names, but the model has 3 classes"):
        read_labels(file("a.txt", "cat\ndog"), num_classes=3)


# ImageNet


def test_imagenet_names_are_those_that_keras_keeps(monkeypatch, tmp_path):
    import keras

    names = [f"name {(index * 37) % 1000}" for index in range(1000)]
    index = {str(position): [f"n{position}", name] for position, name in enumerate(names)}
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    keras_cache().mkdir()
    (keras_cache() / "imagenet_class_index.json").write_text(json.dumps(index))
    assert imagenet_labels() == names
    decoder = keras.applications.imagenet_utils.decode_predictions
    monkeypatch.setitem(decoder.__globals__, "CLASS_INDEX", index)
    assert decoder(np.eye(1000)[[17]], top=1)[0][0][1] == imagenet_labels()[17]


@pytest.mark.parametrize("kept", [None, "", "{}", '{"0": ["n0", "tench"]}'])
def test_without_keras_file_the_names_are_ours(monkeypatch, tmp_path, kept):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if kept is not None:
        keras_cache().mkdir()
        (keras_cache() / "imagenet_class_index.json").write_text(kept)
    assert imagenet_labels() == imagenet_class_names()


def test_the_cache_is_the_one_of_keras(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    assert keras_cache() == Path.home() / ".keras" / "models"
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert keras_cache() == tmp_path / "models"


# Targets


@pytest.mark.parametrize(
    "text, index",
    [
        ("0", 0),
        (" 6 ", 6),
        ("+2", 2),
        ("7", 7),
        ("tench, tinca TINCA", 0),
        ("TENCH", 0),
        ("Tinca  tinca", 0),
        ("tinca-tinca", 0),
        ("tiger cat", 1),
        ("Tiger_Cat", 1),
        ("crane", 2),
        ("maillot", 3),
        ("tank suit", 4),
        ("lifting", 5),
    ],
)
def test_what_a_target_means(text, index):
    assert resolve_target(text, NAMES, 8) == index


@pytest.mark.parametrize(
    "text, message",
    [
        ("8", "target 8 is out of range: the model has 8 classes, 0 to 7"),
        ("-1", "target -1 is out of range: the model has 8 classes, 0 to 7"),
        ("tigre cat", "no class is called 'tigre cat'; did you mean 'tiger cat'"),
        ("suit", r"no class is called 'suit'; did you mean 'maillot, tank suit' or 'tank suit'\?"),
        ("tin", r"no class is called 'tin'; did you mean '.*' or 'tinca tinca' or 'crane, lifting'\?"),
        ("a", r"no class is called 'a'; did you mean 'tench, tinca tinca' or 'tinca tinca' or 'tiger cat'\?"),
        ("zebra", "no class is called 'zebra'; there are 7, such as 'tench, tinca tinca'; an index will do too"),
        ("", "no class is called ''; there are 7"),
    ],
)
def test_targets_that_mean_nothing(text, message):
    with pytest.raises(InvalidTargetsError, match=message):
        resolve_target(text, NAMES, 8)


@pytest.mark.parametrize("names", [["crane", "Crane", "heron"], ["crane, bird", "crane, machine", "heron"]])
def test_a_name_of_several_classes(names):
    listed = rf"0 \({names[0]}\), 1 \({names[1]}\)$"
    with pytest.raises(InvalidTargetsError, match="'crane' names several classes; give the index of one: " + listed):
        resolve_target("crane", names, 3)


def test_a_name_beyond_the_classes_of_the_model():
    with pytest.raises(InvalidTargetsError, match="target 1 is out of range: the model has 1 classes"):
        resolve_target("dog", ["cat", "dog"], 1)


def test_without_names():
    assert resolve_target("3", None, 4) == 3
    with pytest.raises(InvalidTargetsError, match="no class names to find 'cat' in; give an index below 4 or --labels"):
        resolve_target("cat", None, 4)


def test_every_imagenet_class_can_be_named():
    if not IMAGENET.is_file():
        pytest.skip("no ../shared")
    names = read_labels(IMAGENET, num_classes=1000)
    assert resolve_target("tiger cat", names, 1000) == 282 and resolve_target("BULL_MASTIFF", names, 1000) == 243
    for index in range(0, 1000, 9):
        if names.count(names[index]) == 1:
            assert resolve_target(names[index].upper(), names, 1000) == index
