"""What `scripts/benchmark.py` refuses, in one line and before anything is run or written."""

import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from support.places import SCRIPTS

sys.path.append(str(SCRIPTS))

from benchmark import arguments
from benchmark.plan import NETWORKS
from benchmark.workers import networks


@pytest.mark.parametrize(
    "given, said",
    [
        (["--model", "nosuch"], f"there is no network and no file 'nosuch'; expected {arguments.EXPECTED}"),
        (["--model", "demo", "--model", "vgg61"], "'vgg61'; did you mean vgg16? expected demo, squeezenet, vgg16, "),
        (["--model", "missing.keras"], "there is no network and no file 'missing.keras'; expected "),
        (["--model", __file__], f"{__file__!r} is no Keras file; expected {arguments.EXPECTED}"),
        (["--batch", "0"], "argument --batch: expected an integer of at least 1, got '0'"),
        (["--batch", "1.5"], "argument --batch: expected an integer of at least 1, got '1.5'"),
        (["--rounds", "-1"], "argument --rounds: expected an integer of at least 1, got '-1'"),
        (["--longest", "0"], "argument --longest: expected a number of seconds above 0, got '0'"),
        (["--longest", "nan"], "argument --longest: expected a number of seconds above 0, got 'nan'"),
        (["--longest", "long"], "argument --longest: expected a number of seconds above 0, got 'long'"),
        (["--output", __file__], f"argument --output: {__file__!r} is a file; expected a folder"),
        (["--environments", __file__], f"argument --environments: {__file__!r} is a file; expected a folder"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_line(given, said, monkeypatch, run_script, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_script("benchmark.py", *given) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not [*tmp_path.iterdir()]


def test_a_network_whose_file_is_missing_is_refused(monkeypatch, run_script, tmp_path, capsys):
    monkeypatch.setattr(networks, "SQUEEZENET", tmp_path / "squeezenet.keras")
    assert run_script("benchmark.py", "--model", "squeezenet") == 2
    said = f"there is no file {tmp_path / 'squeezenet.keras'}, which squeezenet is read from"
    assert said in capsys.readouterr().err.splitlines()[-1]
    (tmp_path / "squeezenet.keras").touch()
    assert arguments.network("squeezenet") == "squeezenet"


def test_what_can_be_run_is_taken(tmp_path):
    for name in networks.APPLICATIONS:
        assert arguments.network(name) == name
        assert hasattr(keras.applications, networks.APPLICATIONS[name])
    for file in (tmp_path / "own.keras", tmp_path / "own.h5"):
        file.touch()
        assert arguments.network(str(file)) == str(file)
    assert {*NETWORKS} <= {*networks.NAMES}
    assert arguments.count("12") == 12 and arguments.seconds("0.5") == 0.5
    assert arguments.folder(str(tmp_path)) == tmp_path and arguments.folder("new") == Path("new")


def test_the_models_are_those_of_their_names(tmp_path):
    own = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    own.save(tmp_path / "own.keras")
    opened = networks.open_model(str(tmp_path / "own.keras"))
    np.testing.assert_array_equal(opened.get_weights()[0], own.get_weights()[0])
    first, second = (networks.open_model("mobilenetv2") for _ in range(2))
    assert first.name.startswith("mobilenetv2")
    np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])


def test_a_run_that_measures_nothing_writes_nothing(monkeypatch, run_script, tmp_path, capsys):
    (tmp_path / "benchmark.md").write_text("earlier")
    monkeypatch.setattr(sys, "executable", shutil.which("false"))  # a worker that ends at once
    ended = run_script("benchmark.py", "--model", "demo", "--method", "saliency", "--output", tmp_path)
    assert ended.startswith("benchmark.py: nothing was measured, and nothing is written; demo: its process ended: ")
    assert "demo could not be run: its process ended: " in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["benchmark.md"]
    assert (tmp_path / "benchmark.md").read_text() == "earlier"


def test_the_help_shows_the_defaults(run_script, capsys):
    assert run_script("benchmark.py", "--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "folder of benchmark.md and benchmark.json (default benchmark)" in said
    assert f"several times (default {', '.join(NETWORKS)})" in said
    assert "--rounds ROUNDS (default 7)" in said and "several times (default 1, 8, 32)" in said
    assert "else it is left out (default 5)" in said
