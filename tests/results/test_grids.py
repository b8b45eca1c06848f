"""Grids of pictures against plain loops over public functions, and against each picture's own maps."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import model_of, randomise

import tfviz
from tfviz.errors import (
    InvalidImagesError,
    InvalidTargetsError,
    TfvizError,
    TfvizWarning,
    UnknownLayerError,
    UnknownMethodError,
    UnsupportedModelError,
)
from tfviz.methods import METHODS
from tfviz.results.metrics import disconnected_grid, grid_pointing_game
from tfviz.results.metrics.localisation.grid_game import is_shrunk
from tfviz.results.metrics.localisation.grid_network import grid_network
from tfviz.results.metrics.localisation.grid_pictures import GridLayout, arrange

SIDE = 12
FEW = {"steps": 3, "samples": 2, "masks": 10, "cells": 3, "patch": 4, "scales": (50,)}
TARGETS = np.array([0, 1, 2, 3, 0, 1, 2])
# What is made of gradients, each of which is zero in all other cells.
GRADIENTS = ("gradient", "guided_backprop", "integrated_gradients")
MORE_GRADIENTS = (
    "full_grad",
    "saliency",
    "input_x_gradient",
    "deconvnet",
    "smooth_grad",
    "var_grad",
    "simple_full_grad",
)


def network(size=(SIDE, SIDE), end=None, seed=1):
    """A small network of four classes; `end` makes the outputs of the pooled features."""
    image = keras.Input((*size, 3), name="pixels")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(layers.Rescaling(2.0, -0.5)(image))
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="conv2")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(4, activation="softmax", name="scores")(x) if end is None else end(x)
    return randomise(keras.Model(image, x), seed)


FIXED, OPEN = network(), network((None, None))
IMAGES = np.random.default_rng(0).uniform(0, 1, (len(TARGETS), SIDE, SIDE, 3)).astype(np.float32)
ANY = {"confidence": 0.0}
"""Networks that are not trained are sure of nothing."""
FEW_STEPS = pytest.mark.filterwarnings("ignore:integrated_gradients misses completeness:tfviz.errors.TfvizWarning")


def slow_grids(model, cells):
    """What `grid_pictures` says of all pictures: (rows in a grid, the row that is measured, its cell)."""
    logits = tfviz.trace(model).logits(IMAGES)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    sure = (exponentials / exponentials.sum(axis=1, keepdims=True))[np.arange(len(IMAGES)), TARGETS]
    turns = []
    for turn in range(len(IMAGES)):
        of_turn = []
        for label in range(4):
            own = sorted(np.flatnonzero(label == TARGETS), key=lambda row: -sure[row])
            of_turn += own[turn : turn + 1]
        turns += sorted(of_turn, key=lambda row: -sure[row])
    done, number = set(), 0
    while len(done) < len(turns):
        waiting = [row for row in turns if row not in done]
        rows = []
        for row in [*waiting, *turns]:
            if len(rows) < cells**2 and TARGETS[row] not in {TARGETS[each] for each in rows}:
                rows.append(row)
        others = [row for row in turns if TARGETS[row] != TARGETS[rows[0]]]
        again = [row for row in others if row not in rows] + [row for row in others if row in rows]
        while len(rows) < cells**2:
            rows.append(again[0])
            again = again[1:] + again[:1]
        for _ in range(number % cells**2):
            rows = [rows[-1], *rows[:-1]]
        for cell, row in enumerate(rows):
            if row in waiting and sum(TARGETS[each] == TARGETS[row] for each in rows) == 1:
                yield rows, row, cell
                done.add(row)
        number += 1


def slow_game(model, method, options, cells, shrink, how=None):
    """One grid at a time."""
    values = np.zeros(len(IMAGES))
    for rows, row, cell in slow_grids(model, cells):
        pictures = [IMAGES[each] for each in rows]
        if shrink:
            blocks = (SIDE // cells, cells, SIDE // cells, cells, 3)
            pictures = [each.reshape(blocks).mean(axis=(1, 3)) for each in pictures]
        side = len(pictures[0])
        grid = np.zeros((cells * side, cells * side, 3), np.float32)
        for number, picture in enumerate(pictures):
            top, left = side * (number // cells), side * (number % cells)
            grid[top : top + side, left : left + side] = picture
        found = getattr(tfviz, method)(model, grid[np.newaxis], int(TARGETS[row]), **options)[0]
        if how == "max_abs":
            found = np.abs(found).max(axis=-1)
        elif how == "sum":
            found = found.sum(axis=-1)
        whole = inside = 0.0
        for y, x in np.ndindex(found.shape):
            value = max(float(found[y, x]), 0)
            whole += value
            inside += value * (y // side == cell // cells and x // side == cell % cells)
        values[row] = inside / whole if whole else np.nan
    return values


METHODS_BY_COLLAPSE = {"gradient": "max_abs", "grad_cam": None, "integrated_gradients": "sum"}


@FEW_STEPS
@pytest.mark.parametrize(
    "model, cells, shrink, method",
    [
        *((OPEN, 2, None, method) for method in METHODS_BY_COLLAPSE),
        *((FIXED, 2, None, method) for method in METHODS_BY_COLLAPSE),
        (OPEN, 3, True, "gradient"),
    ],
)
def test_the_pointing_game_equals_plain_loops(model, cells, shrink, method):
    options = {"steps": 5} if method == "integrated_gradients" else {}
    given = {"cells": cells, "options": options, "shrink": shrink, **ANY}
    found = grid_pointing_game(model, IMAGES, TARGETS, method, **given)
    shrunk, how = model is FIXED or bool(shrink), METHODS_BY_COLLAPSE[method]
    expected = slow_game(model, method, options, cells, shrunk, how)
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-6)
    assert found.collapse == how and np.std(found.values) > 0
    assert found.options == {"cells": cells, "confidence": 0, "shrink": shrunk}


def test_a_network_that_sums_colours_finds_its_own():
    """The gradient of a colour's sum is the same everywhere; the image times it lies where the colour is."""
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.Softmax()(100 * layers.GlobalAveragePooling2D()(layers.Conv2D(3, 1)(image))))
    model.layers[1].set_weights([np.eye(3).reshape(1, 1, 3, 3), np.zeros(3)])
    pictures = np.zeros((3, 8, 8, 3), np.float32)
    pictures[[0, 1, 2], :, :, [0, 1, 2]] = 1
    found = grid_pointing_game(model, pictures, None, "gradient", batch_size=2)
    # Two of three classes are alone in the first grid, the other one in the second.
    np.testing.assert_allclose(found, 1 / 4)
    np.testing.assert_allclose(grid_pointing_game(model, pictures, None, "input_x_gradient"), 1)
    np.testing.assert_allclose(disconnected_grid(model, pictures, None, "gradient"), 1)


# --- Which pictures stand in a grid -----------------------------------------------------------------------------------


def probabilities_of(count, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 1, count)


@pytest.mark.parametrize("classes", [2, 3, 4, 9])
@pytest.mark.parametrize("side", [2, 3])
def test_every_confident_picture_has_one_cell_of_its_class_alone(classes, side):
    targets = np.random.default_rng(classes).integers(0, classes, 30)
    probabilities = probabilities_of(30)
    grids = arrange("metric", targets, probabilities, side, 0.6)
    measured = [grid.rows[cell] for grid in grids for cell in grid.measured]
    assert sorted(measured) == np.flatnonzero(probabilities >= 0.6).tolist()
    for grid in grids:
        assert len(grid.rows) == side**2 and grid.measured
        labels = targets[[*grid.rows]]
        assert all((labels == labels[cell]).sum() == 1 for cell in grid.measured)
        assert (probabilities[[*grid.rows]] >= 0.6).all()
    assert grids == arrange("metric", targets, probabilities, side, 0.6)


def test_full_grids_are_shared_and_pictures_move_on():
    targets = np.repeat(np.arange(4), 3)
    probabilities = np.linspace(0.9, 0.6, 12)
    grids = arrange("metric", targets, probabilities, 2, 0.5)
    assert [grid.rows for grid in grids] == [(0, 3, 6, 9), (10, 1, 4, 7), (8, 11, 2, 5)]
    assert all(len(grid.measured) == 4 for grid in grids)


def test_two_classes_fill_a_grid():
    grids = arrange("metric", np.array([5, 7, 7]), np.array([0.9, 0.8, 0.7]), 2, 0.5)
    assert [(grid.rows, grid.measured) for grid in grids] == [
        ((0, 1, 2, 1), (0,)),
        ((0, 1, 0, 0), (1,)),
        ((0, 0, 2, 0), (2,)),
    ]


def test_cells_cover_a_grid_once():
    layout = GridLayout(3, (10, 17))
    seen = np.zeros((10, 17), int)
    for cell in range(9):
        seen[layout.cell(cell)] += 1
    assert (seen == 1).all() and seen[layout.cell(5)].shape == (4, 6)
    picture = layout.picture(np.arange(9, dtype=np.float32).reshape(9, 1, 1, 1) * np.ones((9, 8, 8, 2), np.float32))
    for cell in range(9):
        np.testing.assert_allclose(picture[layout.cell(cell)], cell, rtol=1e-6)


# --- Cells that cannot see each other ---------------------------------------------------------------------------------


def as_grid(images):
    """Four images (4, H, W, C) as one (1, 2 H, 2 W, C)."""
    rows = [np.concatenate(images[first : first + 2], axis=1) for first in (0, 2)]
    return np.concatenate(rows, axis=0)[np.newaxis]


@pytest.fixture(scope="module")
def over_cells():
    """The network of a grid of the fixed one, which looks at its default layer."""
    traced = tfviz.trace(FIXED)
    return grid_network(traced, 2, (SIDE, SIDE, 3), traced.find_layer(None))


def test_the_scores_of_a_grid_are_those_of_its_pictures(over_cells):
    logits = tfviz.trace(FIXED).logits(IMAGES[:4])
    found = over_cells.logits(as_grid(IMAGES[:4]))
    np.testing.assert_allclose(found.reshape(4, 4), logits, rtol=1e-5, atol=1e-6)
    assert over_cells.image_shape == (2 * SIDE, 2 * SIDE, 3) and over_cells.num_classes == 16
    assert over_cells.default_layer == "cells" and over_cells.layers["cells"] == (SIDE, SIDE, 6)
    # Not the shortcuts of the copies, which would look like gradients of the model's own.
    assert not over_cells.warnings and "IdentityN" not in {step.type for step in over_cells.program.steps}


@FEW_STEPS
@pytest.mark.parametrize("method", ["gradient", "guided_backprop", "deconvnet", "integrated_gradients"])
def test_the_map_of_a_cell_is_that_of_its_picture(method, over_cells):
    options = {"steps": 4} if method == "integrated_gradients" else {}
    explain = getattr(tfviz, method)
    for cell in range(4):
        found = explain(over_cells, as_grid(IMAGES[:4]), 4 * cell + int(TARGETS[cell]), **options)
        inside = GridLayout(2, (2 * SIDE, 2 * SIDE)).cell(cell)
        own = explain(FIXED, IMAGES[cell], int(TARGETS[cell]), **options)[0]
        np.testing.assert_allclose(found[0][inside], own, rtol=1e-4, atol=1e-5 * np.abs(own).max())
        found[0][inside] = 0
        assert not found.any()


@pytest.mark.parametrize("layer", [None, "conv1"])
def test_the_layer_of_a_grid_is_those_of_its_cells(layer):
    """Grad-CAM weighs the features of all cells by the mean gradient over the grid; HiResCAM, each by its own."""
    traced = tfviz.trace(FIXED)
    name = layer or "conv2"
    over = grid_network(traced, 2, (SIDE, SIDE, 3), traced.find_layer(layer))
    features = keras.Model(FIXED.input, FIXED.get_layer(name).output)
    end = FIXED.layers.index(FIXED.get_layer(name)) + 1
    maps, cell, label = features(IMAGES[:4]), 1, 2
    with tf.GradientTape() as tape:
        tape.watch(maps)
        x = maps
        for each in FIXED.layers[end:-1]:
            x = each(x)
        score = (x @ FIXED.layers[-1].kernel)[cell, label]
    gradient = tape.gradient(score, maps).numpy()
    grid, target = as_grid(IMAGES[:4]), 4 * cell + label
    expected = np.maximum((as_grid(gradient).mean(axis=(1, 2), keepdims=True) * as_grid(maps.numpy())).sum(axis=-1), 0)
    found = tfviz.grad_cam(over, grid, target, layer="cells", upsample=False)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * expected.max())
    local = np.maximum((as_grid(gradient) * as_grid(maps.numpy())).sum(axis=-1), 0)
    found = tfviz.hires_cam(over, grid, target, layer="cells", upsample=False)
    np.testing.assert_allclose(found, local, rtol=1e-4, atol=1e-6 * local.max())
    assert not as_grid(gradient)[0, : grid.shape[1] // 4, : grid.shape[2] // 4].any()


def test_a_layer_is_named_as_in_the_users_network():
    values = {
        layer: disconnected_grid(FIXED, IMAGES, TARGETS, "grad_cam", options={"layer": layer}, **ANY).values
        for layer in (None, "conv2", "conv1")
    }
    np.testing.assert_array_equal(values[None], values["conv2"])
    assert not np.allclose(values[None], values["conv1"])
    inner = {"of": "grad_cam", "samples": 2, "noise": 0.0, "options": {"layer": "conv1"}}
    found = disconnected_grid(FIXED, IMAGES, TARGETS, "smooth_grad", options=inner, **ANY)
    np.testing.assert_allclose(found.values, values["conv1"], atol=1e-5)


def scores_of(name):
    options = {option: value for option, value in FEW.items() if option in METHODS[name].options}
    return disconnected_grid(FIXED, IMAGES[:4], TARGETS[:4], name, options=options, **ANY).values


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_gradient_keeps_to_its_cell(name):
    assert np.nanmin(scores_of(name)) >= 0.99


@pytest.mark.parametrize("name", ["grad_cam", "hires_cam", "score_cam"])
def test_other_methods_run_there(name):
    found = scores_of(name)
    assert ((found >= 0) & (found <= 1)).all()
    assert found.mean() > 0.9 or name != "hires_cam"


@pytest.mark.slow
@pytest.mark.parametrize("name", [each for each in METHODS if each not in GRADIENTS])
def test_every_method_runs_there(name):
    found = scores_of(name)
    assert ((found >= 0) & (found <= 1)).all()
    assert found.min() >= 0.99 or name not in MORE_GRADIENTS


# --- Any model, any head ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grids") / "saved"
    FIXED.export(folder, verbose=False)
    return str(folder)


def test_a_saved_model_and_channels_first_score_the_same(saved):
    image = keras.Input((3, SIDE, SIDE))
    first = keras.Model(image, FIXED(layers.Permute((2, 3, 1))(image)))
    for measure, method in ((grid_pointing_game, "gradient"), (disconnected_grid, "grad_cam")):
        expected = measure(FIXED, IMAGES, TARGETS, method, **ANY)
        for model, images in ((saved, IMAGES), (first, np.moveaxis(IMAGES, 3, 1))):
            found = measure(model, images, TARGETS, method, **ANY)
            np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-5)
            assert found.collapse == expected.collapse and found.options == expected.options


@pytest.mark.parametrize("kind", ["sigmoid", "binary", "raw"])
def test_other_heads(kind):
    ends = {
        "sigmoid": layers.Dense(4, activation="sigmoid"),
        "binary": layers.Dense(1, activation="sigmoid"),
        "raw": layers.Dense(4),
    }
    model = network(end=ends[kind])
    traced = tfviz.trace(model)
    labels = TARGETS % 2 if kind == "binary" else TARGETS
    over = grid_network(traced, 2, (SIDE, SIDE, 3), None)
    logits = traced.logits(IMAGES[:4])
    logits = np.concatenate([-logits, logits], axis=1) if kind == "binary" else logits
    np.testing.assert_allclose(over.logits(as_grid(IMAGES[:4])), logits.reshape(1, -1), rtol=1e-4, atol=1e-5)
    given = (model, IMAGES, labels, "gradient")
    if kind == "raw":
        with pytest.warns(TfvizWarning, match="the network ends in no softmax or sigmoid"):
            found = disconnected_grid(*given, **ANY)
    else:
        found = disconnected_grid(*given, **ANY)
    assert found.values.min() == 1


def test_the_weights_are_read_live_and_stay():
    model = network()
    before = disconnected_grid(model, IMAGES, TARGETS, "grad_cam", **ANY).values
    randomise(model, 5)
    weights = [each.copy() for each in model.get_weights()]
    after = disconnected_grid(model, IMAGES, TARGETS, "grad_cam", **ANY).values
    np.testing.assert_allclose(after, disconnected_grid(network(seed=5), IMAGES, TARGETS, "grad_cam", **ANY), atol=1e-5)
    assert not np.allclose(before, after)
    assert all(np.array_equal(*pair) for pair in zip(weights, model.get_weights(), strict=True))


def test_a_grid_keeps_no_model_alive():
    model = network()
    disconnected_grid(model, IMAGES[:2], TARGETS[:2], "gradient", **ANY)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


# --- What is said -----------------------------------------------------------------------------------------------------


def test_pictures_of_which_the_network_is_not_sure_have_no_value():
    sure = tf.nn.softmax(tfviz.trace(FIXED).logits(IMAGES)).numpy()[np.arange(len(IMAGES)), TARGETS]
    confidence = float(np.sort(sure)[3])
    for measure in (grid_pointing_game, disconnected_grid):
        with pytest.warns(
            TfvizWarning, match=r"is not defined \(NaN\): it is on no grid, as its target has a prob"
        ) as all_:
            found = measure(FIXED, IMAGES, TARGETS, "gradient", confidence=confidence)
        assert len(all_) == 1 == len(found.warnings)
        np.testing.assert_array_equal(np.isnan(found.values), sure < confidence)
        assert found.options["confidence"] == confidence


def test_a_map_without_positive_values_has_no_share():
    def explain(model, images, targets):
        maps = np.ones(np.shape(images)[:3])
        return np.where(np.asarray(targets)[:, np.newaxis, np.newaxis] % 4 == 1, -maps, maps)

    for measure in (grid_pointing_game, disconnected_grid):
        with pytest.warns(
            TfvizWarning, match=r"of image 1, 5 is not defined \(NaN\): the map of its grid has no positive"
        ):
            found = measure(FIXED, IMAGES, TARGETS, explain, **ANY)
        np.testing.assert_allclose(np.delete(found.values, [1, 5]), 0.25)
        assert found.collapse is None


def test_a_function_of_the_users_own_explains_the_network_of_the_grid():
    def explain(model, images, targets):
        return tfviz.gradient(model, images, targets)

    for measure in (grid_pointing_game, disconnected_grid):
        expected = measure(FIXED, IMAGES, TARGETS, "gradient", **ANY)
        np.testing.assert_allclose(measure(FIXED, IMAGES, TARGETS, explain, **ANY), expected)
        small = measure(FIXED, IMAGES, TARGETS, explain, batch_size=3, collapse="max_abs", **ANY)
        np.testing.assert_allclose(small, expected, rtol=1e-5)
        assert small.collapse == "max_abs"


REFUSED = [
    ({"images": IMAGES[:1], "targets": [0]}, TfvizError, "at least two classes.*of 1 images, 1 have a probability of"),
    (
        {"targets": 2},
        TfvizError,
        "at least two classes.*of 7 images, 7 have a probability of at least 0 .*of one class",
    ),
    ({"confidence": 1.0}, TfvizError, "at least two classes.*of 7 images, 0 have a probability of at least 1 "),
    ({"confidence": 50}, TfvizError, "confidence is 50, expected a probability, 0 to 1"),
    ({"cells": 1}, TfvizError, "cells is 1, expected an integer from 2 to the 12 pixels of an image's side"),
    ({"cells": 2.0}, TfvizError, r"cells is 2\.0, expected an integer"),
    ({"cells": 13}, TfvizError, "cells is 13, expected an integer"),
    ({"method": "grad_cm"}, UnknownMethodError, "did you mean 'grad_cam'"),
    ({"options": {"stepz": 3}}, UnknownMethodError, "stepz"),
    ({"method": "grad_cam", "options": {"layer": ["conv1"]}}, TfvizError, "conv1|expected one map"),
    ({"method": 3}, TfvizError, "method is 3, expected the name of a method or a function"),
    ({"method": "grad_cam", "options": {"layer": "conv9"}}, UnknownLayerError, "conv9"),
    ({"targets": [[0, 1]] * 7}, InvalidTargetsError, "got|expected|targets"),
    ({"images": IMAGES[:, :5]}, InvalidImagesError, "the network takes"),
    ({"method": lambda *_: np.zeros((1, 2, 2))}, InvalidImagesError, r"expected one map .* got \(1, 2, 2\)"),
]


@pytest.mark.parametrize("measure", [grid_pointing_game, disconnected_grid])
@pytest.mark.parametrize("changed, error, message", REFUSED)
def test_what_is_refused(measure, changed, error, message):
    given = {"images": IMAGES, "targets": TARGETS, "method": "gradient", **ANY, **changed}
    with pytest.raises(error, match=message) as caught:
        measure(FIXED, **given)
    assert "\n" not in str(caught.value)


def test_what_needs_another_network():
    with pytest.raises(
        UnsupportedModelError, match=r"shrink is False, but the network takes images of the size \(12, 12\)"
    ):
        grid_pointing_game(FIXED, IMAGES, TARGETS, "gradient", shrink=False, **ANY)
    custom = tfviz.trace(FIXED, score=lambda outputs: outputs[:, 0])
    for measure in (grid_pointing_game, disconnected_grid):
        with pytest.raises(UnsupportedModelError, match=f"{measure.__name__} needs the logits of classes"):
            measure(custom, IMAGES, None, "gradient", **ANY)


def test_a_layer_of_python_runs_in_every_cell():
    """What the user's model does was judged when it was opened."""

    def doubled(image):
        result = tf.py_function(lambda numbers: 2 * numbers, [image], tf.float32)
        result.set_shape(image.shape)
        return result

    image = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(image, FIXED(layers.Lambda(doubled, output_shape=(SIDE, SIDE, 3))(image)))
    found = disconnected_grid(model, IMAGES[:4], TARGETS[:4], lambda *of: np.abs(tfviz.occlusion(*of, patch=6)), **ANY)
    assert found.values.min() > 0.75


def test_several_softmaxes_are_refused():
    heads = [layers.Dense(2, activation="softmax"), layers.Dense(2, activation="softmax")]
    model = network(end=lambda x: layers.Concatenate()([each(x) for each in heads]))
    with pytest.raises(
        UnsupportedModelError, match="disconnected_grid needs the logits of one softmax, or of sigmoids"
    ):
        disconnected_grid(model, IMAGES, TARGETS, "gradient", **ANY)


def test_a_size_that_is_open_in_one_direction_is_not_open():
    assert [is_shrunk(size, None) for size in ((None, None), (None, 8), (8, None), (8, 8))] == [False, True, True, True]
    with pytest.raises(UnsupportedModelError, match="shrink is False"):
        is_shrunk((None, 8), False)


def test_tokens_are_refused_for_methods_that_look_at_a_layer():
    model = model_of("vision_transformer")
    images = np.random.default_rng(3).uniform(-1, 1, (4, 16, 16, 3)).astype(np.float32)
    with pytest.raises(
        UnsupportedModelError, match=r"disconnected_grid puts the maps of a layer together, and .* tokens"
    ):
        disconnected_grid(model, images, np.arange(4), "grad_cam", **ANY)


@pytest.mark.slow
def test_a_gradient_needs_no_layer():
    images = np.random.default_rng(3).uniform(-1, 1, (4, 16, 16, 3)).astype(np.float32)
    model = model_of("vision_transformer")
    assert disconnected_grid(model, images, np.arange(4), "gradient", **ANY).values.min() == 1


def test_inputs_beside_the_image():
    image, factor = keras.Input((SIDE, SIDE, 3), name="pixels"), keras.Input((4,), name="factor")
    model = keras.Model([image, factor], layers.Softmax()(FIXED(image) * factor))
    factors = np.random.default_rng(4).uniform(1, 2, (len(IMAGES), 4)).astype(np.float32)
    given = {"pixels": IMAGES, "factor": factors}
    found = grid_pointing_game(tfviz.trace(model, input="pixels"), given, TARGETS, "gradient", **ANY)
    assert np.isfinite(found.values).all()
    with pytest.raises(UnsupportedModelError, match="the network takes 'factor' beside the image"):
        disconnected_grid(tfviz.trace(model, input="pixels"), given, TARGETS, "gradient", **ANY)
