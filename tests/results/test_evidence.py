"""What the sign of each method means, on a network where it can be told, and that nothing against a class is boxed."""

from __future__ import annotations

import dataclasses
import itertools
import json
import types
import warnings

import cv2
import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.backends.backend_agg import FigureCanvasAgg
from support.thinning import by_day

import tfviz
from tfviz.apps.records.example_explainer import Look, MethodChoice
from tfviz.apps.training.cards import CardMaker
from tfviz.errors import TfvizWarning
from tfviz.methods import METHODS
from tfviz.methods.engine.registry import sign_of
from tfviz.results import (
    collapse,
    evidence_inside,
    grabcut_mask,
    largest_component,
    supported_mask,
    tiles,
)

SIDE = 24
FOR, AGAINST = np.s_[:, 4:10, 4:10], np.s_[:, 14:20, 14:20]
"""Where red speaks for class 0, and green against it."""
FEW = {"steps": 8, "samples": 4, "masks": 100, "cell_size": 6, "patch": 6, "segments": 20}


@pytest.fixture(scope="module")
def network():
    """The logits are the mean red minus the mean green, and the same with the other sign."""
    image = keras.Input((SIDE, SIDE, 3))
    kernel = np.eye(3)[np.newaxis, np.newaxis, :, :2]
    features = layers.Conv2D(2, 1, use_bias=False, activation="relu", name="colours")(image)
    scores = layers.Dense(2, use_bias=False, activation="softmax", name="scores")
    model = keras.Model(image, scores(layers.GlobalAveragePooling2D()(features)))
    model.get_layer("colours").set_weights([kernel])
    scores.set_weights([np.array([[40.0, -40.0], [-40.0, 40.0]])])
    return tfviz.trace(model)


@pytest.fixture(scope="module")
def images():
    pixels = np.zeros((1, SIDE, SIDE, 3), np.float32)
    pixels[(*FOR, 0)], pixels[(*AGAINST, 1)] = 1, 0.9
    return pixels


def found_by(network, name, images, target, **more):
    method = getattr(tfviz, name)
    options = {key: value for key, value in FEW.items() if key in METHODS[name].options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TfvizWarning)
        return method(network, images, target, **{**options, **more})


CASES = [(name, {}) for name in METHODS] + [
    ("smooth_grad", {"of": of}) for of in ("input_x_gradient", "grad_cam", "saliency", "smooth_grad")
]


@pytest.mark.parametrize(
    "name, more",
    [
        pytest.param(name, more, marks=[pytest.mark.slow] * (more.get("of") not in (None, "grad_cam")))
        for name, more in CASES
    ],
    ids=lambda each: each if isinstance(each, str) else "-".join(each.values()),
)
def test_what_a_sign_means(name, more, network, images):
    """The two logits differ by their sign alone."""
    sign = sign_of(name, METHODS[name].complete(more))
    first, second = (found_by(network, name, images, target, **more) for target in (0, 1))
    if sign == "evidence":
        assert first[FOR].sum() > 0 > first[AGAINST].sum() and second[FOR].sum() < 0 < second[AGAINST].sum()
    elif sign == "for":
        assert first.min() >= 0 and second.min() >= 0
        assert first[FOR].sum() > first[AGAINST].sum() and second[FOR].sum() < second[AGAINST].sum()
    elif sign == "magnitude":
        np.testing.assert_allclose(first, second, atol=1e-6 * np.abs(first).max())
    else:
        for target, found in enumerate((first, second)):
            before, after = (network.logits(each)[0, target] for each in (images, images + 1e-2 * np.sign(found)))
            assert after > before


def test_the_sign_of_a_direction_is_no_evidence():
    """Where black speaks for a class, the gradient there is negative: more light lowers the score."""
    image = keras.Input((SIDE, SIDE, 1))
    dark = layers.ReLU()(layers.Rescaling(-1.0, 1.0)(image))
    model = keras.Model(image, layers.Dense(1, use_bias=False)(layers.GlobalAveragePooling2D()(dark)))
    model.layers[-1].set_weights([np.array([[1.0]])])
    pixels = np.ones((1, SIDE, SIDE, 1), np.float32)
    pixels[FOR] = 0.5
    for name in METHODS:
        if sign_of(name, METHODS[name].complete({})) == "direction":
            assert found_by(model, name, pixels, 0)[FOR].sum() < 0


def test_a_place_that_holds_evidence_against_is_none(network, images):
    found = tfviz.integrated_gradients(network, images, 1)
    pictures = np.uint8(255 * images)
    everything = largest_component(grabcut_mask(pictures, collapse(found)))
    assert everything[AGAINST].all() or everything[FOR].all()
    values = np.concatenate([found, -found])
    masks = np.zeros((2, SIDE, SIDE), bool)
    masks[(slice(None), *FOR[1:])] = True
    np.testing.assert_allclose(evidence_inside(values, masks), [found[FOR].sum(), -found[FOR].sum()])
    with pytest.warns(TfvizWarning, match="the mask of image 0 holds no more evidence for the target .* left empty"):
        kept = supported_mask(masks, values)
    assert not kept[0].any() and np.array_equal(kept[1], masks[1])
    assert supported_mask(masks[1], -found[0]).all() == masks[1].all()
    with pytest.raises(tfviz.TfvizError, match="expected one mask per image"):
        evidence_inside(found, masks)


def test_the_box_counts_and_not_the_mask_alone():
    """A ring around what speaks against is no place, although all of it speaks for."""
    ring, found = np.ones((7, 7), bool), np.full((7, 7), -1.0)
    ring[1:6, 1:6] = False
    found[ring] = 1
    assert evidence_inside(found, ring) == 24 - 25
    assert evidence_inside(found, np.zeros((7, 7), bool)) == 0


def test_grabcut_of_what_is_nowhere_positive(images):
    pictures, against = np.uint8(255 * images), -images[..., 1]
    with pytest.warns(TfvizWarning, match="image 0 is nowhere positive: it marks no place, and its mask is empty"):
        assert not grabcut_mask(pictures, against).any()
    with pytest.warns(TfvizWarning) as said:
        grabcut_mask(np.repeat(pictures, 2, 0), np.concatenate([against, 0 * against]))
    assert [str(each.message).partition(":")[0] for each in said] == [
        "the map of image 0 is nowhere positive",
        "the map of image 1 is constant",
    ]


def test_grabcut_starts_above_zero(images):
    """Where most of a map is against, its highest twentieth holds places that are against, too."""
    values = np.full((1, SIDE, SIDE), -1.0)
    values[AGAINST] = -0.5
    values[:, 4:6, 4:6] = 1
    mask = grabcut_mask(np.uint8(255 * images), values, smoothing=0)
    assert mask[FOR].any() and not mask[AGAINST].any()


@pytest.fixture(scope="module")
def place(tmp_path_factory, network):
    folder = tmp_path_factory.mktemp("place")
    network.model.save(folder / "model.keras")
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[4:10, 4:10] = (0, 0, 255)  # red
    cv2.imwrite(str(folder / "red.png"), pixels)
    return folder


@pytest.mark.parametrize(
    "how, method",
    by_day(
        itertools.product(["grabcut", "threshold"], ["integrated_gradients", "input_x_gradient", "occlusion"]),
        [("threshold", "integrated_gradients"), ("grabcut", "occlusion")],
    ),
)
def test_the_command(run, place, tmp_path, method, how):
    model = ["--model", place / "model.keras", "--preprocess", "0..1", "--how", how, "--method", method]
    boxes = {}
    for target in (0, 1):
        status, out, err = run("localize", place / "red.png", *model, "--target", target, "--output", f"{target}")
        entry = json.loads((tmp_path / f"{target}" / "manifest.json").read_text())["results"][0]
        boxes[target] = entry["boxes"][method]
        assert status == 0 and ("none" in out) == (target == 1)
        assert ("red.png" in err) == (target == 1)
    left, top, right, bottom = boxes[0]
    assert left <= 4 and top <= 4 and 10 <= right < 16 and 10 <= bottom < 16 and boxes[1] is None


def test_the_command_says_why_and_what_else(run, place, tmp_path):
    model = [place / "red.png", "--model", place / "model.keras", "--preprocess", "0..1", "--target", "1"]
    method = ["--method", "input_x_gradient"]
    status, out, err = run("localize", *model, *method)
    assert "red.png (class 1): what input_x_gradient marks speaks against the class as much as for it, or more" in err
    assert "(--reduce sum looks for what speaks for it)" in err
    content = json.loads((tmp_path / "tfviz-output" / "manifest.json").read_text())
    assert content["localization"]["reduction"] == "max_abs" and "speaks against" in content["warnings"][-1]
    assert content["results"][0]["opposed"] == ["input_x_gradient"]
    assert content["methods"]["input_x_gradient"]["sign"] == "evidence"
    status, out, err = run("localize", *model, *method, "--reduce", "sum")
    assert status == 0 and "none" in out and "speaks against" not in err
    status, out, err = run("localize", *model, "--method", "gradient", "--how", "threshold")
    assert "speaks against" not in err and "none" not in out
    status, out, err = run("localize", *model, "--reduce", "summ")
    assert status == 1 and "no reduction (--reduce) 'summ'; did you mean" in err


@pytest.mark.parametrize(
    ("name", "options", "signed"),
    [
        ("occlusion", {"patch": 6}, True),
        ("input_x_gradient", {}, True),
        ("gradient", {}, True),
        ("saliency", {}, False),
        ("grad_cam", {}, False),
        ("square_grad", {"samples": 2}, False),
        ("smooth_grad", {"samples": 2}, True),
        ("smooth_grad", {"samples": 2, "of": "grad_cam"}, False),
        # Its pictures show what speaks for the class alone.
        ("xrai", {"steps": 2, "scales": (50,)}, False),
    ],
)
@pytest.mark.filterwarnings("ignore::tfviz.TfvizWarning")
def test_pictures_show_a_sign_where_the_method_has_one(network, images, name, options, signed):
    """Whether or not any value happens to be below zero: the same method looks alike for every image."""
    only_for = images * [1, 0, 0]
    found = tfviz.explain(network, only_for, 0, methods=name, options={name: options})
    found = dataclasses.replace(found, maps={name: np.abs(found.maps[name])})
    assert found.signed == {name: signed}
    values = found.maps[name]
    # A direction in the space of colours is a colour; evidence is not.
    own_colors = signed and name in ("gradient", "smooth_grad")
    (expected,) = tiles(
        [np.zeros((SIDE, SIDE, 3), np.uint8)], values, signed=signed, own_colors=own_colors, clip_percentile=99
    )
    (by_values,) = tiles([np.zeros((SIDE, SIDE, 3), np.uint8)], values, clip_percentile=99)
    assert not values.any() or signed == (by_values != expected).any()
    figure = FigureCanvasAgg(found.plot(np.zeros((1, SIDE, SIDE, 3), np.uint8), clip_percentile=99)).figure
    np.testing.assert_array_equal(figure.axes[1].get_images()[0].get_array(), expected)
    over_grey = found.plot(np.zeros((1, SIDE, SIDE, 3), np.uint8), own_colors=False).axes[1].get_images()[0].get_array()
    (summed,) = tiles([np.zeros((SIDE, SIDE, 3), np.uint8)], values, signed=signed)
    np.testing.assert_array_equal(over_grey, summed)
    maker = CardMaker(pictures=np.zeros((1, SIDE, SIDE, 3), np.uint8), look={"clip_percentile": 99})
    times = maker.found(found)[name].shape[2] // SIDE
    np.testing.assert_array_equal(maker.found(found)[name][0, : SIDE * times : times, ::times], expected)
    reduced = dataclasses.replace(found, maps={name: collapse(values)}) if values.ndim == 4 else None
    assert reduced is None or reduced.signed == {name: None}


def test_overlays_of_pipelines_show_the_sign_of_the_method(network):
    setup = types.SimpleNamespace(
        preprocessing=types.SimpleNamespace(order="rgb"),
        maximum_image_bytes=10**6,
        depth="full",
        examples=None,
        interpolation="keras",
    )
    setup.size, setup.fit, setup.network = (SIDE, SIDE), "stretch", network
    values = np.random.default_rng(0).uniform(0, 1, (SIDE, SIDE, 3)).astype(np.float32)
    black = cv2.imencode(".png", np.zeros((SIDE, SIDE, 3), np.uint8))[1].tobytes()
    for name, found, signed, own_colors in (
        ("occlusion", values[..., 0], True, False),
        ("grad_cam", values[..., 0], False, False),
        ("input_x_gradient", values, True, False),
        ("gradient", values, True, True),
    ):
        drawn = Look.of(setup, MethodChoice(name, {})).overlay(black, found)
        look = {"signed": signed, "own_colors": own_colors, "clip_percentile": 99}
        expected = tiles([np.zeros((SIDE, SIDE, 3), np.uint8)], found[None], **look)
        np.testing.assert_array_equal(drawn, expected[0])
