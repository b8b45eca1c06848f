"""The manifests of `tfviz explain` and `tfviz batch`: of the same run they say the same."""

from __future__ import annotations

import json

import cv2
import keras
import numpy as np
import pytest
from keras import layers

SIDE = 12
ROWS = {"results", "inputs", "target", "runner", "run", "counts"}
"""What only one of the commands has."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A network with two kinds of nonlinearities, and a file of 12 bits."""
    folder = tmp_path_factory.mktemp("place")
    image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(2, 3, activation="relu")(image)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3, activation="gelu")(x))
    keras.Model(image, layers.Dense(2, activation="softmax")(x)).save(folder / "mixed.keras")
    pixels = np.random.default_rng(0).integers(0, 4096, (SIDE, SIDE, 3)).astype(np.uint16)
    cv2.imwrite(str(folder / "xray.png"), pixels)
    return folder


@pytest.fixture
def both(run, place, tmp_path):
    """Explain the file by both commands, and compare the manifests; return what the second said, and its manifest."""

    def commands(*options):
        model = ["--model", place / "mixed.keras", *options]
        explained, *_ = run("explain", place / "xray.png", *model, "--save-maps", "--output", "one")
        batched, _, said = run("batch", "--input", place / "xray.png", *model, "--output", "two")
        assert (explained, batched) == (0, 0)
        one, two = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("one", "two"))
        assert {name: one[name] for name in one.keys() - ROWS} == {name: two[name] for name in two.keys() - ROWS}
        return said, two

    return commands


@pytest.mark.parametrize(
    "options, key, expected",
    [
        (["--depth", "12"], "depth", "12"),
        (["--depth", "raw", "--preprocess", "mean=0;std=4095"], "depth", "raw"),
        (["--depth", "full"], "depth", None),
        (["--depth", "12", "--fit", "crop", "--precision", "bfloat16"], "fit", "crop"),
    ],
)
def test_both_say_the_same(both, options, key, expected):
    assert both("--method", "gradient", *options)[1]["preprocessing"].get(key) == expected


@pytest.mark.parametrize(
    "options, methods",
    [
        (["guided_backprop", "--depth", "12", "--preprocess", "0..1"], ["guided_backprop"]),
        (["deconvnet", "--depth", "12"], ["deconvnet"]),
        (["smooth_grad", "--of", "guided_backprop", "--samples", "2", "--depth", "12"], ["guided_backprop"]),
        (["gradient", "--depth", "12", "--preprocess", "0..1"], []),
    ],
)
def test_both_warn_of_the_method(both, options, methods):
    """On the terminal as in the manifest, which holds what is assumed of the preprocessing as well."""
    said, manifest = both("--method", *options)
    assert said == "".join(f"tfviz: warning: {each}\n" for each in manifest["warnings"])
    about_method = [
        each.split()[0] for each in manifest["warnings"] if "left the plain gradient at 1 erf (GELU)" in each
    ]
    assert about_method == methods and len(manifest["warnings"]) == len(methods) + ("--preprocess" not in options)
