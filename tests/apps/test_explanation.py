"""`tfviz.explain` and what its result can do: plot, select, save, and the manifest."""

from __future__ import annotations

import inspect
import json
import platform
import re
import warnings
from dataclasses import fields, replace
from pathlib import Path

import cv2
import keras
import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, SHAPE, functional, model_of, random_images, randomise

import tfviz
from tfviz import UnknownMethodError
from tfviz.apps.explanation.manifest import write_manifest
from tfviz.apps.files import output
from tfviz.methods.engine import method_of
from tfviz.results import overlay, tiles

NAMES = ["ant", "bee", "cow", "$dog$", "emu"]

# What a manifest says of a model of one input and one output.
WHOLE = {"signature": None, "input": "images", "others": [], "outputs": ["0"], "cut": None, "precision": "float32"}


def ending_in(activation, units=CLASSES):
    image = layers.Input(SHAPE)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="conv")(image))
    return randomise(keras.Model(image, layers.Dense(units, activation=activation)(x), name="small"))


def read_json(path):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=refuse)


@pytest.fixture(scope="module")
def explanation():
    return tfviz.explain(model_of("functional"), random_images(3), [1, 4, 0], methods=["grad_cam", "guided_backprop"])


def test_the_maps_are_those_of_the_methods(explanation):
    model, images = model_of("functional"), random_images(3)
    for name, values in explanation.maps.items():
        np.testing.assert_allclose(values, getattr(tfviz, name)(model, images, [1, 4, 0]), rtol=1e-5, atol=1e-7)
    assert list(explanation.maps) == ["grad_cam", "guided_backprop"]
    np.testing.assert_array_equal(explanation.images, images)


def test_it_is_a_container_of_its_maps(explanation):
    assert explanation["grad_cam"] is explanation.maps["grad_cam"]
    assert list(explanation) == ["grad_cam", "guided_backprop"]
    for name, there in {"grad_cam": True, "saliency": False, 0: False, ("grad_cam",): False}.items():
        assert (name in explanation) is there


@pytest.mark.parametrize(
    "name, why",
    [
        ("saliency", "it was not run; the maps are 'grad_cam', 'guided_backprop'"),
        ("gradcam", "no such method; the maps are 'grad_cam', 'guided_backprop'"),
        (["grad_cam"], "no such method; the maps are 'grad_cam', 'guided_backprop'"),
        (0, "no such method; the maps are 'grad_cam', 'guided_backprop'"),
    ],
)
def test_a_map_that_it_does_not_hold(explanation, name, why):
    with pytest.raises(UnknownMethodError, match="^" + re.escape(f"no map is called {name!r}: {why}") + "$"):
        explanation[name]


def test_maps_of_several_layers_are_called_by_both(explanation):
    maps = {"grad_cam@conv1": explanation["grad_cam"], "grad_cam@conv2": None, "saliency": None}
    several = replace(explanation, maps=maps)
    assert several["grad_cam@conv1"] is explanation["grad_cam"]
    said = "'grad_cam': there is one for each layer; the maps are 'grad_cam@conv1', 'grad_cam@conv2'$"
    with pytest.raises(UnknownMethodError, match=said):
        several["grad_cam"]


def test_the_numbers_are_those_of_the_model(explanation):
    probabilities = model_of("functional")(random_images(3)).numpy()
    np.testing.assert_allclose(explanation.probabilities, probabilities, rtol=1e-4)
    # Behind a softmax, logits are known up to what they share.
    scores = tfviz.trace(model_of("functional")).logits(random_images(3))
    np.testing.assert_allclose(explanation.scores, scores[[0, 1, 2], [1, 4, 0]], rtol=1e-4)
    assert explanation.targets.tolist() == [1, 4, 0]
    assert (explanation.model, explanation.head) == ("functional", "softmax")


def test_the_layer_is_found_and_named(explanation):
    assert explanation.layers == {"grad_cam": "conv2"}
    assert explanation.options == {
        "grad_cam": {"layer": "conv2", "upsample": True, "placement": "convention"},
        "guided_backprop": {},
    }


def test_a_layer_goes_to_every_method_that_looks_at_one():
    found = tfviz.explain(
        model_of("functional"), random_images(), methods=["saliency", "grad_cam", "guided_grad_cam"], layer="conv1"
    )
    assert found.layers == {"grad_cam": "conv1", "guided_grad_cam": "conv1"}
    direct = tfviz.grad_cam(model_of("functional"), random_images(), layer="conv1")
    np.testing.assert_allclose(found.maps["grad_cam"], direct, rtol=1e-5, atol=1e-7)


def test_options_go_to_their_method():
    found = tfviz.explain(model_of("functional"), random_images(), options={"grad_cam": {"upsample": False}})
    assert list(found.maps) == ["grad_cam", "saliency"]
    assert found.maps["grad_cam"].shape == (2, 6, 6) and found.options["grad_cam"]["upsample"] is False


def test_batches_join():
    model = model_of("functional")
    whole, parts = (tfviz.explain(model, random_images(5), batch_size=size) for size in (5, 2))
    for name in whole.maps:
        np.testing.assert_allclose(whole.maps[name], parts.maps[name], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(whole.targets, parts.targets)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"methods": ["grad_camm"]}, "no method 'grad_camm'; did you mean 'grad_cam'"),
        ({"methods": []}, "there are no methods to run"),
        (
            {"methods": "saliency", "layer": "conv1"},
            r"layer is given \('conv1'\), but to none of: saliency; it is an option of grad_cam, \w+, \w+ and others",
        ),
        ({"options": {"deconvnet": {}}}, "options are given for 'deconvnet', but the methods to run are grad_cam, sal"),
        (
            {"options": {"grad_cam": {"size": 3}}},
            "grad_cam does not know the option 'size'; its options are: layer, up",
        ),
    ],
)
def test_what_does_not_exist(arguments, message):
    with pytest.raises(tfviz.UnknownMethodError, match=message):
        tfviz.explain(model_of("functional"), random_images(), **arguments)


def test_what_the_methods_warn_about_is_kept():
    black = np.zeros((1, *SHAPE), np.float32)
    model = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(2, 3, name="conv"), layers.GlobalAveragePooling2D()])
    model.layers[0].set_weights([np.ones((3, 3, 3, 2), np.float32), np.zeros(2, np.float32)])
    with pytest.warns(tfviz.TfvizWarning, match="grad_cam is zero everywhere") as caught:
        found = tfviz.explain(model, black, 0, methods="grad_cam")
    assert found.warnings == tuple(str(warning.message) for warning in caught)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "activation, units, head, title",
    [
        ("softmax", CLASSES, "softmax", "bee 0."),
        ("sigmoid", CLASSES, "sigmoid", "bee 0."),
        ("sigmoid", 1, "sigmoid", "bee 0."),
        (None, CLASSES, "none", "bee raw\N{NO-BREAK SPACE}output\N{NO-BREAK SPACE}"),
    ],
)
def test_the_result_says_what_its_scores_are(tmp_path, activation, units, head, title):
    model = ending_in(activation, units)
    found = tfviz.explain(model, random_images(1), 1, methods="saliency")
    assert found.head == head and found.titles(NAMES)[0].startswith(title)
    words = "raw output: the model ends in no softmax or sigmoid" if head == "none" else f"before the {head}"
    assert words in found.scored_by
    saved = read_json(found.save(tmp_path))
    assert saved["score"] == {"head": head, "meaning": found.scored_by}
    outputs = model(random_images(1)).numpy()[0]
    expected = tf.nn.softmax(outputs).numpy()[1] if head == "none" else outputs[0 if units == 1 else 1]
    assert saved["results"][0]["probability"] == pytest.approx(float(expected), rel=1e-4)
    if head == "none":
        assert found.scores[0] == pytest.approx(float(outputs[1]), rel=1e-4)


def test_a_score_of_ones_own_has_no_probability(tmp_path):
    network = tfviz.trace(ending_in("softmax"), score=lambda outputs: outputs[:, 0] - outputs[:, 1])
    found = tfviz.explain(network, random_images(1), methods="saliency")
    assert found.head == "custom" and found.titles()[0].startswith("score ")
    saved = read_json(found.save(tmp_path, class_names=["ant", "bee", "cat", "dog"]))
    assert [saved["results"][0][name] for name in ("target", "class", "probability")] == [None, None, None]
    assert saved["score"]["meaning"].endswith("given to trace, which reads probabilities after the softmax")


def test_one_raw_output_is_a_number_and_no_class(tmp_path):
    model = ending_in(None, 1)
    images = random_images(2)
    for targets in (None, 0):
        found = tfviz.explain(model, images, targets, methods="saliency")
        assert found.head == "none" and not found.has_classes and np.isnan(found.probabilities).all()
        np.testing.assert_allclose(found.scores, model(images)[:, 0], rtol=1e-5)
        value = f"raw\N{NO-BREAK SPACE}output\N{NO-BREAK SPACE}{found.scores[0]:.3g}"
        assert found.titles()[0] == found.titles(["ant"])[0] == titles(found.plot())[0] == value
        saved = read_json(found.save(tmp_path, class_names=["ant"]))["results"][0]
        assert [saved[name] for name in ("target", "class", "probability")] == [None, None, None]
        assert saved["score"] == float(found.scores[0])


def test_methods_of_probabilities_take_one_raw_output_as_it_is():
    """As they do the score of the same output, and not its softmax, which is always 1."""
    model, images = ending_in(None, 1), random_images(2)
    network = tfviz.trace(model, score=tfviz.scores.value_score())
    for name, options in {"occlusion": {"patch": 8, "stride": 8}, "score_cam": {}}.items():
        method = getattr(tfviz, name)
        found = method(model, images, **options)
        assert found.any()
        np.testing.assert_allclose(found, method(network, images, **options), rtol=1e-5, atol=1e-7)


def test_select(explanation):
    part = explanation.select([2, 0])
    np.testing.assert_array_equal(part.targets, explanation.targets[[2, 0]])
    np.testing.assert_array_equal(part.maps["grad_cam"], explanation.maps["grad_cam"][[2, 0]])
    np.testing.assert_array_equal(part.images, explanation.images[[2, 0]])
    assert part.layers == explanation.layers
    np.testing.assert_array_equal(explanation.select([False, True, True]).targets, explanation.targets[1:])
    with pytest.raises(IndexError):
        explanation.select([3])


def test_a_part_knows_its_zero_maps_by_its_own_rows(explanation):
    found = replace(explanation, zero_maps={"grad_cam": {0: "first", 2: "last"}, "saliency": {1: "middle"}})
    assert found.select([2, 1, -3]).zero_maps == {"grad_cam": {0: "last", 2: "first"}, "saliency": {1: "middle"}}
    assert found.select([1]).zero_maps == {"grad_cam": {}, "saliency": {0: "middle"}}


@pytest.fixture(scope="module")
def best():
    return tfviz.explain(model_of("functional"), random_images(2), methods="grad_cam", top=3)


def test_several_targets_of_an_image(best):
    assert best.targets_per_image == 3 and len(best.targets) == 6
    assert repr(best).startswith("Explanation of 2 images, 3 targets each, by 'functional'")
    assert [best.select(rows).targets_per_image for rows in ([3, 4, 5], range(6), [0], [0, 1], [1, 2, 3])] == [
        3,
        3,
        1,
        1,
        1,
    ]


def test_pictures_are_of_images_or_of_rows(best, explanation):
    pictures = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), np.uint8)
    repeated = np.repeat(pictures, 3, axis=0)
    np.testing.assert_array_equal(best.by_row(pictures), repeated)
    np.testing.assert_array_equal(best.by_row(list(repeated[::-1])), repeated[::-1])
    for given in (pictures, repeated, pictures.astype(np.float32)):
        shown = [axes.images[0].get_array() for axes in best.plot(given).axes]
        np.testing.assert_array_equal(shown[::2], repeated)
    np.testing.assert_array_equal(explanation.by_row(repeated[:3]), repeated[:3])
    np.testing.assert_array_equal(explanation.select([2]).by_row(pictures[1]), pictures[1:])


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7])
def test_pictures_that_are_of_neither(best, tmp_path, count):
    pictures, said = (
        np.zeros((count, *SHAPE), np.uint8),
        "one picture for each of 2 images of 3 targets each, got pictures",
    )
    for call in (best.plot, lambda pictures: best.save(tmp_path / "new", pictures=pictures)):
        with pytest.raises(tfviz.TfvizError, match=said):
            call(pictures)
    assert not (tmp_path / "new").exists()


def test_one_picture_is_not_shown_beside_another_image(explanation):
    for pictures in (np.zeros((4, *SHAPE), np.uint8), np.zeros((1, *SHAPE), np.uint8), np.zeros(SHAPE, np.uint8)):
        with pytest.raises(tfviz.TfvizError, match="expected one picture for each of 3 images, got pictures of shape"):
            explanation.plot(pictures)


def test_files_of_several_targets_are_called_by_their_class(best, tmp_path):
    pictures = np.zeros((2, *SHAPE), np.uint8)
    saved = read_json(best.save(tmp_path, pictures=pictures))
    named = [f"image_{row // 3}.class_{target}" for row, target in enumerate(best.targets)]
    assert [entry["image"] for entry in saved["results"]] == named
    assert all((tmp_path / f"{name}.grad_cam.npy").exists() for name in named)


def test_a_small_probability_is_not_shown_as_none(explanation):
    for small, shown in ((0.0004, "<\N{NO-BREAK SPACE}0.001"), (0.0006, "0.001"), (0.0, "<\N{NO-BREAK SPACE}0.001")):
        probabilities = np.full_like(explanation.probabilities, small)
        assert replace(explanation, probabilities=probabilities).titles(NAMES)[0] == f"bee {shown}"


def titles(figure):
    return [axes.get_title().replace("\n", " ") for axes in figure.axes]


def test_plot(explanation):
    figure = explanation.plot(class_names=NAMES)
    shown = titles(figure)
    assert len(shown) == 9 and shown[1:3] == ["grad_cam at conv2", "guided_backprop"]
    for row, target in enumerate((1, 4, 0)):
        assert shown[3 * row] == f"{NAMES[target]} {explanation.probabilities[row, target]:.3f}"
    assert titles(explanation.plot())[0].startswith("class 1 0.")


@pytest.mark.parametrize(
    "name, options, shown",
    [
        ("smooth_grad", {}, "smooth_grad of gradient"),
        ("xgrad_cam", {"layer": "conv1"}, "xgrad_cam at conv1"),
        ("grad_cam@conv1", {"layer": "conv1"}, "grad_cam at conv1"),
        (
            "var_grad",
            {"of": "smooth_grad", "options": {"of": "grad_cam", "options": {"layer": "conv1"}}},
            "var_grad of smooth_grad of grad_cam at conv1",
        ),
    ],
)
def test_a_column_tells_what_ran(explanation, name, options, shown):
    complete = {name: method_of(name).complete(options)}
    found = replace(explanation, maps={name: explanation.maps["grad_cam"]}, options=complete)
    assert titles(found.plot())[1] == shown


def test_a_column_names_the_layer_of_an_inner_method():
    of = {"smooth_grad": {"of": "grad_cam", "samples": 2}}
    found = tfviz.explain(model_of("functional"), random_images(1), methods="smooth_grad", options=of)
    assert titles(found.plot())[1] == "smooth_grad of grad_cam at conv2"


def test_help_lists_every_attribute():
    documented = re.findall(r"^(\w+) : ", inspect.getdoc(tfviz.Explanation), re.MULTILINE)
    properties = inspect.getmembers(tfviz.Explanation, lambda each: isinstance(each, property))
    public = {name for name, _ in properties if not name.startswith("_")}
    assert len(documented) == len(set(documented))
    assert {*documented} == {each.name for each in fields(tfviz.Explanation)} | public
    assert inspect.getdoc(tfviz.Explanation).count("Attributes\n----------\n") == 1


def labelled(targets, probabilities):
    """An explanation of rows whose probabilities are known."""
    found = tfviz.explain(model_of("functional"), random_images(len(targets)), targets, methods="saliency")
    probabilities = np.array(probabilities, np.float32)
    return replace(found, probabilities=probabilities, logits=np.log(probabilities))


def test_titles_with_true_labels():
    """Beside the explained class they tell the true and the predicted one, whichever of the three are the same."""
    odds = [0.05, 0.5, 0.3, 0.13, 0.02]
    found = labelled([1, 1, 2, 2, 4], [odds] * 5)
    assert found.titles(NAMES, [1, "cow", 1, 2, "ant"]) == [
        "true and predicted bee 0.500",
        "true cow,\npredicted bee 0.500",
        "true and predicted bee 0.500,\nexplained cow 0.300",
        "true and explained cow 0.300,\npredicted bee 0.500",
        "true ant,\npredicted bee 0.500,\nexplained emu 0.020",
    ]
    assert titles(found.plot(class_names=NAMES, true=[1, 2, 1, 2, 0]))[2] == "true cow, predicted bee 0.500"
    saturated = replace(found, probabilities=np.ones((5, 5), np.float32))
    assert saturated.titles(NAMES, [3] * 5)[0] == "true $dog$,\npredicted bee 1.000"


@pytest.mark.parametrize(
    "true, message",
    [
        ([1, 2], r"true must be a list of 3 labels, one per image, got \[1, 2\]"),
        ("bee", "true must be a list of 3 labels, one per image, got 'bee'"),
        ([1, 2, "bea"], "no class is called 'bea'; did you mean 'bee'"),
        ([1, 2, 5], "5"),
        ([1, 2, 1.5], "true holds 1.5; expected indices or names of classes"),
    ],
)
def test_true_labels_that_do_not_fit(explanation, tmp_path, true, message):
    for call in (explanation.plot, lambda **given: explanation.save(tmp_path / "new", **given)):
        with pytest.raises(tfviz.TfvizError, match=message):
            call(class_names=NAMES, true=true)
    with pytest.raises(tfviz.TfvizError, match=message):
        explanation.plot(class_names=NAMES, true=true, titles=["a", "b", "c"])
    with pytest.raises(tfviz.TfvizError, match="there are no class_names to find it in"):
        explanation.plot(true=["bee", 1, 1])
    assert not (tmp_path / "new").exists()


def test_true_labels_are_found_in_the_names_that_the_network_knows(explanation, tmp_path):
    known = replace(explanation, class_names=tuple(NAMES))
    assert titles(known.plot(true=["bee", "cow", "ant"]))[0].startswith(("true bee", "true and"))
    saved = read_json(known.save(tmp_path, true=["bee", "cow", "ant"]))
    assert [entry["true"] for entry in saved["results"]] == [1, 2, 0]


def test_each_saved_picture_has_the_true_label_of_its_row(explanation, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("tfviz.apps.explanation.explanation.write_figure", lambda path, figure: drawn.append(figure))
    explanation.save(tmp_path, class_names=NAMES, true=[3, 2, 1])
    expected = [title.replace("\n", " ") for title in explanation.titles(NAMES, [3, 2, 1])]
    assert [titles(figure)[0] for figure in drawn] == expected


def test_a_score_that_is_not_of_classes_has_no_true_class():
    found = tfviz.explain(ending_in(None, 1), random_images(1), methods="saliency")
    with pytest.raises(tfviz.TfvizError, match="these scores are not of classes"):
        found.plot(true=[0])


def test_titles_of_ones_own(explanation):
    for own in (["a", "b", "c"], np.array(["a", "b", "c"])):
        assert titles(explanation.plot(titles=own))[::3] == ["a", "b", "c"]
    with pytest.raises(tfviz.TfvizError, match="expected 3 titles, one per image, got 2"):
        explanation.plot(titles=["a", "b"])


def test_an_unknown_option_is_named(explanation, tmp_path):
    with pytest.raises(tfviz.TfvizError, match="plot has no option 'class_name'; did you mean 'class_names'"):
        explanation.plot(class_name=NAMES)
    with pytest.raises(tfviz.TfvizError, match="plot has no option 'per_image'"):
        explanation.plot(per_image=2)
    with pytest.raises(tfviz.TfvizError, match="save has no option 'dpis'; did you mean 'dpi'"):
        explanation.save(tmp_path / "new", dpis=300)
    with pytest.raises(tfviz.TfvizError, match="save has no option 'picture'; did you mean 'pictures'"):
        explanation.save(tmp_path / "new", picture=None)
    assert not (tmp_path / "new").exists()


def test_the_classes_of_an_image_side_by_side(best, tmp_path):
    """Each title stands over the map of its class, scaled by the largest value of the three."""
    pictures = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), np.uint8)
    figure = best.plot(pictures, layout="classes", true=[0, 1])
    shown = best.titles()
    assert titles(figure) == [
        *("grad_cam at conv2 true class 0", *shown[:3]),
        *("grad_cam at conv2 true class 1", *shown[3:]),
    ]
    for image in range(2):
        np.testing.assert_array_equal(image_of(figure, 4 * image), pictures[image])
        rows = best.maps["grad_cam"][3 * image : 3 * image + 3]
        for place, each in enumerate(rows):
            expected = overlay(pictures[image], each / rows.max())
            assert np.abs(image_of(figure, 4 * image + 1 + place).astype(int) - expected).max() <= 1
    saved = read_json(best.save(tmp_path, pictures=pictures, layout="classes", true=[0, 1], dpi=50))["results"]
    assert [entry["picture"] for entry in saved] == [saved[0]["picture"]] * 3 + [saved[3]["picture"]] * 3
    assert [entry["true"] for entry in saved] == [0] * 3 + [1] * 3
    assert len(list(tmp_path.glob("*.png"))) == 2 and len(list(tmp_path.glob("*.npy"))) == 6


def test_saved_pictures_have_the_dots_that_were_asked_for(explanation, tmp_path):
    first = explanation.select([0])
    inches = first.plot(class_names=NAMES).get_size_inches()
    for dpi, options in ((150, {}), (300, {"dpi": 300})):
        first.save(tmp_path, titles=["mine"], **options)
        with PIL.Image.open(tmp_path / "image_0.tfviz.png") as picture:
            np.testing.assert_allclose(picture.size, inches * dpi, atol=1)
            assert picture.info["dpi"] == pytest.approx((dpi, dpi), abs=0.1)
    with pytest.raises(tfviz.TfvizError, match="expected 1 titles, one per row, got 2"):
        first.save(tmp_path / "new", titles=["a", "b"])
    assert plt.get_fignums() == [1] and not (tmp_path / "new").exists()


def image_of(figure, place):
    return np.asarray(figure.axes[place].get_images()[0].get_array())


def test_plot_shows_networks_of_blue_green_red_in_red_green_blue():
    images = random_images(1)
    found = tfviz.explain(model_of("functional"), images, methods="gradient")
    rgb, bgr = found.plot(), found.plot(order="bgr")
    for place in (0, 1):
        np.testing.assert_array_equal(image_of(bgr, place), image_of(rgb, place)[..., ::-1])
    with pytest.raises(tfviz.TfvizError, match="order must be one of rgb, bgr, grey, got 'gbr'"):
        found.plot(order="gbr")


def test_own_colours_are_chosen_by_the_name_of_the_method(explanation):
    usual, none = explanation.plot(), explanation.plot(own_colors=False)
    for chosen, wanted in (
        ({}, usual),
        ({"grad_cam": True}, usual),
        ({"guided_backprop": False}, none),
        (True, usual),
    ):
        np.testing.assert_array_equal(image_of(explanation.plot(own_colors=chosen), 2), image_of(wanted, 2))
    assert not np.array_equal(image_of(usual, 2), image_of(none, 2))
    cam = tfviz.explain(model_of("functional"), random_images(1), methods="guided_grad_cam")
    by_name, by_all = cam.plot(own_colors={"guided_grad_cam": True}), cam.plot(own_colors=True)
    np.testing.assert_array_equal(image_of(by_name, 1), image_of(by_all, 1))
    with pytest.raises(tfviz.TfvizError, match="own_colors is given for 'guided_backprob', which is not shown; did"):
        explanation.plot(own_colors={"guided_backprob": False})


def test_plot_takes_pictures_and_more_columns(explanation):
    red = np.zeros((3, 32, 32, 3), np.uint8)
    red[..., 0] = 255
    figure = explanation.plot(red, columns={"again": red}, colormap="turbo", blend="additive")
    assert titles(figure)[3] == "again" and len(figure.axes) == 12
    for place in (0, 3):
        np.testing.assert_array_equal(image_of(figure, place), red[0])
    with pytest.raises(tfviz.TfvizError, match="columns holds 'grad_cam at conv2', which is the title of a method's"):
        explanation.plot(red, columns={"grad_cam at conv2": red})


def test_save(explanation, tmp_path):
    path = explanation.save(tmp_path / "new" / "folder", class_names=NAMES)
    folder = path.parent
    assert path == tmp_path / "new" / "folder" / "manifest.json"
    saved = read_json(path)
    assert {entry.name for entry in folder.iterdir()} == {
        "manifest.json",
        *(f"image_{row}.tfviz.png" for row in range(3)),
        *(f"image_{row}.{name}.npy" for row in range(3) for name in explanation.maps),
    }
    for row, result in enumerate(saved["results"]):
        for name, file in result["maps"].items():
            values = np.load(folder / file)
            assert values.dtype == np.float32
            np.testing.assert_array_equal(values, explanation.maps[name][row])
        target = int(explanation.targets[row])
        assert (result["image"], result["target"], result["class"]) == (f"image_{row}", target, NAMES[target])
        assert result["score"] == float(explanation.scores[row])
        assert result["probability"] == float(explanation.probabilities[row, target])
        assert cv2.imread(str(folder / result["picture"])).std() > 10


def test_the_manifest_says_how(explanation, tmp_path):
    saved = read_json(explanation.save(tmp_path))
    assert saved["schema"] == 1
    assert saved["versions"] == {
        "tfviz": tfviz.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    assert saved["model"] == {"name": "functional", "path": None, "fingerprint": explanation.fingerprint, **WHOLE}
    assert saved["methods"] == {
        "grad_cam": {
            "result": "map",
            "sign": "for",
            "layer": "conv2",
            "options": {"layer": "conv2", "upsample": True, "placement": "convention"},
        },
        "guided_backprop": {"result": "attribution", "sign": "direction", "layer": None, "options": {}},
    }
    assert saved["results"][0]["class"] is None and saved["warnings"] == [] and saved["failed"] == {}


def test_the_manifest_names_maps_that_say_nothing(tmp_path):
    model = functional()
    model.get_layer("scores").set_weights([np.zeros((6, CLASSES), np.float32), np.zeros(CLASSES, np.float32)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tfviz.TfvizWarning)
        found = tfviz.explain(model, random_images(1), 0)
    saved = read_json(found.save(tmp_path))
    assert saved["results"][0]["zero_maps"].keys() == {"grad_cam", "saliency"}
    assert saved["warnings"] == list(found.warnings) and len(saved["warnings"]) == 2


def test_a_manifest_is_strict_json(tmp_path):
    odd = {"options": {"a": np.float32(1.5), "b": (np.int64(2), np.nan), "c": np.array([1, 2]), "d": {3: Path("x")}}}
    assert read_json(write_manifest(tmp_path, odd)) == {
        "options": {"a": 1.5, "b": [2, None], "c": [1, 2], "d": {"3": "x"}}
    }


def test_save_leaves_its_folder_for_no_name(explanation, tmp_path):
    with pytest.raises(tfviz.TfvizError, match=r"'\.\./b' is no name of a file; expected one without .*, such as 'b'"):
        explanation.save(tmp_path / "new", names=["a", "../b", "c"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "a"]])
def test_save_needs_a_name_for_each_image(explanation, tmp_path, names):
    with pytest.raises(tfviz.TfvizError, match="expected 3 different names, one per row, got 2"):
        explanation.save(tmp_path / "new", names=names)
    assert not (tmp_path / "new").exists()


def test_what_fails_at_a_later_row_leaves_nothing(explanation, tmp_path):
    """The second picture has no room, for its title alone takes three lines."""
    for folder in (tmp_path / "new" / "folder", tmp_path):
        with pytest.raises(tfviz.TfvizError, match="leaves no room for pictures"):
            explanation.save(folder, titles=["a", "b " * 200, "c"], figsize=(5, 0.8))
        assert not list(tmp_path.iterdir())
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(tfviz.TfvizError, match=r"manifest\.json cannot be written: Is a directory"):
        explanation.save(tmp_path)


def test_a_folder_that_is_a_file(explanation, tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(
            tfviz.TfvizError, match=r"the output folder .* cannot be written \(.*file: Not a directory\)"
        ):
            explanation.save(folder)
    assert (tmp_path / "file").read_text() == "mine"


def test_checking_a_folder_makes_nothing(tmp_path):
    output.check_folder(tmp_path / "new" / "folder")
    assert not list(tmp_path.iterdir())


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "map.npy"
    output.write_file(path, b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output.os, "replace", fail)
    with pytest.raises(tfviz.TfvizError, match=r"map\.npy cannot be written: No space left on device"):
        output.write_file(path, b"new")
    assert path.read_bytes() == b"old" and [entry.name for entry in tmp_path.iterdir()] == ["map.npy"]


@pytest.mark.parametrize(
    "paths, names",
    [
        (["a/cat.jpg", "a/dog.jpg"], ["cat", "dog"]),
        (["a/cat.jpg", "b/cat.jpg", "a/dog.jpg"], ["a_cat", "b_cat", "dog"]),
        (["x/a/cat.jpg", "y/a/cat.jpg"], ["x_a_cat", "y_a_cat"]),
        (["a/Cat.jpg", "b/cat.jpg"], ["a_Cat", "b_cat"]),
        (["a/cat.v1.jpg", "a/cat.v2.jpg"], ["cat.v1", "cat.v2"]),
        (["a/cat.jpg", "a/cat.png"], ["cat", "cat-2"]),
        (["a/cat.jpg", "a/cat.png", "b/cat.png"], ["a_cat", "a_cat-2", "b_cat"]),
        (["a/cat.png", "a/CAT.png"], ["cat", "CAT-2"]),
        (["a/Straße.png", "a/STRASSE.jpg", "a/strasse.png"], ["Straße", "STRASSE-2", "strasse-3"]),
        (["a/cat.png", "a/CAT.png", "b/cat.png"], ["a_cat", "a_CAT-2", "b_cat"]),
        (["a/cat.png", "A/cat.png"], ["cat", "cat-2"]),
        (["x/a/cat.png", "y/A/cat.png"], ["x_a_cat", "y_A_cat"]),
    ],
)
def test_file_names(paths, names):
    assert output.file_names([Path("/root") / path for path in paths]) == names


def test_file_names_are_never_equal():
    paths = [Path("/a/cat.jpg"), Path("/a/cat.png"), Path("/a/cat-2.png"), Path("/b/a_cat.gif"), Path("/b/cat.gif")]
    names = output.file_names(paths)
    assert len({name.casefold() for name in names}) == len(paths) and not any("/" in name for name in names)


def test_a_map_with_a_background_is_shown_from_its_minimum():
    images = random_images(2)
    explanation = tfviz.explain(
        model_of("functional"), images, methods=["rise", "gradient"], options={"rise": {"masks": 5}}
    )
    shown = explanation.shown("bgr")
    for each, values in zip(shown["rise"], explanation.maps["rise"], strict=True):
        np.testing.assert_array_equal(each, values - values.min())
    (bar,) = explanation.plot(colorbar=True).axes[1].child_axes
    most = explanation.maps["rise"][0].max() - explanation.maps["rise"][0].min()
    assert [text.get_text() for text in bar.get_xticklabels()] == ["0", f"{most:.2g}"]
    np.testing.assert_array_equal(shown["gradient"], explanation.maps["gradient"][..., ::-1])


@pytest.mark.filterwarnings("ignore:xrai misses completeness:tfviz.TfvizWarning")
def test_a_map_of_regions_is_shown_where_it_speaks_for_the_class():
    images = random_images(1)
    found = tfviz.explain(
        model_of("functional"), images, methods="xrai", options={"xrai": {"steps": 20, "scales": 1e5}}
    )
    values = found.maps["xrai"]
    assert values.min() < 0 < values.max()
    np.testing.assert_array_equal(found.shown()["xrai"], np.where(values > 0, values, 0))
    against = replace(found, maps={"xrai": -abs(values) - 1})
    pictures = np.zeros((1, *SHAPE), np.uint8)
    (said,) = tiles(pictures, -np.ones_like(values), signed=False)  # "nothing positive", and not "all zero"
    np.testing.assert_array_equal(image_of(against.plot(pictures), 1), said)
    assert (said != tiles(pictures, 0 * values)[0]).any()
