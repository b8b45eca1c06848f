"""`tfviz export` as a person runs it: what it prints, and that the line it prints works."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import SIZE, distance, head, model_of, randomise

import tfviz
from tfviz import demo
from tfviz.apps.files.fitting import fit_image
from tfviz.apps.files.images import read_image


@pytest.fixture
def own(tmp_path):
    model_of("functional").save(tmp_path / "own.keras")
    return "own.keras"


def cli(*arguments):
    """TensorFlow's own tool, in a process of its own."""
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifest_in(folder):
    return json.loads((folder / "assets.extra" / "manifest.json").read_text())


def one_line(text):
    return " ".join(text.split())


@pytest.mark.slow
def test_the_printed_line_runs(run, tmp_path):
    status, out, err = run("export", "demo", "out", "--method", "grad_cam", "--method", "guided_backprop")
    assert (status, err) == (0, "")
    said = one_line(out)
    returned = "targets int32 (N) → maps float32 (N, 128, 128), targets int32 (N), scores float32 (N)"
    assert f"grad_cam images float32 (N, 128, 128, 3), {returned}" in said
    assert "serving_default image float32 (N, 128, 128, 3) → output_0 float32 (N, 9)" in said
    assert "out: 1." in said and "MB; a target of -1 is the predicted class" in said
    line = shlex.split(out.strip().splitlines()[-1])
    assert line[0] == "saved_model_cli"
    cli(*line[1:], "--outdir", tmp_path / "results")
    picture = read_image(demo.sample_paths()[0]).astype(np.float32)
    found = {name: np.load(tmp_path / "results" / f"{name}.npy") for name in ("maps", "targets", "scores")}
    assert distance(found["maps"], tfviz.grad_cam(demo.load_network(), picture)) < 1e-4
    assert demo.CLASS_NAMES[found["targets"][0]] == demo.sample_paths()[0].stem.replace("-", " ")


@pytest.mark.slow
def test_the_tool_of_tensorflow_shows_every_signature(run, own):
    assert run("export", own, "out", "--method", "grad_cam", "--method", "guided_backprop")[0] == 0
    shown = cli("show", "--dir", "out", "--all")
    for part in ("signature_def['guided_backprop']", "inputs['images']", "inputs['targets']", "outputs['maps']"):
        assert part in shown


def test_encoded_files_and_layers(run, own, tmp_path):
    flags = ["--encoded", "--preprocess", "mean=10,20,30;std=50;order=bgr", "--layer", "conv1", "--layer", "conv2"]
    flags += ["--interpolation", "area"]
    status, out, err = run("export", own, "out", *flags)
    assert (status, err) == (0, "")
    assert "grad_cam@conv1 encoded string (N), targets int32 (N) → maps float32 (N, 16, 16)" in one_line(out)
    given = np.load(tmp_path / "out" / "assets.extra" / "encoded.npy")
    assert given.tolist() == [demo.sample_paths()[0].read_bytes()]
    loaded = tf.saved_model.load(str(tmp_path / "out"))
    found = loaded.signatures["grad_cam@conv1"](encoded=tf.constant(given), targets=tf.constant([-1]))
    picture = fit_image(read_image(demo.sample_paths()[0]), (SIZE, SIZE), "stretch", interpolation="area")
    expected = tfviz.grad_cam(model_of("functional"), (picture[..., ::-1] - [10, 20, 30]) / 50, layer="conv1")
    assert distance(found["maps"], expected) < 1e-2
    said = manifest_in(tmp_path / "out")
    how = {"name": "mean=10,20,30;std=50;order=bgr", "order": "bgr", "size": [SIZE, SIZE], "fit": "stretch"}
    how |= {"interpolation": "area"}
    assert said["preprocessing"] == how and said["model"]["path"] == str(tmp_path / own)


@pytest.mark.slow
def test_the_line_that_is_printed_for_encoded_files_runs(run, own, tmp_path):
    _, out, _ = run("export", own, "out", "--encoded", "--preprocess", "0..255", "--layer", "conv1", "--layer", "conv2")
    line = shlex.split(out.strip().splitlines()[-1])
    assert line[line.index("--signature_def") + 1] == "grad_cam@conv1"
    cli(*line[1:], "--outdir", tmp_path / "results")
    picture = fit_image(read_image(demo.sample_paths()[0]), (SIZE, SIZE), "stretch").astype(np.float32)
    expected = tfviz.grad_cam(model_of("functional"), picture, layer="conv1")
    assert distance(np.load(tmp_path / "results" / "maps.npy"), expected) < 1e-2


def test_flags_reach_the_methods(run, own, tmp_path):
    flags = [
        "--method",
        "rise",
        "--masks",
        "7",
        "--method",
        "integrated_gradients",
        "--steps",
        "3",
        "--batch-size",
        "4",
    ]
    assert run("export", own, "out", *flags, "--baseline", "zeros,blurred")[0] == 0
    said = manifest_in(tmp_path / "out")
    assert said["batch_size"] == 4 and said["signatures"]["rise"]["options"]["masks"] == 7
    assert said["signatures"]["integrated_gradients"]["options"] == {
        "baseline": ["zeros", "blurred"],
        "steps": 3,
        "seed": 0,
        "quadrature": "midpoint",
        "tolerance": None,
        "max_steps": 400,
    }
    loaded = tf.saved_model.load(str(tmp_path / "out"))
    images = np.load(tmp_path / "out" / "assets.extra" / "images.npy")
    found = loaded.signatures["rise"](images=tf.constant(images), targets=tf.constant([-1]))
    assert distance(found["maps"], tfviz.rise(model_of("functional"), images, masks=7)) < 1e-6


def test_an_export_that_exists_is_replaced_when_asked_for(run, own, tmp_path):
    assert run("export", own, "out")[0] == 0
    status, out, err = run("export", own, "out", "--method", "gradient")
    assert (status, out) == (1, "")
    assert err == "tfviz: out exists already; choose another folder, or replace it with overwrite=True (--overwrite)\n"
    assert list(manifest_in(tmp_path / "out")["signatures"]) == ["grad_cam"]
    assert run("export", own, "out", "--method", "gradient", "--overwrite")[0] == 0
    assert list(manifest_in(tmp_path / "out")["signatures"]) == ["gradient"]


WRONG = [
    (["--method", "grad_camm"], 1, "no method 'grad_camm'; did you mean 'grad_cam'"),
    (["--preprocess", "0..1"], 2, "are for --encoded"),
    (["--fit", "crop"], 2, "are for --encoded"),
    (["--interpolation", "area"], 2, "are for --encoded"),
    (["--steps", "5"], 1, "steps is given (5), but to none of: grad_cam"),
    (["--encoded", "--preprocess", "0..2"], 1, "there is no preprocessing '0..2'"),
]


@pytest.mark.parametrize("flags, status, message", WRONG)
def test_bad_input_is_one_line_and_leaves_nothing(run, own, tmp_path, flags, status, message):
    found, out, err = run("export", own, "out", *flags)
    assert (found, out) == (status, "") and message in one_line(err.replace("│", " "))
    assert [path.name for path in tmp_path.iterdir()] == ["own.keras"]


def test_what_is_assumed_of_encoded_files_is_said(run, own, tmp_path):
    status, _, err = run("export", own, "out", "--encoded")
    assert status == 0 and "own.keras gets pixels of 0..255 in the order rgb, as no --preprocess says otherwise" in err
    said = manifest_in(tmp_path / "out")["warnings"]
    assert said == ["own.keras gets pixels of 0..255 in the order rgb, as no --preprocess says otherwise"]
    assert run("export", own, "other")[2] == ""


@pytest.fixture
def of_five_channels(tmp_path):
    image = layers.Input((SIZE, SIZE, 5))
    x = layers.Conv2D(4, 3, activation="silu", name="conv")(image)
    randomise(keras.Model(image, head(x))).save(tmp_path / "five.keras")
    return "five.keras"


def test_a_network_that_takes_no_pictures(run, of_five_channels, tmp_path):
    status, out, err = run("export", of_five_channels, "out")
    assert (status, err) == (0, "") and "images float32 (N, 16, 16, 5)" in one_line(out)
    assert np.load(tmp_path / "out" / "assets.extra" / "images.npy").shape == (1, SIZE, SIZE, 5)
    status, _, err = run("export", of_five_channels, "other", "--encoded")
    assert status == 1 and "the network takes 5" in err and not (tmp_path / "other").exists()


@pytest.mark.slow
def test_all_methods_that_suit_a_network(run, of_five_channels):
    status, out, err = run("export", of_five_channels, "out", "--method", "all", "--masks", "3", "--samples", "2")
    assert status == 0 and "guided_backprop is left out: " in err
    assert "xrai is left out: its last step runs in Python on the host" in err
    assert "guided_backprop" not in out and "smooth_grad" in out


def test_help_needs_no_tensorflow_but_for_the_flags_of_methods(run):
    status, out, _ = run("export", "--help")
    assert status == 0 and "--encoded" in out and "--overwrite" in out and "--masks" in out
