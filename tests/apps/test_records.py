"""Records of pictures and maps, against TensorFlow's own parser, and files of them that are damaged anywhere."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from dataclasses import replace

import cv2
import nbformat
import numpy as np
import pytest
import tensorflow as tf
from support.examples import example
from support.places import ROOT

from tfviz.apps.records import (
    DeadLetter,
    MapRecord,
    Origin,
    PictureRecord,
    read_picture,
    read_pictures,
    read_results,
    read_tfrecords,
)
from tfviz.errors import InvalidImagesError, TfvizError

PNG = bytes(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1])


def write(path, records, compression=""):
    with tf.io.TFRecordWriter(str(path), options=compression) as writer:
        for record in records:
            writer.write(record)
    return path


@pytest.mark.parametrize(
    "names, key",
    [
        ({}, "a#3"),
        ({"image__key": b"k"}, "k"),
        ({"image__filename": b"f.jpg", "image__key": b"k"}, "f.jpg"),
        ({"image__filename": b"", "image__key": b"k"}, ""),
        ({"image__filename": [], "image__key": b"k"}, "k"),
        ({"image__filename": 5, "image__key": "sch\u00f6n".encode()}, "sch\u00f6n"),
        ({"image__key": b"\xff"}, "\ufffd"),
    ],
)
def test_the_key_of_a_record(names, key):
    record = example(image__encoded=PNG, **names)
    assert read_picture(record, "a#3") == PictureRecord(Origin(key, "a#3"), PNG, None, record)


@pytest.mark.parametrize("label, expected", [(7, 7), ([7, 8], 7), (b"cat", None), ([], None)])
def test_the_label_of_a_record(label, expected):
    assert read_picture(example(image__encoded=PNG, image__class__label=label), "a").label == expected


@pytest.mark.parametrize(
    "record, reason",
    [
        (b"\xff\xff", "the record is not a tf.train.Example"),
        (b"", "the Example has no image/encoded; its features are: none"),
        (example(image=PNG, x=1), "the Example has no image/encoded; its features are: image, x"),
        (example(image__encoded=[]), "the Example has no image/encoded; its features are: image/encoded"),
        (example(image__encoded=5), "image/encoded is not the bytes of one picture"),
        (example(image__encoded=[PNG, PNG]), "image/encoded is not the bytes of one picture"),
    ],
)
def test_records_without_a_picture(record, reason):
    with pytest.raises(InvalidImagesError) as raised:
        read_picture(record, "a")
    assert str(raised.value) == reason


def test_a_map_as_tensorflow_reads_it():
    """By the features that notebook 03 lists, for readers other than `read_results`."""
    found = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)
    record = MapRecord(Origin("k", "file#1"), found[:, ::2], 5, -1.25, "r", "overlays/a.png").encode()
    kinds = {name: tf.io.FixedLenFeature([], tf.string) for name in ("key", "source", "map", "run", "overlay")}
    kinds |= {"shape": tf.io.VarLenFeature(tf.int64)}
    kinds |= {"target": tf.io.FixedLenFeature([], tf.int64), "score": tf.io.FixedLenFeature([], tf.float32)}
    parsed = tf.io.parse_single_example(record, kinds)
    values = tf.reshape(tf.io.decode_raw(parsed["map"], tf.float32), parsed["shape"].values)
    np.testing.assert_array_equal(values, found[:, ::2])
    assert (int(parsed["target"]), float(parsed["score"])) == (5, -1.25)
    texts = [parsed[name].numpy().decode() for name in ("key", "source", "run", "overlay")]
    assert texts == ["k", "file#1", "r", "overlays/a.png"]


def test_the_notebook_lists_the_features_and_their_kinds():
    cells = nbformat.read(ROOT / "notebooks" / "03_saved_models_and_pipelines.ipynb", as_version=4).cells
    (table,) = (cell.source for cell in cells if "| feature | kind |" in cell.source)
    listed = dict(re.findall(r"^\| `(\S+)` \| (bytes|float|int64)\b", table, flags=re.MULTILINE))
    full = MapRecord(Origin("k", "s"), np.eye(2), 1, 0.5, "r", "o", {"NAME": 0.25}, 1, "n", 0.5)
    features = tf.train.Example.FromString(full.encode()).features.feature
    assert listed == {name: each.WhichOneof("kind").removesuffix("_list") for name, each in features.items()}


def test_a_map_read_back():
    written = MapRecord(
        Origin("sch\u00f6n", "file#1"), np.eye(3, dtype=np.float32), 2, 0.5, "r", diagnostics={"gap": 0.25}
    )
    read = MapRecord.decode(written.encode())
    np.testing.assert_array_equal(read.map, written.map)
    assert (read.origin, read.target, read.score, read.run, read.overlay) == (written.origin, 2, 0.5, "r", "")
    assert read.diagnostics == {"gap": 0.25}
    assert (read.prediction, read.name, read.probability) == (None, None, None)
    predicted = MapRecord.decode(replace(written, prediction=0, name="sch\u00f6n", probability=0.5).encode())
    assert (predicted.prediction, predicted.name, predicted.probability) == (0, "sch\u00f6n", 0.5)
    for wrong in (b"\xff\xff", example(key=b"k"), example(image__encoded=PNG)):
        with pytest.raises(TfvizError, match=r"not a tf\.train\.Example|not a map that tfviz batch wrote"):
            MapRecord.decode(wrong)


def test_files_cut_off_anywhere_lose_nothing_in_silence(tmp_path):
    """Whatever is missing, the records before it are read and the rest is an error."""
    records = [b"one", b"", b"three" * 3]
    whole = write(tmp_path / "whole", records).read_bytes()
    ends = np.cumsum([16 + len(record) for record in records])
    for length in range(len(whole) + 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        count = int((ends <= length).sum())
        found = []
        if length in (0, *ends):
            found += read_tfrecords(tmp_path / "cut")
        else:
            with pytest.raises(InvalidImagesError, match=f"first {count} records"):
                found.extend(read_tfrecords(tmp_path / "cut"))
        assert found == records[:count]


def test_compressed_files_cut_off_anywhere(tmp_path):
    """Even where whole records are missing at the end, which TensorFlow's own reader does not notice."""
    records = [np.random.default_rng(number).bytes(8) for number in range(4)]
    whole = write(tmp_path / "whole.gz", records, "GZIP").read_bytes()
    assert gzip.decompress(whole) == write(tmp_path / "plain", records).read_bytes()
    assert list(read_tfrecords(tmp_path / "whole.gz")) == records
    for length in range(2, len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        readable = len(zlib.decompressobj(31).decompress(whole[:length]))
        found = []
        with pytest.raises(InvalidImagesError, match=r"cut off|damaged"):
            found.extend(read_tfrecords(tmp_path / "cut"))
        assert found == records[: readable // 24]  # with its length and two checksums


def test_a_flipped_bit(tmp_path):
    data = bytearray(write(tmp_path / "whole", [b"one", b"two", b"three"]).read_bytes())
    data[19 + 13] ^= 1
    (tmp_path / "flipped").write_bytes(data)
    found = []
    with pytest.raises(InvalidImagesError, match="damaged: only its first 1 records"):
        found.extend(read_tfrecords(tmp_path / "flipped"))
    assert found == [b"one"]


@pytest.mark.parametrize("name, compression", [("a.tfrecord", ""), ("a-00000-of-00001", ""), ("a.tfrecord.gz", "GZIP")])
def test_the_pictures_of_a_file_of_records(tmp_path, name, compression):
    records = [example(image__encoded=PNG, image__key=b"k"), example(x=1), example(image__encoded=PNG)]
    found = list(read_pictures(write(tmp_path / "file", records, compression), f"gs://b/{name}"))
    assert [each.origin for each in found] == [
        Origin("k", f"gs://b/{name}#0"),
        Origin(f"gs://b/{name}#1", f"gs://b/{name}#1"),
        Origin(f"gs://b/{name}#2", f"gs://b/{name}#2"),
    ]
    assert [isinstance(each, DeadLetter) for each in found] == [False, True, False]


def test_what_follows_damage_is_one_dead_letter(tmp_path):
    file = write(tmp_path / "a.tfrecord", [example(image__encoded=PNG)] * 3)
    file.write_bytes(file.read_bytes()[:-1])
    *pictures, letter = read_pictures(file, "a.tfrecord")
    assert [each.encoded for each in pictures] == [PNG, PNG]
    assert json.loads(letter.line()) == {
        "key": "a.tfrecord#2",
        "source": "a.tfrecord#2",
        "reason": "the file is damaged: only its first 2 records can be read",
    }
    file.write_bytes(b"nothing of the kind")
    (letter,) = read_pictures(file, "a.tfrecord")
    assert letter.origin.source == "a.tfrecord#0" and "first 0 records" in letter.reason


@pytest.mark.parametrize("name", ["folder/a.png", "folder/a"])
def test_the_picture_of_an_image_file(tmp_path, name):
    """Its suffix, or that it holds no records, says what it is; whether it can be decoded is seen later."""
    for content in (PNG, b"no image"):
        (tmp_path / "file").write_bytes(content)
        (found,) = read_pictures(tmp_path / "file", name)
        assert found == PictureRecord(Origin(name.removeprefix("folder/"), name), content)


def test_an_empty_image_file_is_not_lost(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    assert [each.encoded for each in read_pictures(tmp_path / "a.jpg", "a.jpg")] == [b""]


@pytest.mark.parametrize("name", ["folder/a", "folder/a.tfrecord", "folder/a.tfrecord.gz"])
def test_files_without_anything_are_not_lost(tmp_path, name):
    contents = [b"", gzip.compress(b"")] if name.endswith("gz") else [b""]
    for content in contents:
        (tmp_path / "file").write_bytes(content)
        letters = list(read_pictures(tmp_path / "file", name))
        assert letters == [DeadLetter(Origin(name.removeprefix("folder/"), name), "the file is empty")]


def test_the_names_of_overlays():
    """Each source has a file of its own, and no key leads out of the folder."""
    names = {Origin(key, source).overlay for key in ("a.jpg", "../../a", "") for source in ("x#1", "x#2")}
    assert len(names) == 4
    for name in names:
        folder, file = name.split("/")
        assert folder == "overlays" and file.endswith(".tfviz.png") and ".." not in file
    assert Origin("a b.jpg", "x").overlay.startswith("overlays/a_b-")


def test_the_results_of_a_folder(tmp_path):
    with pytest.raises(TfvizError, match="holds no results-"):
        next(read_results(tmp_path))
    for shard in range(2):
        records = [MapRecord(Origin(f"{shard}", "s"), np.ones((2, 2), np.float32), 0, 0.0, "r").encode()] * 2
        write(tmp_path / f"results-0000{shard}-of-00002.tfrecord", records)
    assert [each.origin.key for each in read_results(tmp_path)] == ["0", "0", "1", "1"]
    last = tmp_path / "results-00001-of-00002.tfrecord"
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.raises(TfvizError, match=r"results-00001-of-00002.tfrecord: the file is damaged"):
        list(read_results(tmp_path))
