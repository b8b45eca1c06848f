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
from tfviz.apps.command.compare import METRIC_NAMES, PLACE_METRICS, read_metrics
from tfviz.errors import TfvizError
from tfviz.images import fit_image, read_image
from tfviz.results.comparison import number_text
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
    assert set(PLACE_METRICS) == {name for name, each in METRICS.items() if each.takes == "masks"}


@pytest.mark.parametrize(
    "texts, expected",
    [
        (["deletion", "insertion"], {"deletion": {}, "insertion": {}}),
        (["deletion:like=rise:steps=20", "road"], {"deletion": {"like": "rise", "steps": 20}, "road": {}}),
        (["infidelity:scaled=true: fill = 0.5"], {"infidelity": {"scaled": True, "fill": 0.5}}),
    ],
)
def test_options_of_metrics(texts, expected):
    assert read_metrics(texts) == expected


def test_lists_in_options_of_metrics():
    np.testing.assert_array_equal(read_metrics(["road:percentages=10,50"])["road"]["percentages"], [10, 50])


@pytest.mark.parametrize(
    "texts, message",
    [
        (
            ["deletion:steps"],
            "--metric deletion:steps: expected deletion:OPTION=VALUE, with a colon before each option",
        ),
        (["deletion:=2"], "expected deletion:OPTION=VALUE"),
        (["deletion", "road", "deletion:steps=2"], "the metric deletion is named twice"),
    ],
)
def test_options_of_metrics_that_cannot_be_read(texts, message):
    with pytest.raises(TfvizError, match=message):
        read_metrics(texts)


def test_options_of_a_metric_are_those_of_python(run, own, tmp_path):
    folder, model = own
    asked = ("--method", "saliency", "--metric", "deletion:like=rise:steps=3", "--metric", "road:percentages=30,60")
    status, _, err = run("compare", folder, *model, *asked, "--output", tmp_path)
    assert status == 0, err
    found = json.loads((tmp_path / "comparison.json").read_text())["metrics"]
    images = np.stack([read_image(folder / f"{name}.png") for name in ("a", "b", "c")]) / np.float32(255)
    expected = tfviz.compare(
        keras.models.load_model(folder / "own.keras"),
        images,
        methods=["saliency"],
        metrics={"deletion": {"like": "rise", "steps": 3}, "road": {"percentages": (30, 60)}},
    )
    for metric, values in expected.table.values.items():
        np.testing.assert_allclose(found[metric]["values"]["saliency"], values["saliency"], atol=1e-6)
    status, _, err = run("compare", folder, *model, "--metric", "deletion:stepps=3", "--output", tmp_path)
    assert status == 1 and "deletion has no option 'stepps'; did you mean 'steps'" in err


@pytest.fixture(scope="module")
def marked(own, tmp_path_factory):
    """Pictures of several sizes and proportions with masks of theirs, and the same places as boxes."""
    folder = tmp_path_factory.mktemp("marked")
    random, boxes = np.random.default_rng(2), {"a": (9, 14, 8, 12), "b": (20, 10, 30, 8), "c": (3, 5, 9, 7)}
    (folder / "masks").mkdir()
    for (name, (x, y, width, height)), size in zip(boxes.items(), [(40, 30), (30, 70), (16, 16)], strict=True):
        cv2.imwrite(str(folder / f"{name}.jpg"), random.integers(0, 256, (*size, 3)).astype(np.uint8))
        mask = np.zeros(size, np.uint8)
        mask[y : y + height, x : x + width] = 1
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)
    rows = [f"{name}.jpg,{','.join(map(str, box))}" for name, box in boxes.items()]
    (folder / "boxes.csv").write_text("\n".join(["file,x,y,width,height", *rows]))
    (folder / "boxes.json").write_text(json.dumps({f"{name}.jpg": [box] for name, box in boxes.items()}))
    return folder, {name: cv2.imread(str(folder / "masks" / f"{name}.png"), 0) > 0 for name in boxes}


PLACED = ("--method", "saliency", "--method", "grad_cam", "--metric", "energy_in_mask", "--metric", "localisation_auc")


def fitted(mask, how):
    """A mask of 16x16, pixel by pixel: the pixel of the picture, or of its centre, that the middle of each falls on."""
    height, width = mask.shape
    if mask.shape == (16, 16):
        return mask
    kept_height, kept_width = height, width
    if how != "stretch":
        part = 0.875 if how == "crop" else 1
        kept_height = kept_width = round(part * min(height, width))
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    rows = [top + int((row + 0.5) * kept_height / 16) for row in range(16)]
    columns = [left + int((column + 0.5) * kept_width / 16) for column in range(16)]
    return np.array([[mask[row, column] for column in columns] for row in rows])


@pytest.mark.parametrize(
    "source, fit", [("masks", "stretch"), ("masks", "crop"), ("boxes.csv", "cover"), ("boxes.json", "crop")]
)
def test_true_places_are_fitted_as_the_pictures_are(run, own, marked, tmp_path, source, fit):
    """Beside a mask fitted pixel by pixel, the share of a map computed by hand, and the same in Python."""
    folder, masks = marked
    model = (*own[1][:-1], fit)
    pictures = folder if source == "masks" else folder / "*.jpg"
    options = ("--true-masks", folder / source, "--output", tmp_path / "found")
    status, out, err = run("compare", pictures, *model, *PLACED, *options)
    assert status == 0, err
    assert "Means over 3 images" in out and err == ""
    found = json.loads((tmp_path / "found" / "comparison.json").read_text())["metrics"]
    network = keras.models.load_model(own[0] / "own.keras")
    images = np.stack([fit_image(read_image(folder / f"{name}.jpg"), (16, 16), fit) for name in masks])
    places = np.stack([fitted(each, fit) for each in masks.values()])
    assert places.any(axis=(1, 2)).all() and not places.all(axis=(1, 2)).any()
    images = images / np.float32(255)
    for method in ("saliency", "grad_cam"):
        maps = np.maximum(getattr(tfviz, method)(network, images), 0)
        shares = [maps[row][places[row]].sum() / maps[row].sum() for row in range(3)]
        np.testing.assert_allclose(found["energy_in_mask"]["values"][method], shares, rtol=1e-5)
    expected = tfviz.compare(
        network, images, methods=["saliency", "grad_cam"], metrics=["energy_in_mask", "localisation_auc"], masks=places
    )
    for metric, values in expected.table.values.items():
        for row, each in values.items():
            np.testing.assert_allclose(found[metric]["values"][row], each, rtol=1e-5, atol=1e-6)


def test_with_places_the_usual_metrics_are_one_more(run, own, marked, tmp_path):
    folder, _ = marked
    options = ("--method", "saliency", "--true-masks", folder / "masks", "--output", tmp_path)
    status, _, err = run("compare", folder / "a.jpg", folder / "b.jpg", *own[1], *options)
    assert status == 0, err
    found = json.loads((tmp_path / "comparison.json").read_text())["metrics"]
    assert [*found] == ["deletion", "insertion", "max_sensitivity", "sparseness", "energy_in_mask"]
    markdown = (tmp_path / "comparison.md").read_text()
    assert "energy\\_in\\_mask ↑" in markdown or "energy_in_mask ↑" in markdown


def test_the_samples_bring_their_masks(run, tmp_path):
    options = ("--method", "saliency", "--metric", "energy_in_mask", "--output", tmp_path)
    status, _, err = run("compare", *options)
    assert status == 0, err
    found = json.loads((tmp_path / "comparison.json").read_text())["metrics"]["energy_in_mask"]["values"]
    made = tfviz.demo.generate(80, 3)
    images = np.stack([read_image(path) for path in tfviz.demo.sample_paths()])
    rows = [next(row for row in range(80) if (made.images[row] == image).all()) for image in images]
    maps = np.maximum(tfviz.saliency(tfviz.demo.load_network(), images.astype(np.float32)), 0)
    shares = [each[mask].sum() / each.sum() for each, mask in zip(maps, made.masks[rows], strict=True)]
    np.testing.assert_allclose(found["saliency"], shares, rtol=1e-4)


def spoil(folder, tmp_path, name, mask):
    """A copy of the masks, of which one is another."""
    copy = tmp_path / "spoilt"
    copy.mkdir()
    for path in (folder / "masks").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    cv2.imwrite(str(copy / name), mask)
    return copy


@pytest.mark.parametrize(
    "mask, message",
    [
        (np.ones((39, 30), np.uint8), "a.png has 30x39 pixels, but"),
        (np.zeros((40, 30), np.uint8), "a.jpg is empty: no pixel is above zero"),
        (np.eye(40, 30, 39, dtype=np.uint8) + np.eye(40, 30, -39, dtype=np.uint8), "nothing is left of the true place"),
    ],
)
def test_a_place_that_does_not_fit_leaves_its_picture_out(run, own, marked, tmp_path, mask, message):
    folder, _ = marked
    source = spoil(folder, tmp_path, "a.png", mask)
    model = (*own[1][:-1], "crop")
    options = ("--true-masks", source, "--output", tmp_path / "found")
    status, out, err = run("compare", folder / "*.jpg", *model, *PLACED, *options)
    assert status == 1 and "Means over 2 images" in out
    assert message in err and "a.jpg" in err and err.count("\n") == 1


def test_masks_in_jpeg_are_warned_about_once(run, own, marked, tmp_path):
    folder, _ = marked
    (tmp_path / "jpeg").mkdir()
    for path in (folder / "masks").iterdir():
        cv2.imwrite(str(tmp_path / "jpeg" / f"{path.stem}.jpg"), 255 * cv2.imread(str(path), 0))
    options = ("--true-masks", tmp_path / "jpeg", "--output", tmp_path / "found")
    status, _, err = run("compare", folder / "*.jpg", *own[1], *PLACED, *options)
    assert status == 0 and err.count("\n") == 1
    assert "warning: masks in JPEG, such as that of a.jpg, have grey beside their edges, which counts as inside" in err


def test_boxes_of_other_files_are_warned_about(run, own, marked, tmp_path):
    folder, _ = marked
    options = ("--true-masks", folder / "boxes.csv", "--output", tmp_path / "found")
    status, _, err = run("compare", folder / "a.jpg", folder / "b.jpg", *own[1], *PLACED, *options)
    assert status == 0
    assert err == f"tfviz: warning: {folder / 'boxes.csv'} has boxes of files that are not among the images: c.jpg\n"


@pytest.mark.parametrize(
    "options, message",
    [
        (("--metric", "energy_in_mask"), "energy_in_mask compares with true places: give --true-masks, masks or boxes"),
        (("--metric", "deletion", "--metric", "pointing_game:tolerance=0"), "pointing_game compares with true places"),
        (("--metric", "top_k_intersection", "--metric", "relevance_rank"), "top_k_intersection compares with true"),
        (
            ("--metric", "deletion", "--true-masks", "{masks}"),
            "none of the metrics compares with them: deletion; pointing_",
        ),
        (
            ("--metric", "road", "--metric", "sparseness", "--true-masks", "{masks}"),
            "compares with them: road, sparsene",
        ),
        (("--metric", "grid_pointing_game", "--true-masks", "{masks}"), "compares with them: grid_pointing_game"),
        (("--true-masks", "nowhere"), "nowhere does not exist; expected a folder of masks or a table of boxes"),
        (("--masks", "{masks}"), "--masks is the number of random masks of rise; masks of the images are --true-masks"),
        (("--true-masks", "{other}"), "has no mask for"),
    ],
)
def test_places_and_metrics_that_do_not_go_together(run, own, marked, tmp_path, options, message):
    folder, _ = marked
    (tmp_path / "other").mkdir()
    cv2.imwrite(str(tmp_path / "other" / "z.png"), np.ones((40, 30), np.uint8))
    options = [each.format(masks=folder / "masks", other=tmp_path / "other") for each in options]
    status, _, err = run(
        "compare", folder / "a.jpg", folder / "b.jpg", *own[1], *options, "--output", tmp_path / "found"
    )
    assert status == 1 and message in err and err.count("\n") == 1 and not (tmp_path / "found").exists()


def test_places_without_images_are_a_mistake_of_usage(run, marked):
    status, _, err = run("compare", "--true-masks", marked[0] / "masks")
    assert status == 2 and "--true-masks is about image files; name them, too" in err


def test_a_narrow_terminal_breaks_no_number(run, own, tmp_path, monkeypatch):
    folder, model = own
    monkeypatch.setenv("COLUMNS", "80")
    metrics = ("deletion", "insertion", "average_drop", "sparseness", "increase_in_confidence", "effective_complexity")
    named = [each for metric in metrics for each in ("--metric", metric)]
    status, out, err = run("compare", folder, *model, "--method", "saliency", *named, "--output", tmp_path)
    assert status == 0, err
    table = out.partition("Means over")[0]
    assert all(len(line) <= 80 for line in table.splitlines())
    headings = [line for line in table.splitlines() if line.strip().startswith("method")]
    assert len(headings) > 1 and all(metric in " ".join(headings) for metric in metrics)
    numbers = json.loads((tmp_path / "comparison.json").read_text())["metrics"]
    for metric in metrics:
        low, high = (numbers[metric]["summaries"]["saliency"][each] for each in ("low", "high"))
        assert f"{number_text(low)} to {number_text(high)}" in table


def test_one_image_and_one_method_in_words(run, own, tmp_path):
    folder, model = own
    status, out, err = run("compare", folder / "a.png", *model, "--method", "saliency", "--metric", "sparseness")
    assert status == 0 and "Means over 1 image, by" in out
    assert "there are no intervals" in err
