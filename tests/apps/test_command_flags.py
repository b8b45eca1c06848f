"""The flags that are read from signatures: every option of every method, on the command line and in the result."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pytest
from support.model_zoo import SIZE, model_of

import tfviz
from tfviz.apps.files.images import read_image
from tfviz.methods import METHODS


@pytest.fixture
def run(run, monkeypatch):
    """Run the command beside a model and an image."""
    monkeypatch.setenv("COLUMNS", "300")
    model_of("functional").save("own.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    cv2.imwrite("one.png", pixels)
    return run


def explain(run, *flags):
    image = ["explain", "one.png", "--model", "own.keras", "--preprocess", "0..1", "--save-maps"]
    return run(*image, *flags)


@pytest.mark.parametrize("command", ["explain", "localize"])
def test_every_option_of_every_method_is_a_flag(run, command):
    status, out, _ = run(command, "--help")
    shown = " ".join(out.replace("│", " ").split())
    assert status == 0
    for name, method in METHODS.items():
        for option, default in method.options.items():
            if option in ("layer", "options"):
                continue
            flag = option.replace("_", "-")
            assert f"--{flag} " in shown
            line = re.search(rf"--{flag} .*?(?= --[a-z]|╰)", shown)[0]
            assert name in line, (flag, line)
            assert default is None or isinstance(default, bool) or str(default) in line
    assert "Height and width of the patch in pixels" in shown  # from the docstring


# Another form of a baseline or a list, and methods whose flags are of the kinds of others.
ALIKE = (0, 4, 5, 7)
GIVEN = [
    (["--method", "integrated_gradients", "--steps", "7", "--baseline", "0.5"], {"steps": 7, "baseline": 0.5}),
    (
        ["--method", "integrated_gradients", "--steps=3", "--baseline", "zeros, blurred"],
        {"baseline": ["zeros", "blurred"]},
    ),
    (["--method", "integrated_gradients", "--baseline", "0.1,0.2,1"], {"baseline": [0.1, 0.2, 1.0]}),
    (["--method", "occlusion", "--patch", "5", "--stride", "2", "--fill", "mean"], {"patch": 5, "stride": 2}),
    (["--method", "rise", "--masks", "9", "--cell-size", "4", "--probability", "0.3"], {"masks": 9, "cell_size": 4}),
    (["--method", "score_cam", "--max-channels", "2", "--no-upsample"], {"max_channels": 2, "upsample": False}),
    (
        ["--method", "xrai", "--scales", "9e3,4e4", "--smallest-segment", "0", "--dilation", "9.5"],
        {"baseline": ["black", "white"], "scales": [9000.0, 40000.0], "smallest_segment": 0, "dilation": 9.5},
    ),
    (["--method", "xrai", "--scales", "30000"], {"steps": 50, "scales": 30000}),
    (["--method", "grad_cam", "--layer", "conv1"], {"layer": "conv1", "upsample": True, "placement": "convention"}),
    (
        ["--method", "smooth_grad", "--of", "grad_cam", "--layer", "conv1", "--samples", "3"],
        {"of": "grad_cam", "samples": 3, "options": {"layer": "conv1", "upsample": True, "placement": "convention"}},
    ),
]


@pytest.mark.parametrize(
    "flags, expected",
    [pytest.param(*each, marks=[pytest.mark.slow] * (place in ALIKE)) for place, each in enumerate(GIVEN)],
)
@pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning")
@pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning")
def test_flags_reach_the_method(run, tmp_path, flags, expected):
    status, out, _ = explain(run, *flags)
    assert status == 0 and "one.tfviz.png" in out
    name = flags[1]
    manifest = json.loads((tmp_path / "tfviz-output" / "manifest.json").read_text())
    options = manifest["methods"][name]["options"]
    assert {key: options[key] for key in expected} == expected
    given = dict(options)
    if isinstance(given.get("baseline"), list) and isinstance(given["baseline"][0], float):
        given["baseline"] = np.array(given["baseline"])
    images = read_image("one.png")[np.newaxis] / np.float32(255)
    expected_map = getattr(tfviz, name)(model_of("functional"), images, **given)[0]
    written = np.load(tmp_path / "tfviz-output" / f"one.{name}.npy")
    np.testing.assert_allclose(written, expected_map, rtol=1e-4, atol=1e-5 * np.abs(expected_map).max())


def test_several_layers(run, tmp_path):
    status, out, _ = explain(
        run, "--method", "layer_cam", "--method", "hires_cam", "--layer", "conv1", "--layer", "conv2"
    )
    assert status == 0
    names = ["layer_cam@conv1", "layer_cam@conv2", "hires_cam@conv1", "hires_cam@conv2"]
    assert list(json.loads((tmp_path / "tfviz-output" / "manifest.json").read_text())["methods"]) == names
    assert all((tmp_path / "tfviz-output" / f"one.{name}.npy").exists() for name in names)
    assert "layer_cam@conv1, hires_cam@conv1: layer conv1" in out


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--method", "saliency", "--steps", "5"], "steps is given (5), but to none of: saliency; it is an option of"),
        (["--method", "rise", "--masks", "many"], "masks is 'many', expected an integer of at least 1"),
        (["--method", "occlusion", "--patch", "99"], "patch is 99, larger than the image of 16x16 pixels"),
        (["--method", "smooth_grad", "--of", "gradients"], "no method 'gradients'; did you mean 'gradient'"),
        (["--method", "grad_cam", "--layer", "scores"], "'scores' has no spatial map (its shape is (5,))"),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, flags, message):
    status, out, err = explain(run, *flags)
    assert status == 1 and not out and len(err.splitlines()) == 1 and message in err
    assert not (tmp_path / "tfviz-output").exists()


def test_an_unknown_flag(run):
    status, _, err = explain(run, "--stepz", "5")
    assert status == 2 and "No such option" in err and "--stepz" in err


@pytest.mark.parametrize(
    "given, own", [("--class-names", "--labels"), ("--class_names=x", "--labels"), ("--targets", "--target")]
)
def test_a_name_of_pythons_is_told_that_of_the_command_line(run, given, own):
    status, _, err = explain(run, given, "x")
    assert status == 2 and f"{given.partition('=')[0]} is called {own} on the command line" in err


def test_a_name_of_pythons_is_not_told_one_that_the_command_has_not(run):
    assert "called" not in run("layers", "--class-names", "x")[2]


def test_a_zero_map_of_one_of_several_layers_is_named(run):
    _, _, err = explain(
        run, "--method", "grad_cam", "--layer", "conv1", "--layer", "conv2", "--target", "0", "--target", "2"
    )
    for line in err.splitlines():
        assert re.match(r"tfviz: warning: grad_cam@conv[12] is zero everywhere for one.png", line)


def test_layers_whose_path_has_slashes_become_files(run, tmp_path):
    status, _, _ = run(
        *("localize", "one.png", "--model", "own.keras", "--preprocess", "0..1", "--method", "grad_cam", "--save-maps"),
        *("--layer", "conv1/convolution", "--layer", "conv2", "--target", "1"),
    )
    assert status == 0
    names = {path.name for path in (tmp_path / "tfviz-output").iterdir()}
    entry = json.loads((tmp_path / "tfviz-output" / "manifest.json").read_text())["results"][0]
    assert {*entry["maps"].values(), *entry["masks"].values()} <= names
    assert len(entry["masks"]) == 2


def test_places_of_a_map_with_a_background(run, tmp_path):
    """The background of RISE is the mean probability, which would all be above a part of the maximum."""
    run(
        "localize",
        "one.png",
        "--model",
        "own.keras",
        "--preprocess",
        "0..1",
        "--method",
        "rise",
        "--how",
        "threshold",
        "--threshold",
        "0.9",
    )
    entry = json.loads((tmp_path / "tfviz-output" / "manifest.json").read_text())["results"][0]
    assert entry["boxes"]["rise"] != [0, 0, SIZE, SIZE]


def test_what_a_method_says_of_its_result_is_said(run, tmp_path):
    _, _, err = explain(run, "--method", "integrated_gradients", "--steps", "1", "--baseline", "uniform")
    (line,) = [line for line in err.splitlines() if "completeness" in line]
    assert line.startswith("tfviz: warning: one.png (class 4): integrated_gradients misses completeness by up to")
    assert "image 0" not in line
    warnings = json.loads((tmp_path / "tfviz-output" / "manifest.json").read_text())["warnings"]
    assert any("misses completeness" in each for each in warnings)
