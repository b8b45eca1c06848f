"""`tfviz batch` as a person runs it: every input becomes a result or a dead letter, and a run is whole or not there."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem
from support.examples import example
from support.model_zoo import SIZE, model_of
from support.places import ROOT

import tfviz
from tfviz import demo
from tfviz.apps.beam.batch import _checked
from tfviz.apps.beam.pipeline import open_pipeline
from tfviz.apps.command.batch import batch
from tfviz.apps.records import MapRecord, read_results
from tfviz.errors import TfvizError
from tfviz.methods import METHODS

LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
os.execv(sys.argv[1], sys.argv[1:])
"""
TWO_WORKERS = ("--direct_num_workers", "2", "--direct_running_mode", "multi_processing")

# What opens the same network again is in the process where it is open.
pytestmark = [pytest.mark.usefixtures("shared_networks"), pytest.mark.xdist_group("tfviz batch")]


@pytest.fixture
def run(run):
    return partial(run, "batch")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A model of one's own, eight pictures of its size and two files that are none."""
    folder = tmp_path_factory.mktemp("own")
    model_of("functional").save(folder / "own.keras")
    model_of("functional").export(folder / "exported")
    (folder / "pictures").mkdir()
    for number, picture in enumerate(own_pictures()):
        cv2.imwrite(str(folder / "pictures" / f"{number}.png"), picture[..., ::-1])
    (folder / "pictures" / "text.png").write_text("no image")
    (folder / "pictures" / "cut.png").write_bytes((folder / "pictures" / "0.png").read_bytes()[:99])
    return folder


def own_pictures():
    return np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), np.uint8)


def encoded(picture):
    return bytes(cv2.imencode(".png", picture[..., ::-1])[1])


def of_model(own, *more, model="own.keras"):
    return ("--model", own / model, "--preprocess", "0..1", *more)


def results_in(folder):
    return {record.origin.key: record for record in read_results(folder)}


def letters_in(folder):
    lines = [line for path in sorted(folder.glob("dead_letters-*")) for line in path.read_text().splitlines()]
    return {letter["key"]: letter["reason"] for letter in map(json.loads, lines)}


def files_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "mode, shards",
    [pytest.param((), 1, id="one process", marks=pytest.mark.slow), pytest.param(TWO_WORKERS, 2, id="two workers")],
)
@pytest.mark.parametrize("model", ["own.keras"])
def test_results_are_those_of_one_process(run, own, tmp_path, mode, shards, model):
    """And of memory: what `tfviz.explain` finds for the same pictures."""
    status, out, err = run("--input", own / "pictures" / "*.png", *of_model(own), "--output", "out", *mode)
    assert (status, out) == (0, "10 inputs = 8 results + 2 dead letters\nout/manifest.json\n")
    assert err == "tfviz: warning: 2 inputs could not be explained: out/dead_letters-*.jsonl says why\n"
    assert len(list((tmp_path / "out").glob("results-*"))) == shards
    found = results_in(tmp_path / "out")
    saved = json.loads((tmp_path / "out" / "manifest.json").read_text())
    expected = tfviz.explain(model_of("functional"), own_pictures() / 255, methods="grad_cam")
    for row in range(8):
        record = found.pop(f"{row}.png")
        np.testing.assert_allclose(record.map, expected.maps["grad_cam"][row], rtol=1e-4, atol=1e-6)
        assert (record.target, record.overlay, record.run) == (expected.targets[row], "", saved["run"])
        assert record.score == pytest.approx(float(expected.scores[row]), rel=1e-5)
        assert record.origin.source == str(own / "pictures" / f"{row}.png")
    assert not found
    letters = letters_in(tmp_path / "out")
    assert "not an image" in letters["text.png"] and "cut off" in letters["cut.png"] and len(letters) == 2
    assert saved["counts"] == {"inputs": 10, "results": 8, "dead_letters": 2, "zero_maps": 0, "doubtful": 0}
    assert saved["model"] == {"name": "functional", "path": str(own / model)} | saved["model"]
    assert saved["methods"]["grad_cam"]["layer"] == "conv2" and saved["preprocessing"]["name"] == "0..1"
    assert saved["inputs"] == [str(own / "pictures" / "*.png")]
    assert os.listdir(tmp_path) == ["out"]


def test_records(run, own, tmp_path):
    """TFRecords, compressed ones that are cut off, too; image files beside them; files that are named twice."""
    first, *others = own_pictures()
    plain = [example(image__encoded=encoded(first), image__filename=b"first.jpg", image__class__label=3)]
    plain += [example(image__encoded=b"no image", image__key=b"broken"), example(image=b""), b"\xff\xff"]
    packed = [example(image__encoded=encoded(picture)) for picture in others]
    for name, records in (("a.tfrecord", plain), ("b-00000-of-00001.gz", packed)):
        with tf.io.TFRecordWriter(name) as writer:
            for record in records:
                writer.write(record)
        content = Path(name).read_bytes()
        Path(name).write_bytes(gzip.compress(content)[:-16] if name.endswith("gz") else content)
    inputs = ["a.tfrecord", "*.gz", "[ab]*", own / "pictures" / "[01].png"]
    options = [each for pattern in inputs for each in ("--input", pattern)]
    status, out, _ = run(*options, *of_model(own, model="exported"), "--method", "saliency", "--output", "out")
    assert status == 0
    found, letters = results_in(tmp_path / "out"), letters_in(tmp_path / "out")
    assert out.startswith(f"{len(found) + len(letters)} inputs = {len(found)} results + {len(letters)} dead letters\n")
    place = str(tmp_path)
    whole = [f"{place}/b-00000-of-00001.gz#{number}" for number in range(len(found) - 3)]
    assert set(found) == {"first.jpg", "0.png", "1.png", *whole} and len(whole) < len(others)
    assert set(letters) == {
        "broken",
        f"{place}/a.tfrecord#2",
        f"{place}/a.tfrecord#3",
        f"{place}/b-00000-of-00001.gz#{len(whole)}",
    }
    names = ["first.jpg", *whole]
    expected = tfviz.saliency(model_of("functional"), own_pictures()[: len(names)] / 255)
    np.testing.assert_allclose([found[name].map for name in names], expected, rtol=1e-4, atol=1e-6)
    assert found["first.jpg"].origin.source == f"{place}/a.tfrecord#0"


@pytest.mark.parametrize("target, expected", [("2", 2), ("label", 4)])
def test_targets(run, own, tmp_path, target, expected):
    """One for all, or the label of each Example: without one, or out of range, there is nothing to explain."""
    picture = encoded(own_pictures()[0])
    records = [
        example(image__encoded=picture, image__key=str(label).encode(), image__class__label=label) for label in (4, 5)
    ]
    records.append(example(image__encoded=picture, image__key=b"none"))
    with tf.io.TFRecordWriter("a.tfrecord") as writer:
        for record in records:
            writer.write(record)
    status, _, _ = run("--input", "a.tfrecord", *of_model(own), "--output", "out", "--target", target)
    found, letters = results_in(tmp_path / "out"), letters_in(tmp_path / "out")
    assert status == 0 and {record.target for record in found.values()} == {expected}
    np.testing.assert_allclose(
        found["4"].map,
        tfviz.grad_cam(model_of("functional"), own_pictures()[0] / 255, expected)[0],
        rtol=1e-4,
        atol=1e-6,
    )
    if target == "label":
        assert letters["none"] == "there is no image/class/label to explain"
        assert letters["5"].startswith("target 5 is out of range") and set(found) == {"4"}
    else:
        assert len(found) == 3


def test_what_the_network_predicts(run, own, tmp_path):
    """Beside what was explained, with the names that a file gives and without."""
    Path("names.txt").write_text("".join(f"name {index}\n" for index in range(5)))
    expected = tfviz.explain(model_of("functional"), own_pictures() / 255, methods="grad_cam").probabilities
    for names, more in ((None, ()), ("name", ("--labels", "names.txt"))):
        run("--input", own / "pictures" / "*.png", *of_model(own), "--output", "out", "--target", 1, *more)
        found = results_in(tmp_path / "out")
        for row, probabilities in enumerate(expected):
            record = found[f"{row}.png"]
            assert record.target == 1 and record.prediction == probabilities.argmax() != 1
            assert record.probability == pytest.approx(float(probabilities.max()), rel=1e-5)
            assert record.name == (names and f"name {record.prediction}")


def test_overlays_options_and_the_name_of_a_class(run, tmp_path):
    """Of the embedded network, whose classes have names; equal names of pictures keep overlays of their own."""
    sample = demo.sample_paths()[0]
    for folder in ("a", "b"):
        Path(folder).mkdir()
        shutil.copy(sample, Path(folder) / "same.png")
    status, out, err = run(
        "--input", "a/*", "--input", "b/*", "--output", "out", "--overlays", "--target", "red striped circle",
        "--method", "smooth_grad", "--of", "grad_cam", "--samples", "4", "--layer", "block4_conv3",
    )  # fmt: skip
    assert (status, err) == (0, "") and out.startswith("2 inputs = 2 results + 0 dead letters")
    records = list(read_results(tmp_path / "out"))
    assert len({record.overlay for record in records}) == 2
    assert {record.name for record in records} == {sample.stem.replace("-", " ")}
    image = cv2.imread(str(sample))[..., ::-1].astype(np.float32)
    options = {"of": "grad_cam", "samples": 4, "options": {"layer": "block4_conv3"}}
    expected = tfviz.smooth_grad(demo.load_network(), image, demo.CLASS_NAMES.index("red striped circle"), **options)[0]
    shown = tfviz.results.normalise(expected, "positive", clip_percentile=99.0)
    drawn = tfviz.results.overlay(image.astype(np.uint8), shown)
    for record in records:
        np.testing.assert_allclose(record.map, expected, rtol=1e-3, atol=1e-5)
        overlay = cv2.imread(str(tmp_path / "out" / record.overlay))[..., ::-1]
        assert np.abs(overlay.astype(int) - drawn).max() <= 2
    saved = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert saved["methods"]["smooth_grad"]["options"]["options"]["layer"] == "block4_conv3"
    assert saved["methods"]["smooth_grad"]["result"] == "map"


def test_diagnostics_are_kept_and_said(run, own, tmp_path):
    arguments = ["--input", own / "pictures" / "?.png", *of_model(own), "--output", "out"]
    status, _, err = run(*arguments, "--method", "integrated_gradients", "--steps", 1)
    doubtful = json.loads((tmp_path / "out" / "manifest.json").read_text())["counts"]["doubtful"]
    assert status == 0 and doubtful > 0
    assert err == f"tfviz: warning: {doubtful} results must not be trusted by their own diagnostics, which they hold\n"
    assert all(len(record.diagnostics) > 0 for record in read_results(tmp_path / "out"))


def test_maps_that_are_zero_are_said(run, own, tmp_path):
    cv2.imwrite("black.png", np.zeros((SIZE, SIZE, 3), np.uint8))
    status, out, err = run("--input", "*.png", *of_model(own), "--output", "out", "--method", "input_x_gradient")
    assert (
        status == 0 and err == "tfviz: warning: 1 maps are zero everywhere\n" and out.startswith("1 inputs = 1 results")
    )


def test_where_nothing_can_be_explained(run, own):
    status, out, _ = run("--input", own / "pictures" / "text.png", *of_model(own), "--output", "out")
    assert status == 1 and out.startswith("1 inputs = 0 results + 1 dead letters")


@pytest.mark.parametrize("place", [pytest.param("out", marks=pytest.mark.slow), "linked"])
def test_a_run_takes_the_place_of_the_one_before(run, own, tmp_path, place):
    """In a folder, or where a link points to."""
    if place == "linked":
        (tmp_path / "out").mkdir()
        Path("linked").symlink_to("out")
    arguments = [*of_model(own), "--output", place, "--overlays"]
    assert run("--input", own / "pictures" / "[0-3].png", *arguments)[0] == 0
    before = files_in(tmp_path / "out")
    assert run("--input", own / "pictures" / "7.png", *arguments, "--method", "saliency")[0] == 0
    after = files_in(tmp_path / "out")
    assert len([name for name in after if name.startswith("overlays/")]) == 1
    assert list(results_in(tmp_path / "out")) == ["7.png"] and after["manifest.json"] != before["manifest.json"]
    assert set(os.listdir(tmp_path)) == {"out", place} and Path("linked").is_symlink() == (place == "linked")


@pytest.mark.parametrize("wrong", ["a file that is none of a run", "a failing pipeline"])
def test_the_run_before_stays_where_another_fails(run, own, tmp_path, wrong):
    arguments = ["--input", own / "pictures" / "0.png", "--output", "out"]
    assert run(*arguments, *of_model(own))[0] == 0
    shutil.copy(own / "own.keras", "own.keras")
    if wrong == "a failing pipeline":
        arguments += ["--batch-size", 1, "--overlays"]
        # What the pipeline needs and nothing can know before: room for an overlay of that name.
        arguments[1] = tmp_path / f"{'x' * 240}.png"
        Path("x.png").write_bytes((own / "pictures" / "0.png").read_bytes())
    else:
        Path("out/notes.txt").write_text("mine")
    before = files_in(tmp_path / "out")
    status, out, err = run(*arguments, *of_model(own))
    assert (status, out) == (1, "") and files_in(tmp_path / "out") == before
    assert err.startswith("tfviz: ") and err.count("\n") == 1
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_help_needs_neither_beam_nor_tensorflow(tmp_path):
    code = (
        "import sys; from tfviz.__main__ import main\n"
        "try: main(['batch', '--help'])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "print(sorted({'tensorflow', 'keras', 'cv2', 'apache_beam'} & set(sys.modules)))"
    )
    done = in_a_process(["-c", code], tmp_path)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "[]", done.stderr
    assert "--direct_num_workers 2" in done.stdout and "--runner" in done.stdout


def test_no_option_hides_one_of_beam():
    """An option of the command or of a method that Beam has, too, could not be given to Beam."""
    from apache_beam.options.pipeline_options import PipelineOptions

    ours = {name for method in METHODS.values() for name in method.options} | set(batch.__annotations__)
    assert ours & set(PipelineOptions([]).get_all_options()) == {"runner"}


def in_a_process(arguments, folder):
    return subprocess.run([sys.executable, *map(str, arguments)], **process_options(folder), check=False)


def process_options(folder):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return {"cwd": folder, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, **pipes}


def test_a_machine_without_beam(run, own, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("tfviz.apps.beam")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    status, out, err = run("--input", own / "pictures" / "*", "--output", "out")
    assert (status, out, err) == (1, "", "tfviz: Apache Beam is not installed: pip install apache-beam\n")
    for missing, message in {
        "nothing.png": "nothing.png does not exist; this folder has ",
        "nothing/*/a.png": "nothing does not exist; this folder has ",
        "~/nothing.png": f"{Path.home()}/nothing.png does not exist; ",
        ".": ". is a folder; give a pattern of files, such as *.jpg\n",
    }.items():
        status, out, err = run("--input", own / "pictures" / "*", "--input", missing, "--output", "out")
        assert (status, out) == (1, "") and err.startswith(f"tfviz: {message}") and err.count("\n") == 1, err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--input", "*.nothing"], r"no file matches .*/\*\.nothing"),
        (["--input", "nowhere://a/*"], r"nowhere://a/\* cannot be looked up: .*nowhere"),
        (["--model", "nothing.keras"], "there is no model 'nothing.keras'; "),
        (["--method", "grad_camm"], "no method 'grad_camm'; did you mean 'grad_cam'"),
        (["--steps", "3"], r"steps is given \(3\), but to none of: grad_cam; it is an option of integrated_gradients"),
        (["--layer", "conv9"], "no layer 'conv9' with a spatial map; "),
        (["--method", "guided_backprop", "--model", "silu.keras"], "guided_backprop"),
        (["--target", "9"], "target 9 is out of range: the model has 5 classes, 0 to 4"),
        (["--target", "cat"], "no class names to find 'cat' in"),
        (["--preprocess", "0..2"], "there is no preprocessing '0..2'; did you mean"),
        (["--fit", "squeeze"], "fit must be crop, cover or stretch, got 'squeeze'"),
        (["--output", "/proc/out"], "the output folder /proc/out cannot be written"),
        (
            ["--output", "silu.keras"],
            "the output folder .*silu.keras cannot be written|.*silu.keras is a file; choose another",
        ),
        (
            ["--output", "full"],
            r".*/full would be replaced, but holds files that are not of a tfviz batch run \(photo.jpg\)",
        ),
        (["--output", "a[1]/out"], r"the output folder .*/a\[1\]/out has \*, \? or \[ in its path"),
        (["--output", "shelf://out/*"], r"the output folder shelf://out/\* has"),
        (["--output", "out\udcff"], r"the path of the output folder .*/out\\xff is not UTF-8"),
        (["--input", "in\udcff*"], r".*/in\\xff\* is not UTF-8"),
        (["--runner", "WalkingRunner"], "Unexpected pipeline runner: WalkingRunner"),
        (["--runner", "DataflowRunner"], "Pipeline has validations errors: .*Missing required option: project"),
        (["--stpes", "3"], "neither tfviz nor Beam's Python package has an option --stpes; see tfviz batch --help"),
        (["--direct_num_workers", "two"], "Beam's options: argument --direct_num_workers: invalid int value: 'two'"),
    ],
)
def test_what_is_wrong_is_said_before_the_pipeline_starts(run, own, tmp_path, arguments, message):
    model_of("silu").save("silu.keras")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.jpg").write_text("mine")
    before = files_in(tmp_path)
    given = {"--input": own / "pictures" / "*.png", "--output": "out", "--model": own / "own.keras"}
    given = given | {"--preprocess": "0..1"} | dict(zip(arguments[::2], arguments[1::2], strict=True))
    status, out, err = run(*(each for pair in given.items() for each in pair))
    assert (status, out) == (1, "") and re.match(f"tfviz: {message}", err) and err.count("\n") == 1, err
    assert files_in(tmp_path) == before and "out" not in os.listdir(tmp_path)


def test_names_that_are_no_text_and_files_without_anything(run, own, tmp_path):
    """They stop no others, and none is lost."""
    picture = (own / "pictures" / "0.png").read_bytes()
    for name, content in {b"a\xff.png": picture, b"b.png": picture, b"empty": b"", b"no.tfrecord": b""}.items():
        (tmp_path / "in").mkdir(exist_ok=True)
        Path(os.fsdecode(bytes(tmp_path) + b"/in/" + name)).write_bytes(content)
    status, out, err = run("--input", "in/*", "--input", "in/?.png", *of_model(own), "--output", "out")
    assert status == 0 and out.startswith("4 inputs = 1 results + 3 dead letters"), err
    assert list(results_in(tmp_path / "out")) == ["b.png"]
    escaped = f"{tmp_path}/in/a\\xff.png"
    empty = dict.fromkeys(("empty", "no.tfrecord"), "the file is empty")
    assert letters_in(tmp_path / "out") == {escaped: "the name of the file is not UTF-8", **empty}


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_failing_pipeline_is_one_line(own, tmp_path):
    """Of all that a person sees, where the file system has no room for the results."""
    command = ["-m", "tfviz", "batch", "--input", own / "pictures" / "?.png", "--output", "out", *of_model(own)]
    limited = ["-c", LIMITED, sys.executable, *command]
    done = in_a_process(limited, tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith("tfviz: the pipeline failed, and the output is as it was: ")
    assert "File too large" in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize("runner, is_local", [("DirectRunner", True), ("directrunner", True), ("FlinkRunner", False)])
def test_other_runners_keep_their_defaults(runner, is_local):
    opened = open_pipeline(["--temp_location=x"], runner)
    options = opened.options.get_all_options()
    assert (options["update_compatibility_version"] is not None) == is_local
    assert (options["default_sdk_harness_log_level"] == "ERROR") == is_local


@pytest.mark.parametrize("arguments", [("b.png", "c.png"), (*TWO_WORKERS, "b.png"), ("--project=p", "b.png")])
def test_a_pattern_that_the_shell_has_expanded(run, tmp_path, arguments):
    """Beam would drop all files but the first."""
    (tmp_path / "a.png").touch()
    status, _, err = run("--input", "a.png", *arguments, "--output", "out")
    assert (status, err) == (1, "tfviz: unexpected argument b.png; a pattern needs quotes, as in --input '*.png'\n")


def test_options_for_a_job_server_are_handed_on():
    with pytest.warns(tfviz.TfvizWarning, match="has an option --of_flink_alone; it is handed on"):
        opened = open_pipeline(["--of_flink_alone=3", "--flink_master", "here:1"], "FlinkRunner")
    known = opened.options.get_all_options(retain_unknown_options=True)
    assert (known["runner"], known["flink_master"], known["of_flink_alone"]) == ("FlinkRunner", "here:1", "3")


def test_beam_looks_for_no_other_runner(run, own, caplog):
    """Its DirectRunner would download one."""
    with caplog.at_level("INFO", "apache_beam"):
        assert run("--input", own / "pictures" / "0.png", *of_model(own), "--output", "out")[0] == 0
    assert any(record.name.startswith("apache_beam") for record in caplog.records)
    assert not [record for record in caplog.records if "prism" in record.getMessage().lower()]


def test_counts_that_do_not_add_up():
    assert _checked({"inputs": 3, "results": 3})["dead_letters"] == 0
    with pytest.raises(TfvizError, match="4 inputs became 2 results and 1 dead letters, which is not as many"):
        _checked({"inputs": 4, "results": 2, "dead_letters": 1})


class Shelf(FileSystem):
    """An object store in memory: names with slashes, no folders. Beam finds it by its being a subclass."""

    kept: dict[str, bytes] = {}  # noqa: RUF012  # Beam makes an object for each call

    @classmethod
    def scheme(cls):
        return "shelf"

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        head, _, tail = path.rpartition("/")
        return head, tail

    def mkdirs(self, path):
        pass

    def has_dirs(self):
        return False

    def _list(self, dir_or_prefix):
        for name, content in list(self.kept.items()):
            if name.startswith(dir_or_prefix):
                yield FileMetadata(name, len(content))

    def create(self, path, mime_type=None, compression_type=None):
        kept = self.kept

        class Upload(io.BytesIO):
            def close(self):
                kept[path] = self.getvalue()
                super().close()

        return Upload()

    def open(self, path, mime_type=None, compression_type=None):
        if path not in self.kept:
            raise BeamIOError(f"no {path}")
        return io.BytesIO(self.kept[path])

    def copy(self, source_file_names, destination_file_names):
        raise NotImplementedError

    def rename(self, source_file_names, destination_file_names):
        for source, destination in zip(source_file_names, destination_file_names, strict=True):
            self.kept[destination] = self.kept.pop(source)

    def exists(self, path):
        return path in self.kept

    def size(self, path):
        return len(self.kept[path])

    def last_updated(self, path):
        raise NotImplementedError

    def checksum(self, path):
        raise NotImplementedError

    def metadata(self, path):
        return FileMetadata(path, self.size(path))

    def delete(self, paths):
        for path in paths:
            for name in [name for name in self.kept if name == path or name.startswith(f"{path}/")]:
                del self.kept[name]


@pytest.mark.parametrize("model", [pytest.param("own.keras", marks=pytest.mark.slow), "exported"])
def test_an_object_store(run, own, tmp_path, monkeypatch, model):
    """Model, pictures and results on a file system that only Beam knows; a second run replaces the first."""
    monkeypatch.setattr(Shelf, "kept", {})
    for place in (own / model, own / "pictures"):
        for path in [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]:
            Shelf.kept[f"shelf://in/{path.relative_to(own)}"] = path.read_bytes()
    inputs = dict(Shelf.kept)
    arguments = ["--model", f"shelf://in/{model}", "--preprocess", "0..1", "--output", "shelf://out/run", "--overlays"]
    for pattern, count in (("*.png", 8), ("[0-2].png", 3)):
        status, out, _ = run("--input", f"shelf://in/pictures/{pattern}", *arguments)
        assert status == 0 and f" {count} results" in out
        written = {name.removeprefix("shelf://"): each for name, each in Shelf.kept.items() if name not in inputs}
        assert all(name.startswith("out/run/") for name in written), list(written)
        for name, content in written.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        found = results_in(tmp_path / "out" / "run")
        expected = tfviz.grad_cam(model_of("functional"), own_pictures()[:count] / 255)
        np.testing.assert_allclose([found[f"{row}.png"].map for row in range(count)], expected, rtol=1e-4, atol=1e-6)
        assert len(found) == count == len(list((tmp_path / "out" / "run" / "overlays").iterdir()))
        saved = json.loads((tmp_path / "out" / "run" / "manifest.json").read_text())
        assert saved["model"]["path"] == f"shelf://in/{model}"
        shutil.rmtree(tmp_path / "out")
    Shelf.kept["shelf://out/run/photo.jpg"] = b"mine"
    before = dict(Shelf.kept)
    status, _, err = run("--input", "shelf://in/pictures/*", *arguments)
    assert status == 1 and "holds files that are not of" in err and Shelf.kept == before
    arguments = [*arguments[2:4], "--model", "shelf://in/none", "--output", "shelf://other"]
    status, _, err = run("--input", "shelf://in/pictures/*", *arguments)
    assert status == 1 and err.startswith("tfviz: shelf://in/none cannot be read")


def workers_of(process):
    """The Python processes of Beam's workers that a process has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            above = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if b"apache_beam.runners.worker.sdk_worker_main" in command:
            shell = int((Path("/proc") / str(above) / "stat").read_text().rpartition(")")[2].split()[1])
            if process.pid in (above, shell):
                found.append(int(entry.name))
    return found


def is_running(pid):
    state = Path(f"/proc/{pid}/stat")
    try:
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
@pytest.mark.slow
@pytest.mark.parametrize("killed", ["worker", "tfviz itself"])
def test_a_process_that_is_killed_in_the_middle(own, tmp_path, killed):
    """Beam does not try again on one machine: the run fails, the one before is as it was, and a third succeeds."""
    (tmp_path / "many").mkdir()
    for number in range(60):
        (tmp_path / "many" / f"{number}.png").write_bytes((own / "pictures" / f"{number % 8}.png").read_bytes())
    command = ["-m", "tfviz", "batch", "--input", "many/*.png", "--output", "out", *of_model(own)]
    assert in_a_process([*command, "--method", "saliency"], tmp_path).returncode == 0
    before = files_in(tmp_path / "out")
    slow = [*command, "--method", "rise", "--masks", "1000", "--batch-size", "1", *TWO_WORKERS]
    with subprocess.Popen([sys.executable, *map(str, slow)], **process_options(tmp_path)) as process:
        deadline = time.monotonic() + 120
        # A worker has explained a picture when it has opened a shard.
        while not list(tmp_path.glob(".out.unfinished-*/beam-temp-results*/*")):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.05)
        workers = workers_of(process)
        assert len(workers) == 2
        os.kill(workers[0] if killed == "worker" else process.pid, signal.SIGKILL)
        _, err = process.communicate(timeout=120)
    assert files_in(tmp_path / "out") == before
    left = [path for path in tmp_path.iterdir() if path.name not in ("many", "out")]
    if killed == "worker":
        assert process.returncode == 1 and left == []
        assert err.splitlines()[-1].startswith("tfviz: the pipeline failed, and the output is as it was: ")
    else:
        assert process.returncode == -signal.SIGKILL
        (unfinished,) = left
        assert unfinished.name.startswith(".out.unfinished-") and not (unfinished / "manifest.json").exists()
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline + 120
        time.sleep(0.1)
    assert in_a_process([*command, "--method", "saliency", "--target", 1], tmp_path).returncode == 0
    assert {record.target for record in read_results(tmp_path / "out")} == {1}


@pytest.mark.slow
@pytest.mark.parametrize("mode", [(), TWO_WORKERS], ids=["one process", "two workers"])
def test_two_thousand_pictures_of_which_twenty_are_broken(run, tmp_path, mode):
    """Half of them image files, half in compressed TFRecords; every result is that of memory."""
    pictures = demo.generate(2000, seed=3).images
    broken = set(range(50, 2000, 100))
    contents = [b"no image" if row in broken else encoded(picture) for row, picture in enumerate(pictures)]
    for row in range(1000):
        Path(f"{row:04}.png").write_bytes(contents[row])
    for shard in range(4):
        with tf.io.TFRecordWriter(f"{shard}.tfrecord.gz", options="GZIP") as writer:
            for row in range(1000 + shard, 2000, 4):
                writer.write(example(image__encoded=contents[row], image__filename=f"{row:04}.png".encode()))
    status, out, _ = run("--input", "*.png", "--input", "*.gz", "--output", "out", "--method", "layer_cam", *mode)
    assert status == 0 and out.startswith("2000 inputs = 1980 results + 20 dead letters")
    found, letters = results_in(tmp_path / "out"), letters_in(tmp_path / "out")
    assert {int(name[:4]) for name in letters} == broken and len(found) == 1980
    network = tfviz.trace(demo.load_network())
    for start in range(0, 2000, 250):
        expected = tfviz.explain(network, pictures[start : start + 250], methods="layer_cam")
        for row in set(range(start, start + 250)) - broken:
            record: MapRecord = found[f"{row:04}.png"]
            assert record.target == expected.targets[row - start]
            np.testing.assert_allclose(record.map, expected.maps["layer_cam"][row - start], rtol=1e-3, atol=1e-4)
