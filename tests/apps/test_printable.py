"""Names of strangers in terminals, manifests, pictures' titles and errors: nothing of them is obeyed."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

import tfviz
from tfviz import demo
from tfviz.__main__ import main
from tfviz.apps.command.app import app
from tfviz.apps.records import DeadLetter, Origin
from tfviz.errors import TfvizError, TfvizWarning
from tfviz.printable import printable

EVIL = "a\x1b[31m\x07\r\n\u202eb"
SHOWN = r"a\x1b[31m\x07\r\n\u202eb"
HARMFUL = ["\x1b", "\x07", "\r", "\u202e", "\u2028", "\x9b"]


@pytest.mark.parametrize(
    "text, expected",
    [
        (EVIL, SHOWN),
        ("plain, naïve, 猫 🐈", "plain, naïve, 猫 🐈"),
        ("no\u00a0break", "no\u00a0break"),
        ("\U0001f468\u200d\U0001f52c", "\U0001f468\u200d\U0001f52c"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), r"caf\xe9"),
        ("\ud800", r"\ud800"),
        ("\x9b31m\x7f\x00\t", r"\x9b31m\x7f\x00\t"),
        ("\u2066\u2069\ufeff\u2028\u2029", r"\u2066\u2069\ufeff\u2028\u2029"),
        (Path("a\nb"), r"a\nb"),
        (r"a\x1b", r"a\x1b"),
    ],
)
def test_what_is_escaped(text, expected):
    assert printable(text) == expected
    printable(text).encode()


def test_errors_and_warnings_are_printable():
    error = TfvizError(f"{EVIL} is wrong")
    assert str(error) == f"{SHOWN} is wrong" and str(pickle.loads(pickle.dumps(error))) == str(error)
    with pytest.warns(TfvizWarning) as caught:
        warnings.warn(f"{EVIL} is doubtful", TfvizWarning, stacklevel=1)
    assert str(caught[0].message) == f"{SHOWN} is doubtful"


def test_the_name_of_a_model_of_a_stranger(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    model.save(tmp_path / "plain.keras")
    (tmp_path / "plain.keras").rename(tmp_path / f"{EVIL}.keras")
    network = tfviz.trace(tmp_path / f"{EVIL}.keras")
    assert network.name == SHOWN
    assert harmless(repr(network))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs with names that a terminal would obey, one that is no UTF-8, and class names of the kind."""
    folder = tmp_path_factory.mktemp("evil")
    first, second = demo.sample_paths()[:2]
    shutil.copy(first, folder / f"{EVIL}.png")
    shutil.copy(second, os.fsencode(folder) + b"/caf\xe9.png")
    (folder / f"{EVIL}.txt").write_text("no image")
    (folder / "broken\x1b]0;title\x07.png").write_bytes(b"no image")
    names = [f"{name}\x1b[5m\u202e" for name in demo.CLASS_NAMES]
    (folder / "labels.json").write_text(json.dumps(names))
    return folder


def harmless(text):
    return not [each for each in HARMFUL if each in text]


def run(*arguments, folder):
    command = [sys.executable, "-m", "tfviz", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, cwd=folder, env={**os.environ, "COLUMNS": "200"})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def encoded(monkeypatch):
    """Run the command as a process of that PYTHONIOENCODING does; return its status, output and complaints."""

    def run(*arguments, encoding):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]
        monkeypatch.setenv("COLUMNS", "200")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            with pytest.raises(SystemExit) as ended:
                main([str(argument) for argument in arguments])
        for stream in streams:
            stream.flush()
        return int(ended.value.code or 0), *(stream.buffer.getvalue().decode() for stream in streams)

    return run


@pytest.mark.parametrize("encoding", [pytest.param("utf-8", marks=pytest.mark.slow), "ascii"])
def test_explain_shows_no_name_as_it_is(folder, tmp_path, encoded, encoding):
    images = sorted(os.fsencode(each) for each in folder.iterdir() if each.suffix == ".png")
    names = [os.fsdecode(each) for each in images]
    status, said, complained = encoded(
        "explain", *names, "--model", "demo", "--method", "saliency", "--labels", folder / "labels.json",
        "--output", tmp_path / "out", "--save-maps", encoding=encoding,
    )  # fmt: skip
    assert status == 1 and "Traceback" not in complained
    assert harmless(said) and harmless(complained)
    assert r"a\x1b[31m\x07\r\n\u202eb" in said and r"caf\xe9" in said and r"\x1b[5m" in said
    assert r"broken\x1b]0;title\x07.png" in complained and len(complained.splitlines()) == 1
    manifest = (tmp_path / "out" / "manifest.json").read_text(encoding="utf-8")
    assert harmless(manifest) and r"caf\\xe9" in manifest
    assert len(json.loads(manifest)["results"]) == 2


@pytest.mark.parametrize("command", ["explain", "localize", "fool"])
def test_a_file_that_is_not_there(folder, command):
    status, said, complained = run(command, f"missing{EVIL}.png", folder=folder)
    assert status == 1 and not said and harmless(complained) and "Traceback" not in complained
    assert len(complained.splitlines()) == 1 and SHOWN in complained


@pytest.mark.parametrize(
    "arguments", [["--x\x1b[31m"], ["explain", "--\x1b[31m"], ["explain", "--size", "\x1b[31m"], ["x\x1b[31m"]]
)
def test_arguments_that_a_pattern_of_the_shell_made(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        app(args=arguments, prog_name="tfviz")
    assert ended.value.code == 2
    found = capsys.readouterr()
    assert harmless(found.out) and harmless(found.err)


def test_titles_are_printable(folder):
    network, pictures = tfviz.trace(demo.load_network()), demo.generate(1, seed=0)
    explanation = tfviz.explain(network, pictures.images, methods=("saliency",))
    (title,) = explanation.titles([EVIL] * 9)
    assert harmless(title) and SHOWN in title


def test_dead_letters_are_one_line_each():
    line = DeadLetter(Origin(EVIL, f"/folder/{EVIL}"), f"{EVIL} is no image").line()
    assert "\n" not in line and harmless(line) and json.loads(line)["reason"] == f"{SHOWN} is no image"


def test_only_the_functions_for_it_print():
    """All that commands print goes through `say`, `tell` or the cells of a table."""
    for path in Path(tfviz.__file__).parent.rglob("*.py"):
        calls = [line.strip() for line in path.read_text().splitlines() if " print(" in f" {line.strip()}"]
        allowed = {"terminal.py": 2, "app.py": 1}.get(path.name, 0)
        assert len(calls) == allowed, (path, calls)


def test_arrays_in_a_manifest_stay_numbers(tmp_path):
    from tfviz.apps.explanation.manifest import write_manifest

    write_manifest(tmp_path, {"a": np.arange(2), EVIL: [EVIL, None, True]})
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"a": [0, 1], SHOWN: [SHOWN, None, True]}
