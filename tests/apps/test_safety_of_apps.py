"""Commands, exports and pipelines refuse the files that `trace` refuses, and open those that are trusted."""

from __future__ import annotations

import re
import shutil

import h5py
import keras
import pytest
from support import attacks
from support.attacks import saved, with_links
from support.model_zoo import SHAPE, random_images
from support.thinning import by_day

import tfviz
from tfviz.errors import UnsafeModelError, UnsupportedModelError


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """Work in a folder of the test's own, where the mark would be."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "command",
    by_day(["explain", "layers", "localize", "export", "visualize", "batch"], ["explain", "layers", "export", "batch"]),
)
def test_the_commands_refuse_and_take_the_flag(command, run, tmp_path):
    path = saved(tmp_path, attacks.reading_in_a_branch, signatures=())
    shutil.copyfile(tfviz.demo.sample_paths()[0], tmp_path / "picture.png")
    given = {
        "explain": ["picture.png", "--model", path, "--method", "gradient"],
        "layers": [path],
        "localize": ["picture.png", "--model", path],
        "export": [path, "exported", "--method", "gradient"],
        "visualize": ["--model", path, "--class", "1", "--iterations", "1"],
        "batch": ["--input", "*.png", "--output", "found", "--model", path, "--method", "gradient"],
    }[command]
    before = {*tmp_path.iterdir()}
    status, _, said = run(command, *given)
    assert status == 1 and said.count("\n") == 1
    assert re.search("is not opened: it holds the operation ReadFile .* on the command line --no-safe-mode", said)
    assert {*tmp_path.iterdir()} == before
    status, _, said = run(command, *given, "--no-safe-mode")
    assert status == 0, said
    assert "so it may do all that you may: it holds the operation ReadFile" in said


def test_a_pipeline_refuses_and_takes_the_option(tmp_path):
    pytest.importorskip("apache_beam")
    from tfviz.apps.beam import AttributionHandler

    path = str(saved(tmp_path, attacks.reading_in_a_branch))
    with pytest.raises(UnsafeModelError, match="it holds the operation ReadFile"):
        AttributionHandler(path, "gradient").load_model()
    handler = AttributionHandler(path, "gradient", safe_mode=False)
    (found,) = handler.run_inference([random_images(1)[0]], handler.load_model())
    assert found.inference["map"].shape == SHAPE


def test_exporting_refuses(tmp_path):
    with pytest.raises(UnsafeModelError, match="it holds the operation WriteFile"):
        tfviz.export(saved(tmp_path, attacks.writing), tmp_path / "exported", methods="gradient")
    assert not (tmp_path / "exported").exists()


def test_weights_of_an_application_that_lie_in_other_files(tmp_path, run):
    keras.applications.MobileNetV2(weights=None).save_weights(tmp_path / "own.weights.h5")
    with_links(tmp_path / "own.weights.h5", "link")
    status, _, said = run("explain", "--model", "mobilenet_v2", "--weights", tmp_path / "own.weights.h5")
    assert status == 1 and "weights that lie in another file, '/etc/other.h5'" in said and "safe-mode" not in said


@pytest.mark.parametrize(
    "name, content", [("own.h5", b"none"), ("own.keras", b"PK\x05\x06" + bytes(18)), ("own.json", b"{}")]
)
def test_weights_of_an_application_that_are_none(name, content, tmp_path, run):
    (tmp_path / name).write_bytes(content)
    status, _, said = run("explain", "--model", "mobilenet_v2", "--weights", tmp_path / name)
    assert status == 1 and said.count("\n") == 1
    assert "do not fit mobilenetv2" in said or "expected imagenet, random or an existing .weights.h5" in said


def with_an_array_of_4_gb(path):
    """Add an array to a file that makes it hold 4 GB, of which nothing is written."""
    with h5py.File(path, "a") as file:
        file.create_dataset("beside", (10**9,), "float32", chunks=(1000,))
    return path


def of_a_command(command, weights):
    """The arguments of a command on `picture.png` and a MobileNetV2 with these weights."""
    about_model = ["--model", "mobilenet_v2", "--weights", weights]
    return {
        "explain": ["picture.png", *about_model, "--method", "gradient"],
        "localize": ["picture.png", *about_model],
        "export": ["mobilenet_v2", "exported", *about_model[2:], "--method", "gradient"],
        "visualize": [*about_model, "--class", "1", "--iterations", "1"],
        "fool": ["picture.png", *about_model, "--method", "fgsm"],
        "batch": ["--input", "*.png", "--output", "found", *about_model, "--method", "gradient"],
    }[command]


OPENING = ["explain", "localize", "export", "visualize", "fool", "batch"]


@pytest.mark.parametrize("command", by_day(OPENING, ["explain", "export"]))
def test_the_limit_of_models_holds_for_weights(command, run, tmp_path):
    shutil.copyfile(tfviz.demo.sample_paths()[0], tmp_path / "picture.png")
    given = of_a_command(command, with_an_array_of_4_gb(tmp_path / "large.weights.h5"))
    for limit in [], ["--model-limit", "3999999999"]:
        status, _, said = run(command, *given, *limit)
        assert status == 1 and said.count("\n") == 1
        assert "large.weights.h5' is not opened: it holds weights of 4,00" in said and "(--model-limit)" in said
        assert said.rstrip().endswith(limit[-1] if limit else "100000000")


def test_the_limit_of_models_holds_for_weights_in_a_pipeline(tmp_path):
    pytest.importorskip("apache_beam")
    from tfviz.apps.beam import AttributionHandler

    weights = str(with_an_array_of_4_gb(tmp_path / "large.weights.h5"))
    handler = AttributionHandler("mobilenet_v2", "gradient", weights=weights, maximum_model_bytes=3_999_999_999)
    with pytest.raises(UnsupportedModelError, match=r"it holds weights of 4,00.* which is 3999999999"):
        handler.load_model()


@pytest.mark.slow
@pytest.mark.parametrize("command", OPENING)
def test_large_weights_are_let_through_by_a_higher_limit(command, run, tmp_path):
    shutil.copyfile(tfviz.demo.sample_paths()[0], tmp_path / "picture.png")
    keras.applications.MobileNetV2(weights=None).save_weights(tmp_path / "large.weights.h5")
    given = of_a_command(command, with_an_array_of_4_gb(tmp_path / "large.weights.h5"))
    status, _, said = run(command, *given, "--model-limit", "4100000000")
    # A network of random weights need not be fooled, which is a status of 1, too.
    assert "is not opened" not in said and (status == 0 or command == "fool"), said
