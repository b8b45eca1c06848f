"""`scripts/kernels.py`: what it prints of a small network, and what it refuses."""

import os
import subprocess
import sys

import keras
import pytest
from support.places import SCRIPTS

sys.path.append(str(SCRIPTS))

from benchmark.arguments import EXPECTED


@pytest.mark.slow
def test_a_table_and_nothing_else_is_printed(tmp_path):
    layers = keras.layers
    model = keras.Sequential([keras.Input((16, 12, 3)), layers.Conv2D(4, 3, padding="same"), layers.MaxPooling2D(2)])
    model.add(layers.Conv2D(2, 1))
    model.add(layers.Flatten())
    model.save(tmp_path / "small.keras")
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, str(SCRIPTS / "kernels.py"), "--model", str(tmp_path / "small.keras")]
    command += ["--batch", "2", "--rounds", "1"]
    environment["PYTHONPATH"] = str(SCRIPTS.parent)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""  # none of TensorFlow's lines
    head, rule, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    assert head == ["network", "layer", "images", "kernel or window", "stride", "own", "other", "ratio", "taken"]
    assert {*rule} == {"---"} and {len(row) for row in rows} == {len(head)} and {row[0] for row in rows} == {"small"}
    assert [row[1:5] for row in rows] == [
        ["Conv2D phases", "16x12x3", "3x3x3x4", "1"],
        ["Conv2D rotated", "16x12x3", "3x3x3x4", "1"],
        ["MaxPool masks", "16x12x4", "2x2", "2"],
        ["MaxPool masks by XLA", "16x12x4", "2x2", "2"],
        ["Conv2D matrix product", "8x6x4", "1x1x4x2", "1"],
    ]
    assert all(float(row[7]) > 0 for row in rows) and rows[-1][-1] == "yes"


@pytest.mark.parametrize(
    "given, said",
    [
        (["--model", "nosuch"], f"argument --model: there is no network and no file 'nosuch'; expected {EXPECTED}"),
        (["--batch", "0"], "argument --batch: expected an integer of at least 1, got '0'"),
        (["--rounds", "-3"], "argument --rounds: expected an integer of at least 1, got '-3'"),
    ],
)
def test_what_cannot_be_timed_is_refused_before_the_table(given, said, run_script, capsys):
    assert run_script("kernels.py", *given) == 2
    printed = capsys.readouterr()
    assert printed.err.endswith(f"{said}\n") and not printed.out


def test_a_file_that_is_no_network_is_one_line_and_no_table(run_script, tmp_path, capsys):
    (tmp_path / "broken.keras").write_text("no network")
    said = run_script("kernels.py", "--model", tmp_path / "broken.keras")
    assert said.startswith(f"kernels.py: cannot open '{tmp_path / 'broken.keras'}': ") and "\n" not in said
    assert not capsys.readouterr().out


def test_the_help_shows_the_defaults(run_script, capsys):
    assert run_script("kernels.py", "--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{EXPECTED}; several times (default demo)" in said
    assert "--batch BATCH (default 1)" in said and "--rounds ROUNDS (default 15)" in said
