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


@pytest.mark.parametrize(
    "options, key, expected",
    [
        (["--depth", "12"], "depth", "12"),
        (["--depth", "raw", "--preprocess", "mean=0;std=4095"], "depth", "raw"),
        (["--depth", "full"], "depth", None),
        (["--depth", "12", "--fit", "crop", "--precision", "bfloat16"], "fit", "crop"),
    ],
)
def test_both_say_the_same(run, place, tmp_path, options, key, expected):
    arguments = ["--model", place / "mixed.keras", "--method", "gradient", *options]
    explained, *_ = run("explain", place / "xray.png", *arguments, "--save-maps", "--output", "one")
    batched, *_ = run("batch", "--input", place / "xray.png", *arguments, "--output", "two")
    assert (explained, batched) == (0, 0)
    one, two = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("one", "two"))
    assert {name: one[name] for name in one.keys() - ROWS} == {name: two[name] for name in two.keys() - ROWS}
    assert two["preprocessing"].get(key) == expected
