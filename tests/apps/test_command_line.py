"""The command as a person runs it: files, tables, errors in one line, silence."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import cv2
import keras
import numpy as np
import PIL.Image
import pytest
from keras import layers
from support.commands import blind, manifest_in, picture_of
from support.model_zoo import CLASSES, SHAPE, SIZE, model_of, open_size, randomise
from support.places import ROOT

import tfviz
from tfviz import demo
from tfviz.apps.command import options as command_options
from tfviz.methods.visualization import (
    PRESETS,
    Channel,
    Class,
    Direction,
    Layer,
    Neuron,
    color_statistics,
    feature_visualization,
)
from tfviz.network.traced.fingerprint import fingerprint
from tfviz.results.colors import DEFAULT_COLORMAP

SHARED = ROOT.parent / "shared"
SQUEEZENET = SHARED / "models" / "squeezenet_imagenet.keras"

# What opens the same network again is in the process where it is open.
pytestmark = [pytest.mark.usefixtures("shared_networks"), pytest.mark.xdist_group("tfviz explain")]
# What a manifest says of a model of one input and one output.
WHOLE = {"signature": None, "input": "images", "others": [], "outputs": ["0"], "cut": None, "precision": "float32"}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The user's own model, images and class names."""
    folder = tmp_path_factory.mktemp("own")
    model_of("functional").save(folder / "own.keras")
    (folder / "names.txt").write_text("ant\nbee\ncow\ndog\nemu\n")
    generator = np.random.default_rng(0)
    for name in ("one", "two", "three"):
        cv2.imwrite(str(folder / f"{name}.png"), generator.integers(0, 256, (SIZE, SIZE, 3), np.uint8))
    return folder


def test_the_demo(run, tmp_path):
    status, out, err = run("explain", "--save-maps", "--output", "found")
    assert (status, err) == (0, "")
    assert "found/demo.tfviz.png" in out and "grad_cam: layer block5_conv3, the default" in out
    assert "the logit before the softmax" in out
    saved = manifest_in(tmp_path / "found")
    assert list(saved["methods"]) == ["saliency", "grad_cam", "guided_backprop"]
    network = demo.load_network()
    traced = tfviz.trace(network)
    for path, result in zip(demo.sample_paths(), saved["results"], strict=True):
        image = picture_of(path).astype(np.float32)
        assert result["class"] == path.stem.replace("-", " ") and result["class"] in out
        assert result["probability"] == pytest.approx(float(network(image[np.newaxis]).numpy().max()), rel=1e-4)
        assert f"{result['score']:.3f}" in out and f"{result['probability']:.4f}" in out
        direct_maps = tfviz.explain(traced, image[np.newaxis], methods=list(result["maps"])).maps
        for method, file in result["maps"].items():
            direct = direct_maps[method][0]
            found = np.load(tmp_path / "found" / file)
            assert np.linalg.norm(found - direct) < 1e-4 * np.linalg.norm(direct)
    picture = picture_of(tmp_path / "found" / "demo.tfviz.png")
    assert picture.shape[1] > picture.shape[0] and picture.std() > 20


def test_the_bare_command_shows_photographs_and_shapes(run, tmp_path):
    """As the README's first command does: a picture by each network, the first of photographs."""
    status, out, err = run("explain")
    assert (status, err) == (0, "")
    tables = out.split("; the score is the logit before the softmax")
    assert tables[0].endswith("explained, by efficientnet-lite0") and tables[1].endswith("explained, by demo")
    assert all(name in tables[0] for name in ("coffee", "espresso", "chelsea", "tiger cat"))
    assert "red striped circle" in tables[1] and "class_visualization" not in tables[0]
    shown = [picture_of(tmp_path / "tfviz-output" / f"{name}.tfviz.png") for name in ("efficientnet-lite0", "demo")]
    assert all(picture.std() > 20 for picture in shown)


def test_a_model_of_ones_own(run, own, tmp_path):
    """The maps are those of the method on the image that is preprocessed by hand."""
    status, out, err = run(
        "explain", own / "one.png", "--model", own / "own.keras", "--preprocess", "mean=10,20,30;std=5;order=bgr",
        "--save-maps", "--method", "grad_cam", "--method", "gradient", "--target", "cow",
        "--labels", own / "names.txt", "--layer", "conv1",
    )  # fmt: skip
    assert (status, err) == (0, "") and "layer conv1\n" in out and "cow (2)" in out
    inputs = (cv2.imread(str(own / "one.png")).astype(np.float32) - [10, 20, 30]) / 5
    folder = tmp_path / "tfviz-output"
    cam = tfviz.grad_cam(model_of("functional"), inputs, 2, layer="conv1")[0]
    np.testing.assert_allclose(np.load(folder / "one.grad_cam.npy"), cam, rtol=1e-4, atol=1e-6)
    gradient = tfviz.gradient(model_of("functional"), inputs, 2)[0]
    np.testing.assert_allclose(np.load(folder / "one.gradient.npy"), gradient, rtol=1e-4, atol=1e-6)
    saved = manifest_in(folder)
    found = fingerprint(tfviz.trace(model_of("functional")))
    assert saved["model"] == {"name": "own", "path": str(own / "own.keras"), "fingerprint": found, **WHOLE}
    assert saved["preprocessing"] == {
        "name": "mean=10,20,30;std=5;order=bgr",
        "order": "bgr",
        "size": [SIZE, SIZE],
        "fit": "stretch",
        "interpolation": "keras",
    }
    (result,) = saved["results"]
    assert (result["target"], result["class"], result["image"]) == (2, "cow", str(own / "one.png"))
    scores = tfviz.trace(model_of("functional")).logits(inputs)
    assert result["score"] == pytest.approx(float(scores[0, 2]), rel=1e-4)


def test_the_assumed_preprocessing_is_said(run, own, tmp_path):
    status, _, err = run("explain", own / "one.png", "--model", own / "own.keras", "--save-maps")
    expected = "tfviz: warning: own.keras gets pixels of 0..255 in the order rgb, as no --preprocess says otherwise\n"
    assert (status, err) == (0, expected)
    assert [f"tfviz: warning: {said}\n" for said in manifest_in(tmp_path / "tfviz-output")["warnings"]] == [expected]


def test_images_get_the_size_of_the_network(run, own, tmp_path):
    """Those of a model of yours are stretched, cropped ones lose their edges, those of the size stay as they are."""
    wide = np.random.default_rng(4).integers(0, 256, (2 * SIZE, 4 * SIZE, 3), np.uint8)
    cv2.imwrite("wide.png", wide)
    blocks = wide.reshape(SIZE, 2, SIZE, 4, 3)[..., ::-1]
    # Halfway between two pixels in both directions, which of four are those in the middle.
    keras, area = blocks[:, :, :, 1:3].mean(axis=(1, 3)), blocks.mean(axis=(1, 3))
    for fit, interpolation, expected in ((None, None, keras), ("stretch", "area", area), ("crop", None, None)):
        more = ["--fit", fit] if fit else []
        more += ["--interpolation", interpolation] if interpolation else []
        arguments = ["--save-maps", "--method", "input_x_gradient", "--method", "gradient", "--output", str(fit), *more]
        assert run(*quiet(own, "wide.png", *arguments))[0] == 0
        described = manifest_in(tmp_path / str(fit))["preprocessing"]
        assert (described["fit"], described["interpolation"]) == (fit or "stretch", interpolation or "keras")
        product, gradient = (np.load(f"{fit}/wide.{name}.npy") for name in ("input_x_gradient", "gradient"))
        seen = product / np.where(gradient == 0, np.nan, gradient) * 255
        if expected is None:
            assert np.nanmean(np.abs(seen - area)) > 20 and np.nanmean(np.abs(seen - keras)) > 20
        else:
            assert np.nanmax(np.abs(seen - expected)) < 1


def quiet(own, *more):
    return ("explain", "--model", own / "own.keras", "--preprocess", "0..1", *more)


def test_true_labels_and_dots(run, own, tmp_path):
    Path("labels.csv").write_text("file,class\none.png,cow\ntwo.png,4\nelse.png,what\n")
    status, out, err = run(
        *quiet(own, own / "one.png", own / "two.png", "--labels", own / "names.txt", "--method", "saliency"),
        "--true", "labels.csv", "--save-maps", "--dpi", 50, "--layout", "classes", "--top", 2, "--colorbar",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert [entry["true"] for entry in manifest_in(tmp_path / "tfviz-output")["results"]] == [2, 2, 4, 4]
    marked = [line.split() for line in out.splitlines() if line.rstrip().endswith("true")]
    assert ["cow" in line or "emu" in line for line in marked] == [True, True]
    with PIL.Image.open(tmp_path / "tfviz-output" / "one.tfviz.png") as picture:
        # Three columns, and a colour bar.
        assert picture.width == pytest.approx(50 * (3 * 2.4 + 0.6), abs=1)


@pytest.mark.parametrize(
    "text, said",
    [
        ("one.png,caw", "labels.csv, row 1: no class is called 'caw'; did you mean 'cow'?"),
        ("one.png,5", "labels.csv, row 1: target 5 is out of range: the model has 5 classes, 0 to 4"),
        ("two.png,1", "has no row for "),
    ],
)
def test_true_labels_that_do_not_fit(run, own, tmp_path, text, said):
    Path("labels.csv").write_text(text)
    status, out, err = run(*quiet(own, own / "one.png", "--labels", own / "names.txt", "--true", "labels.csv"))
    assert (status, out) == (1, "") and said in err and err.count("\n") == 1
    assert not (tmp_path / "tfviz-output").exists()


def test_true_labels_are_about_files(run):
    status, _, err = run("explain", "--true", "labels.csv")
    assert status == 2 and "--true is about image files" in err


def test_several_targets(run, own, tmp_path):
    status, out, err = run(*quiet(own, own, "--target", 1, "--target", 4, "--target", 1, "--save-maps"))
    assert (status, err) == (0, "") and "class 4" in out
    results = manifest_in(tmp_path / "tfviz-output")["results"]
    assert [result["target"] for result in results] == [1, 4] * 3
    files = {file for result in results for file in result["maps"].values()}
    assert len(files) == 18 and "two.class_4.grad_cam.npy" in files
    image = picture_of(own / "two.png") / np.float32(255)
    for target in (1, 4):
        found = np.load(tmp_path / "tfviz-output" / f"two.class_{target}.saliency.npy")
        np.testing.assert_allclose(
            found, tfviz.saliency(model_of("functional"), image, target)[0], rtol=1e-3, atol=1e-6
        )


def test_the_best_classes(run, own, tmp_path):
    status, _, err = run(*quiet(own, own / "one.png", "--top", 3, "--save-maps", "--batch-size", 2))
    assert (status, err) == (0, "")
    probabilities = model_of("functional")(picture_of(own / "one.png")[np.newaxis] / np.float32(255)).numpy()[0]
    results = manifest_in(tmp_path / "tfviz-output")["results"]
    assert [result["target"] for result in results] == np.argsort(-probabilities)[:3].tolist()
    np.testing.assert_allclose(
        [result["probability"] for result in results], np.sort(probabilities)[::-1][:3], rtol=1e-4
    )


def test_chunks_change_nothing(run, own, tmp_path):
    for size in (1, 8):
        assert run(*quiet(own, own, "--save-maps", "--batch-size", size, "--output", size))[0] == 0
    for file in ("one.grad_cam.npy", "two.saliency.npy", "three.guided_backprop.npy"):
        first, other = (np.load(tmp_path / str(size) / file) for size in (1, 8))
        np.testing.assert_allclose(other, first, rtol=1e-3, atol=1e-5)


def test_looks(run, own, tmp_path):
    looks = {"usual": [], "turbo": ["--colormap", "turbo"], "additive": ["--blend", "additive"]}
    for name, look in looks.items():
        assert run(*quiet(own, own / "one.png", "--method", "saliency", "--output", name, *look))[0] == 0
    pictures = [picture_of(tmp_path / name / "one.tfviz.png").astype(int) for name in looks]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(pictures[first] - pictures[second]).mean() > 0.5


def test_a_broken_picture_stops_no_other(run, own, tmp_path):
    (tmp_path / "broken.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    arguments = [own / "one.png", "broken.jpg", own / "two.png", "empty.jpg"]
    status, out, err = run(*quiet(own, *arguments, "--save-maps", "--batch-size", 3))
    assert status == 1 and "one.tfviz.png" in out and "two.tfviz.png" in out
    lines = err.splitlines()
    assert (
        len(lines) == 2
        and lines[0].startswith("tfviz: broken.jpg is not an image")
        and "empty.jpg is empty" in lines[1]
    )
    saved = manifest_in(tmp_path / "tfviz-output")
    assert len(saved["results"]) == 2 and list(saved["failed"]) == ["broken.jpg", "empty.jpg"]


def test_an_image_on_which_the_network_fails_stops_no_other(run, own, tmp_path):
    image = layers.Input(SHAPE)
    x = layers.Conv2D(2, 1, name="conv")(image)
    # The square of a bright image overflows in float16.
    x = layers.GlobalAveragePooling2D()(layers.Lambda(lambda x: x * x, dtype="float16", name="square")(x))
    keras.Model(image, layers.Dense(CLASSES, dtype="float32")(x)).export(tmp_path / "model")
    cv2.imwrite("dark.png", np.eye(SIZE, dtype=np.uint8) + 1)
    cv2.imwrite("white.png", np.full((SIZE, SIZE, 3), 255, np.uint8))
    arguments = ["dark.png", "white.png", "--model", "model", "--method", "gradient"]
    status, out, err = run("explain", *arguments, "--preprocess", "mean=0;std=0.1")
    assert status == 1 and "dark.tfviz.png" in out and "white.tfviz.png" not in out
    assert len(err.splitlines()) == 1 and err.startswith("tfviz: white.png: image 0 has no score that could be")


def test_equal_names_in_different_folders(run, own, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(f"{folder}/cat.png", np.full((SIZE, SIZE, 3), 90, np.uint8))
    assert run(*quiet(own, "a", "b"))[0] == 0
    assert {entry.name for entry in (tmp_path / "tfviz-output").iterdir()} == {"a_cat.tfviz.png", "b_cat.tfviz.png"}


def test_photographs_beside_the_results_stay_and_results_are_no_photographs(run, own, tmp_path):
    cv2.imwrite("cat.png", np.full((SIZE, SIZE, 3), 90, np.uint8))
    before = (tmp_path / "cat.png").read_bytes()
    assert run(*quiet(own, "cat.png", "--output", "."))[0] == 0
    assert (tmp_path / "cat.png").read_bytes() == before and (tmp_path / "cat.tfviz.png").exists()
    status, _, err = run(*quiet(own, ".", "--output", "."))
    assert (status, err) == (0, "tfviz: warning: 1 pictures that tfviz wrote (*.tfviz.png, *.tfviz.gif) are left out\n")
    assert not (tmp_path / "cat.tfviz.tfviz.png").exists()
    status, _, err = run(*quiet(own, "cat.tfviz.png"))
    assert status == 1 and err.startswith("tfviz: there are no other images: 1 pictures that tfviz wrote")


def test_red_stays_red_where_the_map_is_zero(run, tmp_path):
    cv2.imwrite("red.png", np.full((SIZE, SIZE, 3), (0, 0, 255), np.uint8))
    status, out, err = run(
        "explain", "red.png", "--model", blind(tmp_path), "--preprocess", "0..1", "--method", "grad_cam"
    )
    assert status == 0 and "its softmax" in out and "raw output: the model ends in no softmax" in out
    assert err.startswith("tfviz: warning: grad_cam is zero everywhere for red.png (class 0): the layer 'conv2d")
    assert err.endswith("is zero everywhere\n") and err.count("\n") == 1
    picture = picture_of(tmp_path / "tfviz-output" / "red.tfviz.png").reshape(-1, 3)
    colors, counts = np.unique(picture, axis=0, return_counts=True)
    found = {tuple(color.tolist()) for color, count in zip(colors, counts, strict=True) if count > 10_000}
    # The image, and its dimmed grey under the note that the map is zero.
    assert found == {(255, 255, 255), (255, 0, 0), (30, 30, 30)}


def test_one_raw_output_is_shown_as_its_value(run, tmp_path):
    model = keras.Sequential(
        [layers.Input(SHAPE), layers.Conv2D(2, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(1)]
    )
    randomise(model).save("price.keras")
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    cv2.imwrite("house.png", image)
    arguments = ["house.png", "--model", "price.keras", "--preprocess", "0..1", "--method", "saliency", "--save-maps"]
    status, out, err = run("explain", *arguments)
    value = float(model(image[np.newaxis, ..., ::-1].astype(np.float32) / 255)[0, 0])
    assert (status, err) == (0, "") and "class" not in out and "softmax" not in out.partition("explained, by")[0]
    header, _, row = out.splitlines()[1:4]
    assert header.split() == ["image", "raw", "output"] and row.split() == ["house", f"{value:.3f}", "*"]
    (result,) = manifest_in(tmp_path / "tfviz-output")["results"]
    assert (result["target"], result["class"], result["probability"]) == (None, None, None)
    status, out, err = run("localize", *arguments)
    header, _, row = out.splitlines()[1:4]
    assert (status, err) == (0, "") and header.split()[:3] == ["image", "method", "left"]
    assert row.split()[:2] == ["house", "saliency"] and len(row.split()) == 6
    model.set_weights([np.zeros_like(weights) for weights in model.get_weights()])
    model.save("price.keras")
    status, out, err = run("explain", *arguments)
    assert status == 0 and err.startswith("tfviz: warning: saliency is zero everywhere for house.png: ")
    assert out.splitlines()[3].split() == ["house", "0.000", "*"]


def test_numbers_too_small_for_their_decimals_are_not_shown_as_zero(run, tmp_path):
    """Three classes whose logits are those of the biases: 2.93e-11, -4e-4 and -20."""
    model = keras.Sequential(
        [layers.Input(SHAPE), layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")]
    )
    model.set_weights([np.zeros((3, 3)), np.array([2.93e-11, -4e-4, -20])])
    model.save("small.keras")
    cv2.imwrite("house.png", np.zeros((SIZE, SIZE, 3), np.uint8))
    (tmp_path / "names.txt").write_text("ant\nbee\ncow\n")
    given = ["--model", "small.keras", "--labels", "names.txt", "--preprocess", "0..1", "--method", "saliency"]
    status, out, _ = run("explain", "house.png", *given)
    assert (status, [line.split() for line in out.splitlines()[3:6]]) == (
        0,
        [
            ["house", "ant", "(0)", "2.9e-11", "0.5001", "*"],
            ["bee", "(1)", "-4.0e-04", "0.4999"],
            ["cow", "(2)", "-20.000", "1.0e-09"],
        ],
    )
    assert "ant (0)   saliency" in run("localize", "house.png", *given)[1]


def test_an_attribution_is_shown_in_red_green_blue(run, tmp_path):
    """The same network behind RGB and BGR inputs gives the same picture."""
    for name, order in (("rgb", [0, 1, 2]), ("bgr", [2, 1, 0])):
        model = keras.Sequential(
            [layers.Input(SHAPE), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3)]
        )
        kernel, *others = randomise(model).get_weights()
        model.set_weights([kernel[:, :, order], *others])
        model.save(f"{name}.keras")
    cv2.imwrite("image.png", np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), np.uint8))
    for name in ("rgb", "bgr"):
        arguments = ["--model", f"{name}.keras", "--method", "guided_backprop", "--output", name]
        assert run("explain", "image.png", *arguments, "--preprocess", f"std=255;order={name}")[0] == 0
    first, second = (picture_of(f"{name}/image.tfviz.png").astype(int) for name in ("rgb", "bgr"))
    assert np.abs(first - second).max() <= 2 and first.std() > 20


def test_a_grey_network_and_images_of_every_kind(run, tmp_path):
    model = keras.Sequential(
        [
            layers.Input((SIZE, SIZE, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1, "sigmoid"),
        ]
    )
    randomise(model).save("grey.keras")
    generator = np.random.default_rng(2)
    kinds = {"grey": ((20, 30), np.uint8), "alpha": ((20, 30, 4), np.uint8), "deep": ((20, 30, 3), np.uint16)}
    for name, (shape, dtype) in kinds.items():
        cv2.imwrite(f"{name}.png", generator.integers(0, np.iinfo(dtype).max, shape, dtype))
    status, out, err = run(
        "explain",
        "*.png",
        "--model",
        "grey.keras",
        "--preprocess",
        "0..1",
        "--save-maps",
        "--top",
        2,
        "--method",
        "saliency",
    )
    assert (status, err) == (0, "") and "the logit before the sigmoid" in out
    saved = manifest_in(tmp_path / "tfviz-output")
    assert saved["preprocessing"]["order"] == "grey" and len(saved["results"]) == 6
    for first, second in zip(saved["results"][::2], saved["results"][1::2], strict=True):
        assert first["score"] == -second["score"] > 0
        assert first["probability"] + second["probability"] == pytest.approx(1)


def test_a_network_of_open_size(run, own, tmp_path):
    randomise(open_size()).save("open.keras")
    arguments = ["explain", own / "one.png", "--model", "open.keras", "--preprocess", "0..1", "--save-maps"]
    status, _, err = run(*arguments, "--size", 40)
    assert (status, err) == (0, "")
    assert np.load("tfviz-output/one.saliency.npy").shape == (40, 40)
    assert "? × ? × 6" in run("layers", "open.keras")[1]


@pytest.mark.slow
def test_all_leaves_out_what_the_network_has_no_place_for(run, own, tmp_path, monkeypatch):
    model_of("silu").save("silu.keras")
    arguments = ["explain", own / "one.png", "--model", "silu.keras", "--preprocess", "0..1", "--save-maps"]
    few = ["--method", "all", "--masks", 2, "--samples", 2]
    status, _, err = run(*arguments, *few)
    assert status == 0
    left_out = [line.split()[2] for line in err.splitlines() if "is left out" in line]
    assert left_out == ["guided_backprop", "deconvnet", "guided_grad_cam"] and "is left out: guided_back" in err
    assert list(manifest_in(tmp_path / "tfviz-output")["methods"]) == [
        name for name in tfviz.METHODS if name not in left_out
    ]
    monkeypatch.setitem(sys.modules, "skimage", None)
    every = dict(tfviz.METHODS)
    for name in {*every} - {"saliency", "xrai"}:  # the others have just been explained
        del tfviz.METHODS[name]
    try:
        status, _, err = run(*arguments, "--method", "all")
    finally:  # in the order in which they were
        tfviz.METHODS.clear()
        tfviz.METHODS.update(every)
    assert status == 0 and "xrai is left out: xrai needs the package scikit-image: pip install scikit-image" in err
    status, _, err = run(*arguments)
    assert status == 0 and len(err.splitlines()) == 1
    status, _, err = run(*arguments, "--method", "deconvnet")
    assert status == 1 and err.startswith("tfviz: deconvnet changes how gradients pass ReLUs") and err.count("\n") == 1


PNG_OF_20000 = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    + (20000).to_bytes(4, "big") * 2
    + b"\x08\x02\0\0\0"
    + b"\0" * 40
    + b"IEND\xaeB`\x82"
)


def make_bad_files():
    picture = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    Path("text.jpg").write_text("I am no picture")
    Path("empty.png").touch()
    Path("cut.jpg").write_bytes(cv2.imencode(".jpg", picture)[1].tobytes()[:1500])
    cv2.imwrite("dot.png", picture[:1, :1])
    Path("huge.png").write_bytes(PNG_OF_20000)
    Path("folder").mkdir()
    Path("a_file").write_text("mine")
    Path("two.txt").write_text("one\ntwo\n")


BAD_INPUTS = [
    (["text.jpg"], "text.jpg is not an image"),
    (["empty.png"], "empty.png is empty"),
    (["cut.jpg"], "cut.jpg is cut off"),
    (["dot.png"], "dot.png has 1x1 pixels"),
    (["huge.png"], "huge.png has 20000x20000 pixels"),
    (["nothing.jpg"], "nothing.jpg does not exist"),
    (["*.gif"], "no image file"),
    (["ONE", "--layer", "conv3"], "no layer 'conv3' with a spatial map; did you mean 'conv"),
    (["ONE", "--method", "grad_camm"], "no method 'grad_camm'; did you mean 'grad_cam'"),
    (
        ["ONE", "--method", "saliency", "--layer", "conv1"],
        "layer is given ('conv1'), but to none of: saliency; it is an option of",
    ),
    (["ONE", "--target", "5"], "target 5 is out of range: the model has 5 classes, 0 to 4"),
    (["ONE", "--target", "bee"], "no class names to find 'bee' in"),
    (["ONE", "--top", "6"], "top is 6, but the network has only 5 classes"),
    (["ONE", "--labels", "two.txt"], "two.txt holds 2 class names, but the model has 5 classes"),
    (["ONE", "--preprocess", "0..2"], "there is no preprocessing '0..2'"),
    (["ONE", "--size", "40"], "the network takes images of 16x16 pixels, not of 40x40"),
    (["ONE", "--colormap", "jett"], "there is no colour map 'jett'; did you mean 'jet'?"),
    (["ONE", "--blend", "thick"], "there is no blend 'thick'"),
    (["ONE", "--fit", "squeeze"], "fit must be crop, cover or stretch, got 'squeeze'"),
    (
        ["ONE", "--interpolation", "bilinaer"],
        "interpolation must be keras, bilinear, area or nearest, got 'bilinaer'; did you mean 'bilinear'?",
    ),
    (["ONE", "--output", "a_file"], "the output folder a_file cannot be written (a_file: Not a directory)"),
    (["ONE", "--output", "/proc/tfviz"], "the output folder /proc/tfviz cannot be written"),
    (["ONE", "--model", "folder"], "'folder' is not a SavedModel: it holds no saved_model.pb"),
    (["ONE", "--model", "cut.keras"], "cannot open 'cut.keras'"),
    (["ONE", "--model", "vgg61"], "there is no model 'vgg61'; did you mean 'vgg1"),
    (["ONE", "--weights", "random"], "weights are for a keras.applications model"),
    (["ONE", "--model", "four.keras"], "pictures have three channels or, in grey, one, but the network takes 4"),
]


@pytest.mark.parametrize("arguments, message", BAD_INPUTS, ids=[" ".join(case[0]) for case in BAD_INPUTS])
def test_bad_input_is_one_line(run, own, tmp_path, arguments, message):
    make_bad_files()
    Path("cut.keras").write_bytes((own / "own.keras").read_bytes()[:3000])
    if "four.keras" in arguments:
        model = keras.Sequential([layers.Input((16, 16, 4)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()])
        model.save("four.keras")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    given = [str(own / "one.png") if argument == "ONE" else argument for argument in arguments]
    model = [] if "--model" in given else ["--model", own / "own.keras"]
    preprocess = [] if "--preprocess" in given else ["--preprocess", "0..1"]
    status, out, err = run("explain", *given, *model, *preprocess, "--save-maps")
    assert (status, out) == (1, "")
    assert err.startswith("tfviz: ") and message in err and err.count("\n") == 1, err
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_an_output_folder_without_permission(run, own, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere; /proc is tested instead")
    (tmp_path / "locked").mkdir(mode=0o500)
    status, _, err = run(*quiet(own, own / "one.png", "--output", "locked/below"))
    assert status == 1 and "cannot be written (locked: Permission denied)" in err and err.count("\n") == 1


def test_another_backend_of_keras(run, own, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    status, out, err = run(*quiet(own, own / "one.png"))
    assert (status, out) == (1, "") and err.count("\n") == 1
    assert err.startswith("tfviz: Keras is set to the jax backend, expected tensorflow")


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "--nonsense"],
        ["explain", "--batch-size", "0"],
        ["explain", "--target", "1", "--top", "2"],
        ["visualize"],
        ["visualize", "--class", "1", "--snapshots", "1,x"],
        ["nonsense"],
    ],
)
def test_wrong_usage(run, tmp_path, arguments):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "") and "Error" in err and "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_interrupted(run, own, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tfviz.apps.model.setup.open_model", interrupt)
    assert run(*quiet(own, own / "one.png")) == (130, "", "")


def test_layers(run, own):
    status, out, err = run("layers", own / "own.keras")
    assert (status, err) == (0, "")
    (default,) = (line.split() for line in out.splitlines() if "default" in line)
    assert default == ["conv2", "6", "×", "6", "×", "6", "default"]
    assert all(name in out for name in tfviz.trace(model_of("functional")).layers)


@pytest.mark.parametrize("width", [80, 120])
def test_methods(run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    status, out, err = run("methods")
    assert (status, err) == (0, "") and max(map(len, out.splitlines())) <= width
    words = " ".join(out.split())
    for method in tfviz.METHODS.values():
        assert method.name in out
        for text in (method.needs, method.cost, method.paper, method.caution):
            assert all(word in words for word in text.split())


def demo_colors():
    return color_statistics(demo.generate(64, seed=0).images)


def enlarged(image):
    """A picture of 128 pixels, three times as large."""
    picture = np.rint(np.clip(image, 0, 255)).astype(np.uint8)
    return cv2.resize(picture, (384, 384), interpolation=cv2.INTER_CUBIC)


def assert_said(err, found):
    """Few steps of a moved image may lead to a value that is not above the first, which is all that is said."""
    lower = np.flatnonzero(found.scores <= found.history[0])
    for line, row in zip(err.splitlines(), lower, strict=True):
        assert line.startswith(f"tfviz: warning: the score of {found.objectives[row]} ended at {found.scores[row]:.3g}")


@pytest.mark.filterwarnings("ignore:the score of .* ended at:tfviz.TfvizWarning")
def test_visualize(run, tmp_path):
    arguments = ["visualize", "--class", "red striped circle", "--class", 8, "--iterations", 4, "--snapshots", "0,2"]
    status, out, err = run(*arguments)
    assert status == 0
    options = {"pixel_range": (0, 255), "iterations": 4, "snapshots": [0], "color_statistics": demo_colors()}
    found = tfviz.class_visualization(demo.load_network(), [0, 8], **options)
    assert_said(err, found)
    for row, target in enumerate((0, 8)):
        name = demo.CLASS_NAMES[target]
        assert f"{name}: score {found.history[0, row]:.2f} -> {found.scores[row]:.2f}" in out
        picture = picture_of(tmp_path / "tfviz-output" / f"{name.replace(' ', '_')}.tfviz.png")
        # Three pictures in a row, within a margin of 8.
        assert picture.shape[1] == 3 * 384 + 4 * 8
        first, last = picture[8:392, 8:392].astype(int), picture[8:392, -392:-8].astype(int)
        assert np.abs(first - enlarged(found.snapshots[0][row])).max() <= 1
        assert np.abs(last - enlarged(found.images[row])).mean() < 1
    assert not list(tmp_path.rglob("*.gif"))


def test_visualize_without_clamping_is_shown_around_its_mean(run, tmp_path):
    status, _, err = run("visualize", "--class", 0, "--preset", "simonyan", "--iterations", 3)
    assert (status, err) == (0, "")
    shown = picture_of(next((tmp_path / "tfviz-output").iterdir()))[8:392, 8:392]
    assert 110 < shown.mean() < 145 and shown.std() > 10


@pytest.mark.filterwarnings("ignore:the score of .* ended at:tfviz.TfvizWarning")
def test_visualize_every_objective(run, tmp_path):
    vector = np.arange(8.0)
    np.save(tmp_path / "vector.npy", vector)
    channel, layer = Channel("block2_conv1", 3), Layer("block1_conv2")
    expected = {
        "class:green dotted square": Class(4),
        "channel:block2_conv1:3": channel,
        "neuron:block2_conv1:7": Neuron("block2_conv1", 7),
        "neuron:block2_conv1:7:5,6": Neuron("block2_conv1", 7, 5, 6),
        "direction:block1_conv2:vector.npy": Direction("block1_conv2", vector),
        "2*channel:block2_conv1:3 + layer:block1_conv2+-0.5*class:4": 2 * channel + layer + -0.5 * Class(4),
    }
    arguments = [part for text in expected for part in ("--objective", text)]
    status, out, err = run("visualize", *arguments, "--class", 4, "--iterations", 2, "--seed", 5)
    assert status == 0
    options = {"pixel_range": (0, 255), "iterations": 2, "seed": 5, "color_statistics": demo_colors()}
    found = feature_visualization(demo.load_network(), list(expected.values()), **options)
    assert_said(err, found)
    for line, text, row in zip(out.splitlines(), expected, range(len(expected)), strict=True):
        name = text.removeprefix("class:")
        assert line.startswith(f"{name}: score {found.history[0, row]:.2f} -> {found.scores[row]:.2f}, ")
        picture = picture_of(tmp_path / line.rpartition(", ")[2])
        assert np.abs(picture[8:392, 8:392].astype(int) - enlarged(found.images[row])).mean() < 1


def test_visualize_from_a_picture(run, tmp_path):
    """The start is the picture, and few small steps leave it recognisable; the GIF shows them all."""
    path = demo.sample_paths()[0]
    start = ["visualize", "--image", path, "--objective", "layer:block2_conv2", "--iterations", 3]
    status, out, err = run(*start, "--snapshots", "0", "--gif", "--colors", path)
    assert (status, err) == (0, "")
    still, moving = map(Path, out.strip().split(", ")[1:])
    picture = enlarged(cv2.imread(str(path))[..., ::-1])
    strip = picture_of(tmp_path / still)
    assert np.abs(strip[8:392, 8:392].astype(int) - picture).max() <= 2
    assert np.abs(strip[8:392, 400:784].astype(int) - picture).mean() > 1
    with PIL.Image.open(tmp_path / moving) as animation:
        assert (animation.n_frames, animation.size, animation.info["loop"]) == (4, (384, 384), 0)
        frames = []
        for number in range(4):
            animation.seek(number)
            frames.append((np.array(animation.convert("RGB")).astype(int), animation.info["duration"]))
    assert [duration for _, duration in frames] == [80, 80, 80, 1500]
    assert np.abs(frames[0][0] - picture).mean() < 8
    assert np.abs(frames[3][0] - strip[8:392, 400:784]).mean() < 8
    # The colours of one picture, and not the demo's.
    run(*start, "--output", "other")
    other = picture_of(next((tmp_path / "other").iterdir()))[8:392, 8:392]
    assert np.abs(strip[8:392, 400:784].astype(int) - other).max() > 3


def test_what_visualize_writes_is_not_explained(run, tmp_path):
    run("visualize", "--class", 0, "--iterations", 1, "--gif")
    status, _, err = run("explain", tmp_path / "tfviz-output")
    assert status == 1 and err.startswith("tfviz: there are no other images: 2 pictures that tfviz wrote")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--class", "9"], "target 9 is out of range: the model has 9 classes"),
        (["--class", "red"], "no class is called 'red'; did you mean 'red"),
        (["--class", "0", "--preset", "deep"], "no preset 'deep'; they are simonyan, jitter-blur"),
        (["--class", "0", "--iterations", "3", "--snapshots", "5"], "snapshot 5 is out of range"),
        (
            ["--objective", "block1_conv1"],
            "'block1_conv1' is not an objective; expected class:NAME, channel:LAYER:NUMBER",
        ),
        (
            ["--objective", "channel:block1_conv1"],
            "'block1_conv1' does not name a layer and a part of it; expected class:",
        ),
        (["--objective", "channel:block1_conv1:x"], "'x' is not a number; expected class:"),
        (["--objective", "channel:block1_conv1:8"], "channel 8 is out of range: block1_conv1 has 8, 0 to 7"),
        (["--objective", "layer:block1"], "no layer 'block1' with a spatial map; did you mean"),
        (["--objective", "direction:block1_conv1:no.npy"], "the direction 'no.npy' cannot be read as an .npy file"),
        (["--class", "0", "--image", "no.png"], "no.png cannot be read: No such file"),
        (["--class", "0", "--colors", "no.png"], "no.png does not exist"),
    ],
)
def test_visualize_of_what_does_not_exist(run, tmp_path, arguments, message):
    status, out, err = run("visualize", *arguments)
    assert (status, out) == (1, "") and err.startswith(f"tfviz: {message}") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help_knows_the_registry(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    assert all(name in run("methods")[1] for name in tfviz.METHODS)
    assert tuple(PRESETS) == command_options.PRESET_NAMES
    assert command_options.DEFAULT_COLORMAP == DEFAULT_COLORMAP
    assert ", ".join(PRESETS) in run("visualize", "--help")[1]


def test_version(run):
    assert run("--version") == (0, f"tfviz {tfviz.__version__}\n", "")


def in_a_process(*arguments, folder, code=None):
    """Run the command as a shell would, without what this process has set up."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "CUDA", "KERAS"))}
    command = [sys.executable, *(["-c", code] if code else ["-m", "tfviz"]), *arguments]
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [environment.get("PYTHONPATH")])])
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, env=environment)


def test_help_needs_no_tensorflow(tmp_path):
    code = (
        "import sys, time; started = time.monotonic(); from tfviz.__main__ import main\n"
        "for arguments in (['--help'], ['visualize', '--help'], ['layers', '--help'], ['--version']):\n"
        "    try: main(arguments)\n"
        "    except SystemExit as ended: assert not ended.code\n"
        "print(sorted({'tensorflow', 'keras', 'cv2', 'matplotlib'} & set(sys.modules)))"
    )
    done = in_a_process(code=code, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["explain", "localize"])
def test_what_can_be_known_to_be_wrong_is_said_without_tensorflow(tmp_path, command):
    code = (
        "import sys; from tfviz.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as ended: assert ended.code == 2\n"
        "print('tensorflow' in sys.modules)"
    )
    done = in_a_process(command, "--target", "1", "--top", "2", code=code, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "False\n") and "give one of them" in done.stderr


def test_tensorflow_starts_in_silence_before_a_way_to_find_places_is_looked_up(tmp_path):
    done = in_a_process("localize", "--how", "nothing", folder=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("tfviz: --how nothing") and done.stderr.count("\n") == 1


def test_the_process_is_silent(tmp_path):
    done = in_a_process("explain", "--method", "saliency", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "tfviz-output/demo.tfviz.png" in done.stdout and (tmp_path / "tfviz-output" / "demo.tfviz.png").exists()


@pytest.mark.skipif(not SQUEEZENET.exists(), reason="the shared test data of the project is not here")
def test_a_real_network(run, tmp_path):
    try:
        keras.saving.load_model(SQUEEZENET, compile=False)
    except TypeError:
        pytest.skip("this Keras is older than the file")
    images = SHARED / "images"
    status, out, err = run(
        "explain", images / "tractor.jpg", images / "koala.jpg", "--model", SQUEEZENET, "--save-maps", "--method",
        "grad_cam", "--fit", "crop", "--preprocess", "mean=104,117,123;order=bgr",
        "--labels", SHARED / "models" / "imagenet_classes.txt",
    )  # fmt: skip
    assert (status, err) == (0, "") and "raw output" in out
    classes = [result["class"] for result in manifest_in(tmp_path / "tfviz-output")["results"]]
    assert classes[0].startswith("tractor") and classes[1].startswith("koala")


def test_a_library_is_opencvs_only_if_opencv_lacks_it(run, monkeypatch):
    said, module = "libcudart.so.12: cannot open shared object file", sys.modules["tfviz.apps.command.app"]
    for name in ("cv2", "tensorflow"):

        def lacking(name=name):
            raise ImportError(said, name=name)

        monkeypatch.setattr(module, "start_tensorflow", lacking)
        if name == "cv2":
            assert run("methods")[2].startswith(f"tfviz: OpenCV cannot start: {said}; on Debian and Ubuntu")
        else:
            with pytest.raises(ImportError, match="libcudart"):
                run("methods")


def test_an_opencv_of_which_only_the_folder_is_left(run, monkeypatch):
    broken = types.ModuleType("cv2")
    monkeypatch.setattr(sys.modules["tfviz.apps.command.app"], "start_tensorflow", lambda: broken.resize)
    status, _, err = run("methods")
    assert status == 1 and err.startswith("tfviz: OpenCV cannot start: module 'cv2' has no attribute 'resize'; a part")


@pytest.mark.parametrize(
    "cv2, said",
    [
        (
            'raise ImportError("libGL.so.1: cannot open shared object file")',
            "libGL.so.1: cannot open shared object file; on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0",
        ),
        (
            'raise ImportError("numpy.core.multiarray failed to import")',
            "numpy.core.multiarray failed to import; it was built for another NumPy: pip install -U opencv-python",
        ),
        (
            "def __getattr__(name): raise AttributeError(\"module 'cv2' has no attribute 'resize'\")",
            "module 'cv2' has no attribute 'resize'; a part of it was uninstalled: pip install --force-reinstall "
            "--no-deps opencv-python",
        ),
    ],
    ids=["no libGL", "another NumPy", "half uninstalled"],
)
def test_a_machine_on_which_opencv_is_broken(cv2, said, tmp_path):
    (tmp_path / "cv2.py").write_text(cv2)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    ran = subprocess.run(
        [sys.executable, "-m", "tfviz", "explain"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr == f"tfviz: OpenCV cannot start: {said}\n"
