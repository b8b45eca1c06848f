"""Files of 16 bits that use fewer, and what a network of one channel saw."""

from __future__ import annotations

import itertools
import json
import re

import cv2
import keras
import numpy as np
import pytest
from keras import layers
from support.thinning import by_day, spread

import tfviz
from tfviz.apps.beam import AttributionHandler
from tfviz.apps.files.depth import picture_of
from tfviz.apps.files.images import decode_image, read_image
from tfviz.apps.model.setup import set_up
from tfviz.apps.records.example_explainer import Look, MethodChoice
from tfviz.apps.training.cards import CardMaker
from tfviz.errors import TfvizError, TfvizWarning
from tfviz.model_options import ModelOptions
from tfviz.results import grey_picture

SIDE = 12
PIXELS = np.random.default_rng(0).integers(0, 4096, (SIDE, SIDE)).astype(np.uint16)
PIXELS[0, 0], PIXELS[0, 1] = 4095, 0


def png(pixels):
    return cv2.imencode(".png", pixels)[1].tobytes()


def decoded(pixels, said="", **how):
    """Return what a file is decoded to, and check what is said of it: all of it, or nothing."""
    image, warnings = decode_image(png(pixels), "xray.png", **how)
    assert len(warnings) == bool(said) and all(re.search(said, each) for each in warnings), warnings
    return image


@pytest.mark.parametrize("largest, bits", [(4095, 12), (2048, 12), (1000, 10), (16383, 14), (200, 8)])
def test_what_is_far_below_white_is_said(largest, bits):
    pixels = np.full((4, 4), 7, np.uint16)
    pixels[1, 1] = largest
    said = f"xray.png has 16 bits, but its largest value is {largest}, as of {bits} bits: with 65535 as white"
    image = decoded(pixels, f"{said} .*--depth {bits} ")
    assert image[1, 1, 0] == round(largest / 257)
    assert decoded(pixels, depth=str(bits))[1, 1, 0] == round(largest / (2**bits - 1) * 255)


def test_what_is_not_said():
    """Half of white, black alone, all of white in alpha, and eight bits."""
    decoded(np.full((4, 4), 16384, np.uint16))
    decoded(np.zeros((4, 4), np.uint16))
    decoded(np.full((4, 4), 9, np.uint8), depth="12")
    transparent = np.full((4, 4, 4), 65535, np.uint16)
    transparent[..., :3] = 4000
    decoded(transparent, "largest value is 4000")


def test_every_number_at_twelve_bits():
    image = decoded(PIXELS, depth="12")
    np.testing.assert_array_equal(image, np.repeat(np.rint(PIXELS / 4095 * 255)[..., np.newaxis], 3, axis=-1))
    assert decoded(PIXELS, "values up to 4095, above 1023, which is white by --depth 10", depth="10").max() == 255
    half = np.dstack([PIXELS] * 3 + [np.full_like(PIXELS, 32768)])
    expected = PIXELS * (32768 / 65535) + 4095 * (1 - 32768 / 65535)
    np.testing.assert_allclose(decoded(half, depth="12")[..., 0], expected / 4095 * 255, atol=1)


def test_raw_numbers():
    image = decoded(PIXELS, depth="raw")
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, np.dstack([PIXELS] * 3))
    np.testing.assert_array_equal(picture_of(image), decoded(PIXELS, depth="12"))
    assert picture_of(image // 5000).max() == 0 and decoded(np.uint8(PIXELS % 256), depth="raw").dtype == np.uint8


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A network of one channel, and files."""
    folder = tmp_path_factory.mktemp("depth")
    image = keras.Input((SIDE, SIDE, 1))
    features = layers.Conv2D(2, 3, activation="relu", name="conv")(image)
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(features)))
    generator = np.random.default_rng(1)
    model.set_weights([generator.normal(size=each.shape) for each in model.get_weights()])
    model.save(folder / "grey.keras")
    (folder / "xray.png").write_bytes(png(PIXELS))
    (folder / "color.png").write_bytes(png(generator.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)))
    return folder


def explain(run, place, file, *options):
    model = ["--model", place / "grey.keras", "--preprocess", "0..255", "--method", "input_x_gradient", "--save-maps"]
    return run("explain", place / file, *model, "--target", "1", *options)


@pytest.mark.parametrize("depth, scale", [("raw", 1), ("12", None)])
def test_the_command(run, place, tmp_path, depth, scale):
    status, _, err = explain(run, place, "xray.png", "--depth", depth)
    assert (status, err) == (0, "")
    numbers = PIXELS if scale else np.rint(PIXELS / 4095 * 255)
    expected = tfviz.input_x_gradient(place / "grey.keras", numbers[np.newaxis, ..., np.newaxis], 1)[0]
    np.testing.assert_allclose(np.load(tmp_path / "tfviz-output" / "xray.input_x_gradient.npy"), expected, rtol=1e-4)
    content = json.loads((tmp_path / "tfviz-output" / "manifest.json").read_text())
    assert content["preprocessing"]["depth"] == depth


def test_the_command_says_it(run, place, tmp_path):
    status, _, err = explain(run, place, "xray.png")
    assert (
        status == 0
        and "warning: " in err
        and "xray.png has 16 bits, but its largest value is 4095, as of 12 bits" in err
    )
    assert "depth" not in json.loads((tmp_path / "tfviz-output" / "manifest.json").read_text())["preprocessing"]
    status, _, err = explain(run, place, "xray.png", "--depth", "7")
    assert status == 1 and "depth is '7', expected full, raw or bits from 8 to 16 (--depth)" in err


def test_the_command_that_starts_from_an_image_says_it(run, place):
    start = ["visualize", "--image", place / "xray.png", "--objective", "layer:conv", "--iterations", "1"]
    status, _, err = run(*start, "--model", place / "grey.keras")
    assert status == 0 and "grey.keras gets pixels of 0..255" in err and "xray.png has 16 bits" in err


WHITE = {
    "full": "has 16 bits, but its largest value is 4095, as of 12 bits: with 65535 as white",
    "10": "has values up to 4095, above 1023, which is white by --depth 10",
}
COMMANDS = ["explain", "localize", "visualize", "fool", "batch"]


@pytest.mark.parametrize("command, depth", by_day(itertools.product(COMMANDS, WHITE), spread(COMMANDS, WHITE)))
def test_each_command_says_once_what_white_is(run, place, command, depth):
    given = {
        "explain": [place / "xray.png", "--method", "gradient"],
        "localize": [place / "xray.png"],
        "visualize": ["--image", place / "xray.png", "--objective", "layer:conv", "--iterations", "1"],
        "fool": [place / "xray.png", "--method", "fgsm"],
        "batch": ["--input", place / "xray.png", "--output", "found", "--method", "gradient", "--overlays"],
    }[command]
    model = ["--model", place / "grey.keras", "--preprocess", "0..255"]
    _, _, err = run(command, *given, *model, "--depth", depth)
    assert [WHITE[depth] in line for line in err.splitlines() if "white" in line] == [True], err


def test_a_file_that_is_read_says_once_what_white_is(place):
    with pytest.warns(TfvizWarning) as said:
        read_image(place / "xray.png")
    assert [f"xray.png {WHITE['full']}" in str(each.message) for each in said] == [True]


def test_beam(place):
    handler = AttributionHandler(
        str(place / "grey.keras"), "input_x_gradient", preprocess="0..255", depth="raw", target=1
    )
    (found,) = handler.run_inference([png(PIXELS)], handler.load_model())
    expected = tfviz.input_x_gradient(place / "grey.keras", PIXELS[np.newaxis, ..., np.newaxis], 1)[0]
    np.testing.assert_allclose(found.inference["map"], expected, rtol=1e-4)
    with pytest.raises(TfvizError, match="depth is 'deep'"):
        AttributionHandler("model", "saliency", depth="deep")


def is_grey(picture):
    return (picture[..., 0] == picture[..., 1]).all() and (picture[..., 0] == picture[..., 2]).all()


def test_a_grey_network_is_shown_what_it_saw(place):
    setup = set_up(ModelOptions(str(place / "grey.keras"), preprocess="0..255"))
    sample = setup.read(place / "color.png")
    pictures = sample.picture[np.newaxis]
    seen = setup.preprocessing.pictures(sample.input)[np.newaxis]
    np.testing.assert_array_equal(grey_picture(pictures), seen)
    assert is_grey(seen) and not is_grey(pictures)
    explanation = tfviz.explain(setup.network, sample.input, methods="saliency")
    shown = [axes.get_images()[0].get_array() for axes in explanation.plot(pictures).axes if axes.get_images()]
    np.testing.assert_array_equal(shown[0], seen[0])
    np.testing.assert_array_equal(CardMaker(pictures=pictures).shown(explanation), seen)
    full = np.ones((SIDE, SIDE), np.float32)
    overlays = [
        Look.of(setup, MethodChoice("saliency", {})).overlay(png(each[0, ..., ::-1]), full) for each in (pictures, seen)
    ]
    np.testing.assert_array_equal(*overlays)


def test_an_overlay_of_raw_numbers(place):
    setup = set_up(ModelOptions(str(place / "grey.keras"), preprocess="0..255", depth="raw"))
    look, full = Look.of(setup, MethodChoice("saliency", {})), np.ones((SIDE, SIDE), np.float32)
    np.testing.assert_array_equal(look.overlay(png(PIXELS), full), look.overlay(png(decoded(PIXELS, depth="12")), full))
