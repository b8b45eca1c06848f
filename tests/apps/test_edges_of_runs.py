"""What a run meets at its edges: odd paths, names that are too long, other runs' files, signals, other processes."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import tfviz
from tfviz import demo
from tfviz.apps.command.app import app
from tfviz.apps.files.image_files import find_images
from tfviz.apps.files.images import read_image
from tfviz.apps.files.labels import read_labels
from tfviz.apps.files.output import LONGEST_PART, LONGEST_STEM, file_names, file_part, short_name
from tfviz.apps.model.explanation_metadata import read_explanation_metadata
from tfviz.apps.model.preprocessing import find_preprocessing
from tfviz.errors import InvalidImagesError, TfvizError, UnsupportedModelError

# What opens the same network again is in the process where it is open.
pytestmark = [pytest.mark.usefixtures("shared_networks"), pytest.mark.xdist_group("tfviz edges")]

SAMPLES = demo.sample_paths()


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """`tfviz ARGUMENTS` in an empty folder: the exit status, what it said and what it complained of."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            app(args=[str(each) for each in arguments], prog_name="tfviz")
        found = capsys.readouterr()
        return ended.value.code, found.out, found.err

    return call


# Paths


@pytest.fixture
def odd(tmp_path):
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "broken.png").symlink_to("nowhere.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(os.path.relpath(tmp_path / "socket.png"))
    return {
        tmp_path / "fifo.png": "is a FIFO, neither a file nor a folder",
        tmp_path / "socket.png": "is a socket, neither a file nor a folder",
        tmp_path / "broken.png": "is a broken link to nowhere.png",
        tmp_path / "loop.png": "cannot be read: Too many levels of symbolic links",
        tmp_path / ("a" * 300): "cannot be read: File name too long",
        Path("/dev/zero"): "is a device, neither a file nor a folder",
    }


def test_odd_paths_are_named_as_what_they_are(odd):
    for path, reason in odd.items():
        with pytest.raises(InvalidImagesError, match=reason):
            find_images([path])
        with pytest.raises(InvalidImagesError, match=reason):
            read_image(path)
        with pytest.raises(UnsupportedModelError, match=reason):
            tfviz.trace(path)
        with pytest.raises(TfvizError, match=reason):
            read_labels(path)


def test_commands_say_the_same_in_one_line(odd, run):
    for path, reason in odd.items():
        for arguments in (["explain", path], ["layers", path], ["explain", "--labels", path]):
            status, said, complained = run(*arguments)
            assert (status, said) == (1, "") and reason in complained and len(complained.splitlines()) == 1


def test_a_folder_of_images_is_read_without_its_odd_files(odd, tmp_path):
    shutil.copy(SAMPLES[0], tmp_path / "one.png")
    assert find_images([tmp_path]) == [tmp_path / "one.png"]


def test_odd_metadata_is_no_reason_to_wait(tmp_path):
    os.mkfifo(tmp_path / "explanation_metadata.json")
    with pytest.raises(TfvizError, match="is a FIFO"):
        read_explanation_metadata(tmp_path)


# Files of JSON

DEEP = "[" * 100_000
METADATA = [
    DEEP,
    '{"a":' * 100_000,
    "[]",
    '"text"',
    "null",
    "1e999",
    '{"inputs": {}, "outputs": {}}',
    '{"inputs": {"a": 3}, "outputs": {"b": {}}}',
    '{"inputs": {"a": {"encoding": 3}}, "outputs": {"b": {}}}',
    '{"inputs": {"a": {"encoding": ["identity"]}}, "outputs": {"b": {}}}',
    '{"inputs": {"a": {"visualization": 3}}, "outputs": {"b": {}}}',
    '{"inputs": {"a": {"visualization": {"type": ["x"]}}}, "outputs": {"b": {}}}',
    '{"inputs": {"a": {"visualization": {"color_map": {"x": 1}}}}, "outputs": {"b": {}}}',
    '{"inputs": {"a": {"visualization": {"polarity": null}}}, "outputs": {"b": {}}}',
    '{"inputs": {"a": {"visualization": {"clip_percent_lowerbound": NaN}}}, "outputs": {"b": {}}}',
    '{"inputs": {"a": {"input_baselines": [1' + "0" * 400 + ']}}, "outputs": {"b": {}}}',
    '{"inputs": {"a": {"input_baselines": {"x": 1}}}, "outputs": {"b": {}}}',
    '{"inputs": {"a": {"input_baselines": [[1], [1, [2]]]}}, "outputs": {"b": {}}}',
    '{"inputs": {"a": {}}, "outputs": {"b": {}, "c": {}}}',
    '{"inputs": {"a": {}}, "outputs": {"b": {}}, "outputs": {"c": {}}}',
    '{"inputs": {"a": {"modality": "image"}, "b": {"modality": "image"}}, "outputs": {"b": {}}}',
]


@pytest.mark.parametrize("content", METADATA)
def test_malformed_metadata_is_one_line(tmp_path, content):
    (tmp_path / "explanation_metadata.json").write_text(content)
    with pytest.raises(TfvizError, match=r"explanation_metadata\.json") as caught:
        read_explanation_metadata(tmp_path)
    assert len(str(caught.value)) < 1000 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [DEEP, '{"0":' * 100_000, "3", "null", '"text"', "[]", "{}", "[1, 2]", "[[]]", "[[1]]", '{"a": 1.5}', '{"a": []}',
     '{"0": [1, 2]}', '{"x": "y"}', '{"1": "a"}', '[["a", 2]]', '{"a": 0, "b": 0}', "[null]", "NaN",
     '{"0": "a", "0": "b"}', '{"0": "a", "00": "b"}'],
)  # fmt: skip
def test_malformed_labels_are_one_line(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(TfvizError, match=r"labels\.json") as caught:
        read_labels(path)
    assert len(str(caught.value)) < 1000 and "\n" not in str(caught.value)


# Names of files


@pytest.mark.parametrize("name", ["a" * 250, "猫" * 83, b"caf\xe9".decode("utf-8", "surrogateescape") * 50])
def test_long_names_are_shortened_by_a_digest(name):
    other = name[:-1] + "b"
    first, second = file_names([Path(f"{name}.png"), Path(f"{other}.png")])
    assert first != second and all(len(os.fsencode(each)) <= LONGEST_STEM for each in (first, second))
    assert file_names([Path(f"{name}.png")]) == [first]
    assert len(os.fsencode(file_part(f"grad_cam@{name}"))) <= LONGEST_PART
    assert short_name("short", LONGEST_STEM) == "short"


def test_an_image_with_a_long_name_is_explained(run, tmp_path):
    name = f"{'a' * 240}.png"
    shutil.copy(SAMPLES[0], tmp_path / name)
    status, _, complained = run("explain", name, "--method", "grad_cam", "--save-maps", "--target", 1)
    assert (status, complained) == (0, "")
    assert sorted(path.suffix for path in (tmp_path / "tfviz-output").iterdir()) == [".json", ".npy", ".png"]
    status, _, complained = run("fool", name, "--target", 2, "--iterations", 1, "--save-array")
    assert "cannot be written" not in complained


def test_what_cannot_be_written_costs_one_picture(run, tmp_path):
    for number in (0, 1):
        shutil.copy(SAMPLES[number], tmp_path / f"{number}.png")
    (tmp_path / "tfviz-output" / "0.tfviz.png").mkdir(parents=True)
    (tmp_path / "tfviz-output" / "0.tfviz.png" / "full").touch()
    status, said, complained = run("explain", "0.png", "1.png", "--method", "saliency")
    assert status == 1 and "1.tfviz.png" in said
    assert len(complained.splitlines()) == 1 and "0.png" in complained and "cannot be written" in complained


@pytest.mark.parametrize(
    "arguments, name",
    [
        (["explain", "one.png", "--method", "saliency"], "one.tfviz.png"),
        pytest.param(["localize", "one.png"], "one.tfviz.png", marks=pytest.mark.slow),
        (["visualize", "--class", "0", "--iterations", "1"], None),
        (["fool", "one.png", "--target", "1", "--iterations", "1"], "one.fooled.tfviz.png"),
    ],
)
def test_what_another_run_wrote_is_not_replaced_in_silence(run, tmp_path, arguments, name):
    shutil.copy(SAMPLES[0], tmp_path / "one.png")
    first, second = run(*arguments), run(*arguments)
    assert first[0] == second[0] and "replaces" not in first[1]
    assert f"replaces what another run had written: {name or ''}" in second[1]


# Options


@pytest.mark.parametrize(
    "name, reason",
    [
        ("mean=0;std=1e-38", "makes infinite numbers of white pixels"),
        ("mean=1e999", "needs finite numbers"),
        ("mean=-3e38;std=0.1", "makes infinite numbers of white pixels"),
        ("mean=1;mean=2", "says mean twice"),
        ("std=1;order=bgr;order=rgb", "says order twice"),
    ],
)
def test_a_preprocessing_that_no_network_was_trained_with(name, reason):
    with pytest.raises(TfvizError, match=reason):
        find_preprocessing(name)


def test_masked_arrays_are_refused():
    network, given = tfviz.trace(demo.load_network()), demo.generate(1, seed=0)
    images = given.images.astype(np.float32)
    masked = np.ma.masked_array(images, images > 100)
    for wrong in (masked, [masked[0]], {network.inputs.name: masked}):
        with pytest.raises(InvalidImagesError, match="images are a masked array, whose mask would be lost"):
            tfviz.saliency(network, wrong)
    with pytest.raises(InvalidImagesError, match="targets are a masked array"):
        tfviz.saliency(network, images, np.ma.masked_array([1], [True]))
    with pytest.raises(InvalidImagesError, match="baselines are a masked array"):
        tfviz.integrated_gradients(network, images, baseline=masked[0])
    with pytest.raises(InvalidImagesError, match="pictures are a masked array"):
        tfviz.explain(network, images, methods="saliency").plot(np.ma.masked_array(given.images))


# Signals and processes


@pytest.mark.slow
def test_a_pipeline_that_is_interrupted_ends_with_130(tmp_path):
    pytest.importorskip("apache_beam")
    for number in range(40):
        shutil.copy(SAMPLES[number % len(SAMPLES)], tmp_path / f"{number}.png")
    options = ["--method", "rise", "--masks", "100000", "--batch-size", "1"]
    command = [
        sys.executable,
        "-m",
        "tfviz",
        "batch",
        "--input",
        f"{tmp_path}/*.png",
        "--output",
        str(tmp_path / "out"),
    ]
    # What runs in the background of a script is told to ignore the signal.
    started = ["env", "--default-signal=INT", *command, *options]
    process = subprocess.Popen(started, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob(".out.unfinished*")) and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in complained
    assert not list(tmp_path.glob("*out*"))


def explained(path, seed):
    """What a process of its own finds, in a file that both can open."""
    images = np.random.default_rng(seed).uniform(0, 1, (1, 16, 16, 3)).astype(np.float32)
    return tfviz.saliency(path, images, 0)


@pytest.mark.slow
def test_processes_that_are_spawned_find_the_same(tmp_path):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3, activation="relu")]
    model = keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)])
    model.save(tmp_path / "model.keras")
    here = [explained(str(tmp_path / "model.keras"), seed) for seed in (0, 1)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.starmap(explained, [(str(tmp_path / "model.keras"), seed) for seed in (0, 1)])
    np.testing.assert_array_equal(there, here)


def test_manifests_of_odd_names_can_be_read(run, tmp_path):
    shutil.copy(SAMPLES[0], tmp_path / "a\nb.png")
    assert run("explain", "a\nb.png", "--method", "saliency", "--save-maps")[0] == 0
    content = json.loads((tmp_path / "tfviz-output" / "manifest.json").read_text())
    assert content["results"][0]["picture"] == r"a\nb.tfviz.png"


def test_a_standard_output_that_is_full():
    if not Path("/dev/full").exists():
        pytest.skip("Linux has a device that is always full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tfviz", "methods"], check=False, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "tfviz: the standard output cannot be written: No space left on device\n"
