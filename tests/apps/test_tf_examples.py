"""Signatures of serialised Examples: what they parse is found, pictures are wrapped, records go in as they are."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from support.examples import example
from support.model_zoo import SHAPE, SIZE, model_of

import tfviz
from tfviz.__main__ import main
from tfviz.apps.beam import AttributionHandler
from tfviz.apps.model.example_format import find_example_format
from tfviz.apps.records import read_results
from tfviz.apps.runs.export import _record

# In one process, so that the SavedModel is written once.
pytestmark = pytest.mark.xdist_group("examples")

RECORDS = [tf.TensorSpec([None], tf.string, name="examples")]
TEXT, NUMBER = tf.io.FixedLenFeature([], tf.string), tf.io.FixedLenFeature([], tf.int64)
FLIP = tf.io.FixedLenFeature([], tf.int64, 0)


def decoded(picture):
    return tf.image.resize(tf.io.decode_image(picture, 3, expand_animations=False), SHAPE[:2]) / 255


def flipped(each):
    picture, flip = each
    return tf.cond(flip > 0, lambda: decoded(picture)[:, ::-1], lambda: decoded(picture))


class Serving(tf.Module):
    """The functional kind, as TFX's Trainer exports it, over every operation that parses Examples."""

    def __init__(self):
        super().__init__(name="serving")
        self.network = model_of("functional")
        self.keys = tf.constant(["photo"])

    def scores(self, decode, *given):
        return self.network(tf.map_fn(decode, given, fn_output_signature=tf.float32), training=False)

    @tf.function(input_signature=RECORDS)
    def plain(self, examples):
        parsed = tf.io.parse_example(examples, {"image/encoded": TEXT, "label": tf.io.FixedLenFeature([], tf.int64, 0)})
        return self.scores(lambda each: decoded(each[0]), parsed["image/encoded"])

    @tf.function(input_signature=RECORDS)
    def many(self, examples):
        """Of every kind; texts pass the loop that decodes, one steers it, and what is left is not used."""
        spec = {
            "photo": tf.io.FixedLenFeature([1], tf.string),
            "flip": FLIP,
            "height": NUMBER,
            "box": tf.io.FixedLenFeature([2, 2], tf.float32),
            "note": tf.io.FixedLenFeature([], tf.string, "none"),
            "tags": tf.io.VarLenFeature(tf.string),
            "words": tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True),
            "rows": tf.io.RaggedFeature(tf.string),
        }
        parsed = tf.io.parse_example(examples, spec)
        images, _ = tf.map_fn(
            lambda each: (flipped((each[0][0], each[1])), each[2]),
            (parsed["photo"], parsed["flip"], parsed["note"]),
            fn_output_signature=(tf.float32, tf.string),
        )
        return self.network(images, training=False)

    @tf.function(input_signature=RECORDS)
    def one_by_one(self, examples):
        spec = {"a/b": TEXT, "kind": TEXT, "tags": tf.io.VarLenFeature(tf.string)}
        return self.scores(lambda each: decoded(tf.io.parse_single_example(each[0], spec)["a/b"]), examples)

    @tf.function(input_signature=RECORDS)
    def single(self, examples):
        def decode(each):
            kinds = {"sparse_keys": ["tags"], "sparse_types": [tf.string], "dense_keys": ["a/b", "flip"]}
            shapes = {
                "dense_shapes": [[], []],
                "dense_defaults": [tf.constant([], tf.string), tf.constant(0, tf.int64)],
            }
            parsed = tf.raw_ops.ParseSingleExample(serialized=each[0], num_sparse=1, **kinds, **shapes)
            return flipped(parsed.dense_values)

        return self.scores(decode, examples)

    @tf.function(input_signature=RECORDS)
    def older(self, examples):
        kinds = {"sparse_keys": ["tags"], "sparse_types": [tf.string], "dense_keys": ["a/b"], "dense_shapes": [[]]}
        parsed = tf.raw_ops.ParseExample(serialized=examples, names=[], dense_defaults=[tf.constant("")], **kinds)
        return self.scores(lambda each: decoded(each[0]), parsed.dense_values[0])

    @tf.function(input_signature=RECORDS)
    def sparse(self, examples):
        photo = tf.io.parse_example(examples, {"photo": tf.io.VarLenFeature(tf.string)})["photo"]
        return self.scores(lambda each: decoded(each[0]), tf.reshape(tf.sparse.to_dense(photo), [-1]))

    @tf.function(input_signature=RECORDS)
    def two(self, examples):
        parsed = tf.io.parse_example(examples, {"one": TEXT, "two": TEXT})
        return self.scores(lambda each: decoded(each[0]) - decoded(each[1]), parsed["one"], parsed["two"])

    @tf.function(input_signature=RECORDS)
    def raw(self, examples):
        pixels = tf.io.decode_raw(tf.io.parse_example(examples, {"raw": TEXT})["raw"], tf.uint8)
        return self.network(tf.cast(tf.reshape(pixels, [-1, *SHAPE]), tf.float32) / 255, training=False)

    @tf.function(input_signature=RECORDS)
    def cropped(self, examples):
        """No sides of zero can be tried."""
        parsed = tf.io.parse_example(examples, {"photo": TEXT, "side": NUMBER})

        def crop(each):
            # TensorFlow ends the process where a picture of no pixels is encoded.
            return decoded(tf.io.encode_png(tf.io.decode_png(each[0])[: each[1], : each[1]]))

        return self.scores(crop, parsed["photo"], parsed["side"])

    @tf.function(input_signature=RECORDS)
    def hidden(self, examples):
        """The graph does not say the names."""
        kinds = {"sparse_types": [], "ragged_value_types": [], "ragged_split_types": [], "dense_shapes": [[]]}
        keys = {"sparse_keys": [], "ragged_keys": [], "dense_keys": self.keys, "dense_defaults": [tf.constant("")]}
        parsed = tf.raw_ops.ParseExampleV2(
            serialized=examples, names=tf.constant([], tf.string), num_sparse=0, **keys, **kinds
        )
        return self.scores(lambda each: decoded(each[0]), parsed.dense_values[0])


SIGNATURES = ("plain", "many", "one_by_one", "single", "older", "sparse", "two", "raw", "cropped", "hidden")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A SavedModel, and pictures of its size as files."""
    folder = tmp_path_factory.mktemp("examples")
    module = Serving()
    tf.saved_model.save(module, str(folder / "model"), signatures={name: getattr(module, name) for name in SIGNATURES})
    for number, picture in enumerate(pictures()):
        (folder / f"{number}.png").write_bytes(encoded(picture))
    return folder


@pytest.fixture(scope="module")
def loaded(served):
    return tf.saved_model.load(str(served / "model"))


@pytest.fixture
def run(capsys, monkeypatch, tmp_path, served):
    """Run a command on the model in a folder of its own; return the exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")

    def command(name, signature, *arguments):
        capsys.readouterr()
        model = ["--model", served / "model"]
        with pytest.raises(SystemExit) as ended:
            main([name, *map(str, [*model, "--signature", signature, *arguments])])
        return int(ended.value.code or 0), *capsys.readouterr()

    return command


def pictures(count=4):
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def encoded(picture):
    return bytes(cv2.imencode(".png", picture[..., ::-1])[1])


@pytest.mark.parametrize(
    "signature, names, found, beside, required",
    [
        ("plain", "image/encoded label", "image/encoded", "", {}),
        (
            "many",
            "box flip height note photo words tags rows",
            "photo",
            "flip",
            {"height": tf.TensorSpec([], tf.int64), "box": tf.TensorSpec([2, 2], tf.float32)},
        ),
        ("one_by_one", "a/b kind tags", "a/b", "", {"kind": tf.TensorSpec([], tf.string)}),
        ("single", "a/b flip tags", "a/b", "flip", {}),
        ("older", "a/b tags", "a/b", "", {}),
        ("sparse", "photo", "photo", "", {}),
        ("two", "one two", "one two", "", {}),
        ("raw", "raw", "", "raw", {"raw": tf.TensorSpec([], tf.string)}),
    ],
)
def test_what_a_network_parses(loaded, signature, names, found, beside, required):
    examples = find_example_format(tfviz.trace(loaded, signature=signature))
    assert sorted(examples.features) == sorted(names.split())
    assert examples.pictures == tuple(found.split()) and examples.beside == tuple(beside.split())
    assert examples.required == required


def test_a_picture_is_explained(run, served, loaded):
    """As in Python, and as the model itself is on the decoded picture."""
    files = [served / f"{number}.png" for number in range(2)]
    status, _, err = run("explain", "sparse", *files, "--method", "gradient", "--target", 1, "--save-maps")
    assert (status, err) == (0, "")
    maps = [np.load(f"tfviz-output/{number}.gradient.npy") for number in range(2)]
    records = [example(photo=file.read_bytes()) for file in files]
    np.testing.assert_array_equal(maps, tfviz.gradient(tfviz.trace(loaded, signature="sparse"), records, 1))
    expected = tfviz.gradient(model_of("functional"), pictures(2) / 255, 1)
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-6)
    how = json.loads(Path("tfviz-output/manifest.json").read_text())["preprocessing"]
    assert how["name"] == "the network's own" and how["order"] == "rgb" and how["size"] == [SIZE, SIZE]


@pytest.mark.parametrize(
    "signature, arguments, message",
    [
        (
            "many",
            [],
            "0.png cannot be made an Example as the network takes them, which has 'box' float32 (2, 2), 'height' i",
        ),
        (
            "cropped",
            [],
            "depend on 'side' beside 'photo' in an Example, so that what it makes of black and white cannot",
        ),
        (
            "cropped",
            ["--preprocess", "0..1"],
            "which has 'side' int64 () beside the picture in 'photo': give tfviz batch TFRecords",
        ),
    ],
)
def test_what_no_picture_tells_is_one_line(run, served, signature, arguments, message):
    status, out, err = run("explain", signature, served / "0.png", *arguments)
    *said, last = err.strip().split("\n")
    assert status == 1 and out == "" and message in last
    assert len(said) == len(arguments) // 2 and all("says how images are shown, no more" in line for line in said)


def test_names_that_only_a_run_knows(loaded):
    network = tfviz.trace(loaded, signature="hidden")
    assert find_example_format(network) is None
    record = example(photo=encoded(pictures()[0]))
    np.testing.assert_allclose(network.decode([record]), pictures(1) / 255, rtol=1e-6)


def write(name, records):
    with tf.io.TFRecordWriter(name) as writer:
        for record in records:
            writer.write(record)


def test_records_go_in_as_they_are(run, served, loaded, tmp_path):
    """All their features reach the network, and no picture is enough where they must have more."""
    needed = {"height": 5, "image__class__label": 3}
    records = []
    for row, picture in enumerate(pictures()):
        record = tf.train.Example.FromString(
            example(photo=encoded(picture), flip=row % 2, image__key=b"%d" % row, **needed)
        )
        record.features.feature["box"].float_list.value.extend([0, 0, 1, 1])
        records.append(record.SerializeToString())
    incomplete = example(photo=encoded(pictures()[0]), image__key=b"incomplete", **needed)
    others = [
        example(photo=b"no picture", image__key=b"broken", **needed),
        example(image__encoded=b"x"),
        b"\xff\xff",
        b"",
    ]
    write("a.tfrecord", [*records, incomplete, *others])
    inputs = ["--input", "a.tfrecord", "--input", served / "0.png"]
    status, out, _ = run("batch", "many", *inputs, "--output", "out", "--target", "label", "--method", "saliency")
    assert (status, out.splitlines()[0]) == (0, "10 inputs = 4 results + 6 dead letters")
    found = {record.origin.key: record for record in read_results(tmp_path / "out")}
    maps = [found[str(row)].map for row in range(4)]
    np.testing.assert_array_equal(maps, tfviz.saliency(tfviz.trace(loaded, signature="many"), records, 3))
    shown = np.stack([picture[:, ::-1] if row % 2 else picture for row, picture in enumerate(pictures())])
    np.testing.assert_allclose(maps, tfviz.saliency(model_of("functional"), shown / 255, 3), rtol=1e-4, atol=1e-6)
    lines = "".join(path.read_text() for path in (tmp_path / "out").glob("dead_letters-*")).splitlines()
    letters = {letter["key"].rpartition("/")[2]: letter["reason"] for letter in map(json.loads, lines)}
    assert "Feature: box" in letters["incomplete"]
    assert letters["broken"].startswith("the picture is not an image")
    assert letters["a.tfrecord#6"] == "the Example has no photo; its features are: image/encoded"
    assert letters["a.tfrecord#7"] == "the record is not a tf.train.Example"
    assert letters["a.tfrecord#8"] == "the Example has no photo; its features are: none"
    assert letters["0.png"] == "there is no image/class/label to explain"


def test_pictures_and_records_with_overlays(run, served, tmp_path):
    """Two records of one picture, and its file, have one map and one overlay."""
    picture = pictures()[0]
    write("a.tfrecord", [example(image__encoded=encoded(picture), image__filename=b"r.png", label=4)])
    inputs = ["--input", "a.tfrecord", "--input", served / "0.png"]
    status, out, _ = run("batch", "plain", *inputs, "--output", "out", "--overlays", "--target", 2)
    assert (status, out.splitlines()[0]) == (0, "2 inputs = 2 results + 0 dead letters")
    first, second = read_results(tmp_path / "out")
    assert {first.origin.key, second.origin.key} == {"r.png", "0.png"} and first.map.any()
    np.testing.assert_array_equal(first.map, second.map)
    assert (tmp_path / "out" / first.overlay).read_bytes() == (tmp_path / "out" / second.overlay).read_bytes()


@pytest.mark.parametrize(
    "signature, message",
    [
        ("single", "the network's images depend on 'flip' of an Example, too, so that --overlays would not fit"),
        ("two", "of serialised Examples the network decodes 'one', 'two' as image files, expected one; explain it in"),
        (
            "raw",
            "of serialised Examples the network parses 'raw' and decodes none of them as image files, expected one",
        ),
    ],
)
def test_a_batch_that_cannot_be_is_one_line(run, served, tmp_path, signature, message):
    arguments = ["--input", served / "0.png", "--output", "out", "--overlays", "--preprocess", "0..1"]
    status, out, err = run("batch", signature, *arguments)
    assert (status, out) == (1, "") and message in err.splitlines()[-1] and not list(tmp_path.iterdir())


def test_the_handler_takes_files_examples_and_images(served):
    handler = AttributionHandler(str(served / "model"), "saliency", signature="plain", target=2)
    picture, record = encoded(pictures()[0]), example(image__encoded=encoded(pictures()[1]))
    contents = [picture, record, (pictures()[2] / 255).astype(np.float32), b"", example(label=1), b"no picture"]
    found = [each.inference for each in handler.run_inference(contents, handler.load_model())]
    expected = tfviz.saliency(model_of("functional"), pictures(3) / 255, 2)
    np.testing.assert_allclose([each["map"] for each in found[:3]], expected, rtol=1e-4, atol=1e-6)
    reasons = ["the picture is empty", "the Example has no image/encoded; its features are: label", "not an image"]
    assert all(reason in each["error"] for reason, each in zip(reasons, found[3:], strict=True))


def test_images_as_numbers_need_no_examples(served):
    """They are the network's own, whatever it would parse."""
    handler = AttributionHandler(str(served / "model"), "saliency", signature="two", target=2, preprocess="0..1")
    image = (pictures()[0] / 255).astype(np.float32)
    (found,) = handler.run_inference([image], handler.load_model())
    expected = tfviz.saliency(model_of("functional"), image, 2)[0]
    np.testing.assert_allclose(found.inference["map"], expected, rtol=1e-4, atol=1e-6)


def test_an_export_comes_with_a_record_that_it_takes(loaded):
    """NumPy's texts lose the zeros at their end, of which an Example may have some."""
    networks = [tfviz.trace(loaded, signature=signature) for signature in ("many", "two")]
    (record, other) = np.array([_record(network) for network in networks]).tolist()
    assert networks[0].decode([record]).any() and other.startswith(b"\x89PNG")
