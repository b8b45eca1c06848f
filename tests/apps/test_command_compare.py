"""`tfviz compare` as a person runs it: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import csv
import json

import cv2
import keras
import numpy as np
import pytest
from support.model_zoo import randomise

import tfviz
from tfviz.apps.command.compare import METRIC_NAMES
from tfviz.results.metrics import METRICS

pytestmark = [pytest.mark.usefixtures("shared_networks"), pytest.mark.xdist_group("tfviz compare")]
FEW = ("--method", "saliency", "--method", "grad_cam", "--metric", "deletion")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The options of a model, and a folder with pictures."""
    folder = tmp_path_factory.mktemp("own")
    image = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image))
    model = randomise(keras.Model(image, keras.layers.Dense(3, activation="softmax")(x)))
    model.save(folder / "own.keras")
    random = np.random.default_rng(1)
    for name in ("a", "b", "c"):
        cv2.imwrite(str(folder / f"{name}.png"), random.integers(0, 256, (16, 16, 3)).astype(np.uint8))
    return folder, ("--model", folder / "own.keras", "--preprocess", "0..1", "--fit", "stretch")


def test_the_table_and_its_files(run, own, tmp_path):
    folder, model = own
    status, out, _ = run("compare", folder, *model, *FEW, "--output", tmp_path / "found")
    assert status == 0
    assert "deletion ↓" in out and "saliency" in out and "random_map" in out and "Means over 3 images" in out
    pictures = [cv2.imread(str(folder / f"{name}.png"))[..., ::-1] / np.float32(255) for name in ("a", "b", "c")]
    expected = tfviz.compare(
        keras.models.load_model(folder / "own.keras"),
        np.stack(pictures),
        methods=["saliency", "grad_cam"],
        metrics="deletion",
    )
    content = json.loads((tmp_path / "found" / "comparison.json").read_text())
    for row, values in content["metrics"]["deletion"]["values"].items():
        np.testing.assert_allclose(values, expected.table.values["deletion"][row], atol=1e-6)
    with open(tmp_path / "found" / "comparison.csv", newline="") as file:
        assert [line["row"] for line in csv.DictReader(file)] == list(expected.rows)
    status, out, _ = run("compare", folder, *model, *FEW, "--output", tmp_path / "found")
    assert status == 0 and "replaces what another run had written: comparison.csv, comparison.json" in out


def test_options_of_methods_and_a_target(run, own, tmp_path):
    folder, model = own
    options = ("--method", "smooth_grad", "--samples", "2", "--metric", "insertion", "--target", "2")
    status, _, err = run("compare", folder, *model, *options, "--output", tmp_path)
    content = json.loads((tmp_path / "comparison.json").read_text())
    assert status == 0, err
    assert content["methods"]["smooth_grad"]["options"]["samples"] == 2 and content["targets"] == [2, 2, 2]


def test_a_file_that_cannot_be_read_is_left_out(run, own, tmp_path):
    folder, model = own
    (tmp_path / "broken.png").write_bytes(b"nothing")
    pictures = [folder / "a.png", folder / "b.png", tmp_path / "broken.png"]
    status, out, err = run("compare", *pictures, *model, *FEW, "--output", tmp_path / "found")
    assert status == 1 and "broken.png" in err and "Means over 2 images" in out


@pytest.mark.parametrize(
    "options, message",
    [
        (("--metric", "deletoin"), "no metric 'deletoin'; did you mean 'deletion'"),
        (("--method", "grad_cma"), "no method 'grad_cma'; did you mean 'grad_cam'"),
        (("--layer", "conv9"), "no layer 'conv9'"),
        (("--target", "7"), "7"),
        (("missing.png",), "missing.png does not exist"),
    ],
)
def test_mistakes_write_nothing(run, own, tmp_path, options, message):
    folder, model = own
    status, _, err = run(
        "compare", folder / "a.png", folder / "b.png", *model, *options, "--output", tmp_path / "found"
    )
    assert status != 0 and message in err and "Traceback" not in err and not (tmp_path / "found").exists()


def test_the_names_of_the_metrics():
    assert set(METRIC_NAMES) == {name for name, each in METRICS.items() if each.takes != "masks"}
