"""`tfviz localize` as a person runs it."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest
from support.commands import blind, manifest_in, picture_of
from support.model_zoo import SIZE, model_of

import tfviz
from tfviz import demo
from tfviz.apps.files.map_files import read_maps
from tfviz.results import collapse, grabcut_mask, largest_box, largest_component, normalise, outline, threshold_mask

# What opens the same network again is in the process where it is open.
pytestmark = [pytest.mark.usefixtures("shared_networks"), pytest.mark.xdist_group("tfviz localize")]


@pytest.fixture
def run(run):
    return partial(run, "localize")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The user's own model and images."""
    folder = tmp_path_factory.mktemp("own")
    model_of("functional").save(folder / "own.keras")
    generator = np.random.default_rng(0)
    for name in ("one", "two"):
        cv2.imwrite(str(folder / f"{name}.png"), generator.integers(0, 256, (SIZE, SIZE, 3), np.uint8))
    return folder


def test_the_demo(run, tmp_path):
    """Boxes and masks are those of the functions on the maps of the method."""
    status, out, err = run("--save-maps", "--output", "found")
    assert (status, err) == (0, "") and "found/demo.tfviz.png" in out and "found/manifest.json" in out
    assert "pixels of the picture of 128x128 that the network sees" in out
    saved = manifest_in(tmp_path / "found")
    assert saved["localization"]["how"] == "grabcut"
    assert saved["localization"]["options"] == {
        "foreground": 0.95,
        "background": 0.3,
        "smoothing": 0.03,
        "iterations": 5,
    }
    network = demo.load_network()
    for path, result in zip(demo.sample_paths(), saved["results"], strict=True):
        picture = picture_of(path)
        saliency = tfviz.saliency(network, picture.astype(np.float32))[0]
        mask = grabcut_mask(picture, saliency)
        box = largest_box(mask).tolist()
        assert result["boxes"] == {"saliency": box}
        row = next(line for line in out.splitlines() if line.strip().startswith(path.stem))
        assert [int(word) for word in row.split()[-4:]] == box
        np.testing.assert_array_equal(np.load(tmp_path / "found" / result["masks"]["saliency"]), mask)
        name = result["maps"]["saliency"].removesuffix(".npy")
        np.testing.assert_allclose(read_maps(tmp_path / "found", [name])[0], normalise(saliency, "min_max"), atol=1e-4)


def test_the_picture_shows_the_box_beside_the_map(run, own, tmp_path):
    arguments = [own / "one.png", "--model", own / "own.keras", "--preprocess", "0..1"]
    assert run(*arguments)[0] == 0
    explained = tfviz.explain(model_of("functional"), picture_of(own / "one.png") / np.float32(255), methods="saliency")
    mask = grabcut_mask(picture_of(own / "one.png"), explained.maps["saliency"][0])
    drawn = outline(picture_of(own / "one.png"), boxes=largest_box(mask), masks=mask, enlarge=-(-360 // SIZE))
    figure = explained.plot(
        picture_of(own / "one.png")[np.newaxis], columns={"saliency by grabcut": drawn[np.newaxis]}, clip_percentile=99
    )
    figure.savefig(tmp_path / "expected.png", dpi=150)
    difference = np.abs(picture_of(tmp_path / "expected.png").astype(int) - picture_of("tfviz-output/one.tfviz.png"))
    assert (difference > 8).mean() < 0.001


def test_several_methods_targets_and_images_by_threshold(run, own, tmp_path):
    """Attributions are collapsed first, and a chunk's places are those of its images one by one."""
    arguments = ["--how", "threshold", "--threshold", 0.6, "--method", "gradient", "--method", "grad_cam"]
    arguments += ["--model", own / "own.keras", "--preprocess", "0..1", "--target", 1, "--target", 4, "--save-maps"]
    status, out, err = run(own, *arguments)
    assert (status, err) == (0, "") and "class 4" in out and "layer conv" in out
    saved = manifest_in(tmp_path / "tfviz-output")
    assert saved["localization"] == {"how": "threshold", "options": {"threshold": 0.6}, "reduction": "max_abs"}
    assert [result["target"] for result in saved["results"]] == [1, 4, 1, 4]
    model = model_of("functional")
    for result in saved["results"]:
        image = picture_of(result["image"]) / np.float32(255)
        maps = {
            "gradient": collapse(tfviz.gradient(model, image, result["target"])[0]),
            "grad_cam": tfviz.grad_cam(model, image, result["target"])[0],
        }
        for method, one_map in maps.items():
            mask = largest_component(threshold_mask(one_map, 0.6))
            found = np.load(tmp_path / "tfviz-output" / result["masks"][method])
            assert np.mean(found != mask) < 0.01
            assert result["boxes"][method] == largest_box(found).tolist()
    assert (tmp_path / "tfviz-output" / "two.class_4.gradient.npy").exists()


def test_options_of_grabcut_change_the_place(run, own, tmp_path):
    masks = []
    half = ["--foreground", 0.5]
    for options in ([], half, [*half, "--background", 0.4], [*half, "--smoothing", 0.1], [*half, "--target", 3]):
        given = [own / "one.png", "--model", own / "own.keras", "--preprocess", "0..1", "--save-maps", *options]
        assert run(*given)[0] == 0
        masks.append(np.load(tmp_path / "tfviz-output" / "one.saliency.mask.npy").tobytes())
    assert len(set(masks)) == len(masks)


def test_without_arrays_there_is_the_manifest_alone(run, own, tmp_path):
    assert run(own / "one.png", "--model", own / "own.keras", "--preprocess", "0..1")[0] == 0
    assert {path.name for path in (tmp_path / "tfviz-output").iterdir()} == {"one.tfviz.png", "manifest.json"}
    (result,) = manifest_in(tmp_path / "tfviz-output")["results"]
    assert "masks" not in result and result["maps"] == {}


def test_a_map_that_marks_nothing(run, tmp_path):
    blind(tmp_path)
    cv2.imwrite("red.png", np.full((SIZE, SIZE, 3), (0, 0, 255), np.uint8))
    for how in ("grabcut", "threshold"):
        status, out, err = run("red.png", "--model", "blind.keras", "--preprocess", "0..1", "--how", how)
        assert status == 0 and "none" in out
        assert err.startswith("tfviz: warning: saliency is zero everywhere for red.png (class 0): ")
        assert len(err.splitlines()) == 1
        assert manifest_in(tmp_path / "tfviz-output")["results"][0]["boxes"] == {"saliency": None}


def test_a_broken_picture_stops_no_other(run, own, tmp_path):
    (tmp_path / "broken.jpg").write_text("no picture")
    status, out, err = run("broken.jpg", own / "one.png", "--model", own / "own.keras", "--preprocess", "0..1")
    assert status == 1 and "one" in out and err.startswith("tfviz: broken.jpg is not an image")
    assert list(manifest_in(tmp_path / "tfviz-output")["failed"]) == ["broken.jpg"]
    status, out, err = run("broken.jpg", "--model", own / "own.keras", "--preprocess", "0..1")
    assert (status, out) == (1, "") and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["--how", "grabcat"],
            "--how grabcat is not a way to find a place; did you mean 'grabcut'? there are: grabcut, th",
        ),
        (["--how", "x"], "--how x is not a way to find a place; there are: grabcut, threshold"),
        (["--threshold", 0.2], "--threshold is an option of --how threshold, not of grabcut"),
        (["--how", "threshold", "--foreground", 0.9], "--foreground is an option of --how grabcut, not of threshold"),
        (
            ["--foreground", 0.2],
            "quantiles must lie in 0..1, the background's below the foreground's, got background 0.3 and",
        ),
        (["--foreground", 95], "quantiles must lie in 0..1"),
        (["--smoothing", -1], "smoothing must be 0 or more"),
        (["--how", "threshold", "--threshold", 0], "threshold must be above 0 and at most 1"),
        (["--method", "salience"], "saliency"),
        (["nowhere.png"], "nowhere.png does not exist"),
        (["--target", "purple cow"], "purple cow"),
        (["--top", 99], "top is 99, but the network has only"),
        (["--layer", "conv1"], "layer is given ('conv1'), but to none of: saliency; it is an option of"),
    ],
)
def test_bad_input_is_one_line(run, arguments, message):
    status, out, err = run(*arguments)
    assert (status, out) == (1, "") and len(err.splitlines()) == 1 and message in err


def test_target_and_top_exclude_each_other(run):
    status, _, err = run("--target", 1, "--top", 2)
    assert status == 2 and "give one of them" in err
