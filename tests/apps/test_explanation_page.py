"""What a notebook shows of an explanation: everything that helps to read it, small, and nothing that is obeyed."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from support.model_zoo import model_of, random_images
from support.pages import ATTACKS, Page

import tfviz
from tfviz.apps.explanation.html import PICTURE_BYTES, explanation_page
from tfviz.data_format import DataFormat
from tfviz.methods import METHODS
from tfviz.methods.engine import is_attribution
from tfviz.printable import printable
from tfviz.results import tiles, to_picture

MOST_BYTES = 300_000
CLASSES = 5


def explanation_of(names=("grad_cam", "saliency"), rows=2, size=(16, 16), channels=3, head="softmax", **changed):
    """An explanation made of seeded noise; rows are views of one, so that many large ones take no memory."""
    noise = np.random.default_rng(3).normal(size=(1, *size, channels)).astype(np.float32)
    options = {name: METHODS[name.partition("@")[0]].complete({}) for name in names}
    shapes = {name: (rows, *size, channels)[: 4 if is_attribution(name, options[name]) else 3] for name in names}
    maps = {
        name: np.broadcast_to(noise if len(each) == 4 else abs(noise[..., 0]), each) for name, each in shapes.items()
    }
    fields = {
        "images": np.broadcast_to(noise, (rows, *size, channels)),
        "maps": maps,
        "targets": np.arange(rows) % CLASSES,
        "scores": np.linspace(1, 2, rows, dtype=np.float32),
        "logits": np.ones((rows, CLASSES), np.float32),
        "probabilities": np.full((rows, CLASSES), 0.25, np.float32),
        "options": options,
        "layers": {name: "conv" for name in names if "layer" in options[name]},
        "diagnostics": {},
        "warnings": (),
        "targets_per_image": 1,
        "zero_maps": {},
        "data_format": DataFormat.CHANNELS_LAST,
        "model": "noise",
        "head": head,
        "scored_by": "the logit before the softmax",
    }
    return tfviz.Explanation(**{**fields, **changed})


def page_of(explanation, class_names=None):
    named = explanation if class_names is None else replace(explanation, class_names=tuple(class_names))
    html = explanation_page(named)
    assert len(html.encode()) < MOST_BYTES
    return Page(html)


@pytest.fixture(scope="module")
def explanation():
    options = {"grad_cam": {"upsample": False}}
    return tfviz.explain(model_of("functional"), random_images(3), [1, 4, 0], methods="grad_cam", options=options)


def test_the_page_says_what_was_explained_and_how(explanation):
    page = Page(replace(explanation, warnings=("it is doubtful", "so is that"))._repr_html_())
    assert page.texts[:2] == ["Explanation of 3 images by functional", "The score is the logit before the softmax."]
    assert page.texts[2:4] == ["Options that are not the default:", "grad_cam: upsample=False"]
    assert page.text.count("Warnings\nit is doubtful\nso is that") == 1
    for row, target in enumerate([1, 4, 0]):
        numbers = f"probability {explanation.probabilities[row, target]:.3g}, logit {explanation.scores[row]:.4g}"
        assert f"Image {row}: class {target}, {numbers}" in page.texts
    assert page.text.count("image\ngrad_cam\nat conv2") == 3
    assert "not shown" not in page.text and page.text.count("stretched from black to white") == 1


def test_options_as_they_are_by_default_are_not_shown():
    text = page_of(explanation_of()).text
    assert "=" not in text.replace("order=", "") and "default" not in text


def test_the_method_inside_of_another_is_named_with_its_options():
    given = explanation_of(["smooth_grad"])
    inner = {"of": "grad_cam", "options": {"upsample": False, "layer": "conv", "placement": "convention"}}
    options = {**given.options["smooth_grad"], "samples": np.int32(2), **inner}
    page = page_of(replace(given, options={"smooth_grad": options}, layers={"smooth_grad": "conv"}))
    assert "smooth_grad: of='grad_cam', samples=2, grad_cam upsample=False" in page.texts
    assert page.text.count("smooth_grad\nof grad_cam\nat conv") == 2


def test_arrays_and_functions_among_options_are_described():
    given = explanation_of(["grad_cam"])
    options = {"a": np.zeros((4, 4, 3)), "b": [np.ones(2), 1.5], "c": np.float32(0.5), "d": len, "e": {"f": "g"}}
    page = page_of(replace(given, options={"grad_cam": {**given.options["grad_cam"], **options}}))
    assert "grad_cam: a=array (4, 4, 3), b=[array (2,), 1.5], c=0.5, d=len, e={'f': 'g'}" in page.texts


def test_small_pictures_are_those_of_a_figure_pixel_by_pixel():
    given = explanation_of(["gradient", "xrai", "rise", "deconvnet"])
    # What no sign tells: a gradient of positive numbers, negative parts of XRAI, a background that is not zero.
    gradient = given.maps["gradient"]
    changed = {"gradient": abs(gradient), "xrai": gradient[..., 0], "rise": gradient[..., 0] + 9}
    given = replace(given, maps={**given.maps, **changed})
    page = page_of(given)
    pictures = to_picture(given.images)
    wanted = [pictures]
    for name, values in given.shown("rgb").items():
        looks = {"signed": given.signed[name], "own_colors": name in ("gradient", "deconvnet")}
        wanted.append(np.stack(tiles(pictures, values, clip_percentile=99.0, **looks)))
    for index, (attributes, picture) in enumerate(page.images):
        np.testing.assert_array_equal(picture, wanted[index % 5][index // 5])
        assert (attributes["width"], attributes["height"]) == ("192", "192")
        assert "pixelated" in attributes["style"]
    assert [attributes["alt"] for attributes, _ in page.images] == ["image", *given.maps] * 2


def test_large_pictures_are_shrunk_before_they_are_coloured():
    given = explanation_of(["guided_backprop", "saliency"], rows=1, size=(300, 600))
    page = page_of(given)
    small = {"image": cv2.resize(given.images[0], (192, 96), interpolation=cv2.INTER_AREA)}
    small.update(
        (name, cv2.resize(each[0], (192, 96), interpolation=cv2.INTER_AREA)) for name, each in given.maps.items()
    )
    picture = to_picture(small.pop("image"))
    wanted = [picture]
    wanted += [tiles([picture], [each], clip_percentile=99.0, own_colors=True)[0] for name, each in small.items()]
    for (attributes, found), expected in zip(page.images, wanted, strict=True):
        assert found.shape == (96, 192, 3) and (attributes["width"], attributes["height"]) == ("192", "96")
        # JPEG keeps brightness; noise of one pixel is the worst for it.
        assert np.abs(found.mean(axis=2) - expected.mean(axis=2)).mean() < 12
        assert "pixelated" not in attributes["style"]


@pytest.mark.parametrize(
    "rows, methods, side, shown_rows", [(64, 24, 1024, 1), (64, 2, 512, 6), (7, 7, 300, 6), (1, 1, 100, 1)]
)
def test_the_page_is_small_and_quick_whatever_was_explained(rows, methods, side, shown_rows):
    given = explanation_of([*METHODS, *(f"grad_cam@conv{number}" for number in range(9))][:methods], rows, (side, side))
    start = time.process_time()
    html = given._repr_html_()
    assert time.process_time() - start < 1
    assert len(html.encode()) < MOST_BYTES and html == given._repr_html_()
    page = Page(html)
    assert len(page.images) == shown_rows * (methods + 1)
    assert all(min(picture.shape[:2]) >= 70 for _, picture in page.images)
    hidden = rows - shown_rows
    assert (f"{hidden} more row" in page.text) == (hidden > 0)


def test_more_maps_than_fit_are_counted():
    given = explanation_of([f"grad_cam@conv{number}" for number in range(60)], rows=2)
    page = page_of(given)
    assert len(page.images) == 48
    assert "1 more row is not shown" in page.text and "13 more maps are not shown" in page.text


@pytest.mark.parametrize("attack", ATTACKS)
def test_names_of_strangers_are_shown_and_not_obeyed(attack):
    names = ["grad_cam@" + attack, "saliency"]
    given = explanation_of(
        names,
        model=attack,
        scored_by=attack,
        warnings=(attack,),
        layers={names[0]: attack},
        targets_per_image=2,
        options={names[0]: {attack: attack}, "saliency": {}},
    )
    page = page_of(given, [attack] * CLASSES)
    shown = printable(attack)
    assert f"Explanation of 1 image, 2 targets each, by {shown}" in page.texts
    assert f"The score is {shown}." in page.texts
    assert f"at {shown}" in page.texts and shown in page.texts  # the warning
    assert f"Image 0: {shown} (class 1), probability 0.25, logit 2" in page.texts
    assert f"grad_cam@{shown}: {shown}={printable(repr(attack))}" in page.texts
    assert page.images[1][0]["alt"] == printable(names[0])


def test_names_without_end_do_not_make_a_page_without_end():
    flood = '"' * 100_000
    names = [f"grad_cam@{number}{flood}" for number in range(60)]
    given = explanation_of(
        names,
        rows=6,
        size=(256, 256),
        model=flood,
        scored_by=flood,
        warnings=(flood,) * 1000,
        layers=dict.fromkeys(names, flood),
        options={name: {flood: flood} for name in names},
    )
    page = page_of(given, [flood] * CLASSES)
    assert "and 996 more" in page.texts and len(page.images) == 48


def nan_in(values):
    changed = np.array(values)
    changed[:, :2] = np.nan
    return changed


@pytest.mark.parametrize(
    "change, problem",
    [
        (lambda given: {"images": nan_in(given.images)}, "its image cannot be shown"),
        (lambda given: {"maps": {**given.maps, "gradient": nan_in(given.maps["gradient"])}}, "NaN or infinite values"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence(change, problem):
    given = explanation_of(["gradient", "grad_cam"])
    page = page_of(replace(given, **change(given)))
    assert len(page.images) == 4 and page.text.count(problem) == 2
    assert all("not shown: " in text for text in page.texts if problem in text)


@pytest.mark.parametrize(
    "head, width, expected",
    [
        ("softmax", 5, "class 1, probability 0.25, logit 2"),
        ("sigmoid", 2, "class 1, probability 0.25, logit 2"),
        ("log_odds", 5, "class 1, probability 0.25, log odds 2"),
        ("none", 5, "class 1, raw output 2"),
        ("none", 1, "raw output 2"),
        ("custom", 1, "score 2"),
    ],
)
def test_numbers_of_every_kind_of_head(head, width, expected):
    logits = np.ones((2, width), np.float32)
    page = page_of(explanation_of(head=head, logits=logits, probabilities=0.25 * logits))
    assert f"Image 1: {expected}" in page.texts


def test_without_a_classifier_there_is_no_score():
    page = page_of(explanation_of(head="none", scores=np.full(2, np.nan, np.float32)))
    assert "Image 1: no score" in page.texts


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("data_format", DataFormat)
def test_images_of_any_channels_in_either_order(channels, data_format):
    last = explanation_of(["gradient", "saliency", "smooth_grad"], channels=channels)
    turned = {name: each if each.ndim == 3 else data_format.from_last(each) for name, each in last.maps.items()}
    given = replace(last, images=data_format.from_last(last.images), maps=turned, data_format=data_format)
    page = page_of(given)
    assert len(page.images) == 8 and ("channels of images the mean" in page.text) == (channels == 4)
    shown = to_picture(last.images.mean(axis=3, keepdims=True))
    np.testing.assert_array_equal(page.images[0][1], shown[0])
    if channels == 4:
        values = last.maps["gradient"].sum(axis=3)
        wanted = tiles(shown, values, signed=True, clip_percentile=99.0)[0]
        np.testing.assert_array_equal(page.images[1][1], wanted)


def test_maps_that_are_zero_and_maps_of_their_own_size():
    given = explanation_of(["grad_cam", "saliency"])
    small = np.zeros((2, 3, 3), np.float32)
    given = replace(given, maps={**given.maps, "grad_cam": small}, zero_maps={"grad_cam": {1: "nothing speaks for it"}})
    page = page_of(given)
    assert page.texts.count("zero everywhere") == 1
    assert page.images[1][1].shape == (16, 16, 3)


def test_what_of_the_network_was_chosen_is_named():
    part = {"signature": "serve", "cut": None, "precision": "bfloat16", "random": "off", "input": "images"}
    page = page_of(replace(explanation_of(), origin=SimpleNamespace(part=part)))
    assert "network: signature='serve', precision='bfloat16', random='off'" in page.texts


def test_pictures_share_the_bytes_that_they_may_take():
    given = explanation_of(["saliency"], rows=6, size=(512, 512))
    html = explanation_page(given)
    assert len(html) < PICTURE_BYTES * 4 / 3 + 20_000


def test_very_narrow_images():
    page = page_of(explanation_of(size=(3, 2000)))
    assert page.images[0][1].shape[:2] == (1, 192)
