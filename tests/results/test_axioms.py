"""Completeness, non-sensitivity and input invariance against closed forms, slow loops, and other software."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest
from support.closed_forms import sum_of_pixels
from support.model_zoo import model_of
from support.references import convolutional, linear, load

import tfviz
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results.metrics import subject_of
from tfviz.results.metrics.axioms.completeness import _rise, completeness
from tfviz.results.metrics.axioms.invariance import ShiftedNetwork, input_invariance
from tfviz.results.metrics.axioms.non_sensitivity import non_sensitivity
from tfviz.results.metrics.faithfulness.infidelity import infidelity
from tfviz.results.metrics.faithfulness.subsets import sensitivity_n

SIDE, COUNT = 8, 3


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 1, (COUNT, SIDE, SIDE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def weights():
    """Weights that are zero in the upper half."""
    found = np.random.default_rng(1).uniform(0.5, 1, size=(SIDE, SIDE, 3)).astype(np.float32)
    found[: SIDE // 2] = 0
    return found


@pytest.fixture(scope="module")
def model(weights):
    return sum_of_pixels(weights, bias=0.5)


@pytest.fixture(scope="module")
def dead():
    """A network whose first ReLU never fires; what follows has biases, and padding that shows in its features."""
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(4, 3, activation="relu", padding="same", name="dead"),
            keras.layers.Conv2D(4, 3, activation="relu", padding="same", name="lit"),
            keras.layers.Conv2D(4, 3, activation="relu", padding="same", name="last"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, each.shape) for each in model.get_weights()])
    kernel, _ = model.get_layer("dead").get_weights()
    model.get_layer("dead").set_weights([kernel, np.full(4, -1e5)])
    return model


def test_the_evidence_of_a_linear_network_is_complete(model, images, weights):
    evidence = images.astype(np.float64) * weights
    np.testing.assert_allclose(completeness(model, images, 0, evidence), 0, atol=1e-6)
    np.testing.assert_allclose(completeness(model, images, 0, 1.25 * evidence), 0.25, atol=1e-6)
    np.testing.assert_allclose(completeness(model, images, 1, evidence), 2, atol=1e-6)
    found = completeness(model, images, 0, -evidence, collapse="max_abs")
    np.testing.assert_allclose(found, 2, atol=1e-6)
    assert found.collapse is None
    with pytest.raises(InvalidImagesError, match="expected attributions of the images' shape"):
        completeness(model, images, 0, evidence.sum(3))


@pytest.mark.parametrize("baseline", [0.25, np.float32([0.1, 0.2, 0.3]), "an image", "mean", "blur", "lowest"])
def test_completeness_from_any_baseline(model, images, weights, baseline):
    made = {"mean": images.mean((1, 2), keepdims=True), "lowest": images.min((1, 2, 3), keepdims=True)}
    if isinstance(baseline, str) and baseline == "an image":
        baseline = images[0] ** 2
    named = isinstance(baseline, str)
    other = made.get(baseline, 0) if named else baseline
    evidence = (images.astype(np.float64) - other) * weights
    if named and baseline == "blur":
        assert (completeness(model, images, 0, evidence, baseline=baseline).values > 0.1).all()
    else:
        np.testing.assert_allclose(completeness(model, images, 0, evidence, baseline=baseline), 0, atol=1e-3)


def test_integrated_gradients_keep_their_promise_and_the_gradient_does_not():
    network = model_of("functional")
    images = np.random.default_rng(1).uniform(-1, 1, (3, 16, 16, 3)).astype(np.float32)
    targets = [0, 1, 2]
    black = tfviz.integrated_gradients(network, images, targets, steps=300)
    np.testing.assert_allclose(completeness(network, images, targets, black), 0, atol=0.02)
    grey = tfviz.integrated_gradients(network, images, targets, steps=300, baseline=0.5)
    np.testing.assert_allclose(completeness(network, images, targets, grey, baseline=0.5), 0, atol=0.02)
    assert (completeness(network, images, targets, grey).values > 0.1).all()
    assert (completeness(network, images, targets, tfviz.gradient(network, images, targets)).values > 0.1).all()


def test_completeness_of_no_rise_is_named(model, images, weights):
    mixed = images.copy()
    mixed[1, SIDE // 2 :] = 0
    with pytest.warns(tfviz.TfvizWarning, match="completeness of image 1 is not defined") as heard:
        found = completeness(model, mixed, 0, mixed * weights)
    np.testing.assert_array_equal(np.isnan(found.values), [False, True, False])
    assert len(heard) == 1 and found.options == {"like": "tfviz", "baseline": 0.0}


@pytest.mark.parametrize("baseline", [np.zeros(4), np.zeros((8, 8)), [np.nan] * 3, [None]])
def test_baselines_that_do_not_fit(model, images, baseline):
    with pytest.raises(InvalidImagesError, match="expected finite numbers: one, a colour"):
        completeness(model, images, 0, images, baseline=baseline)
    with pytest.raises(TfvizError, match="there is no fill 'grey'"):
        completeness(model, images, 0, images, baseline="grey")


def slow_non_sensitivity(model, image, one_map, grid, tolerance=1e-5):
    """Ask of each cell whether the map and the score agree, one pass a cell."""
    whole = model(image[np.newaxis]).numpy()[0, 0]
    drops, marked = [], []
    for row in range(grid):
        for column in range(grid):
            rows = [y for y in range(SIDE) if int((y + 0.5) * grid / SIDE) == row]
            columns = [x for x in range(SIDE) if int((x + 0.5) * grid / SIDE) == column]
            changed = image.copy()
            changed[np.ix_(rows, columns)] = image.mean((0, 1))
            drops.append(abs(whole - model(changed[np.newaxis]).numpy()[0, 0]))
            marked.append(np.abs(one_map[np.ix_(rows, columns)]).max() > tolerance * np.abs(one_map).max())
    depends = np.array(drops) > tolerance * max(abs(whole), *drops)
    return np.mean(depends != np.array(marked))


def test_non_sensitivity_equals_a_slow_one(model, images):
    maps = np.random.default_rng(2).normal(size=(COUNT, SIDE, SIDE)) * (np.arange(SIDE) < 3)
    for grid in (3, 4, 8):
        found = non_sensitivity(model, images, 0, maps, grid=grid)
        expected = [slow_non_sensitivity(model, *pair, grid) for pair in zip(images, maps, strict=True)]
        np.testing.assert_allclose(found, expected)
        assert 0 < found.values.min() <= found.values.max() < 1
    # Of a grid that is finer than the image, the cells without a pixel do not count.
    np.testing.assert_allclose(non_sensitivity(model, images, 0, maps), expected)


def test_the_gradient_of_a_linear_network_is_zero_where_that_does_not_look(model, images):
    np.testing.assert_array_equal(non_sensitivity(model, images, 0, tfviz.gradient(model, images, 0)), 0)
    np.testing.assert_array_equal(non_sensitivity(model, images, 0, np.ones((COUNT, SIDE, SIDE))), 0.5)
    upper = np.ones((COUNT, SIDE, SIDE)) * (np.arange(SIDE) < SIDE // 2)[:, np.newaxis]
    np.testing.assert_array_equal(non_sensitivity(model, images, 0, upper), 1)


def test_a_cell_of_the_colour_that_fills_it_seems_to_be_of_no_effect(model, images, weights):
    black = images.copy()
    black[:, -2:] = 0
    found = non_sensitivity(model, black, 0, np.broadcast_to(weights, images.shape), fill=0.0)
    np.testing.assert_array_equal(found, 0.25)


def test_a_tolerance_is_a_share(model, images, weights):
    maps = np.broadcast_to(weights.max(2), (COUNT, SIDE, SIDE)).copy()
    maps[:, : SIDE // 2] = 0.1 * maps.max()
    assert (non_sensitivity(model, images, 0, maps).values == 0.5).all()
    np.testing.assert_array_equal(non_sensitivity(model, images, 0, maps, tolerance=0.11, fill=-99.0), 0)
    with pytest.raises(TfvizError, match="tolerance is -1, expected a number of at least 0"):
        non_sensitivity(model, images, 0, maps, tolerance=-1)


@pytest.mark.parametrize("scale", [1, 255])
def test_a_network_that_is_dead_before_the_layer_is_found(dead, scale):
    """Its CAM shows biases and padding at full contrast, and none of it is evidence."""
    images = scale * np.random.default_rng(3).uniform(0, 1, (2, 16, 16, 3)).astype(np.float32)
    assert np.ptp(tfviz.trace(dead).logits(images), axis=0).max() == 0
    with pytest.warns(
        tfviz.TfvizWarning, match="grad_cam of image 0, 1 shows weights, biases and padding, and nothing"
    ):
        maps = tfviz.grad_cam(dead, images, 0, layer="last")
    assert (maps.max((1, 2)) > 0).all() and (np.ptp(maps, axis=(1, 2)) > 0).all()
    told = "the score of image 0, 1 is the same whatever is removed: a map of it shows no evidence"
    with pytest.warns(tfviz.TfvizWarning, match=told) as heard:
        found = non_sensitivity(dead, images, 0, maps)
    np.testing.assert_array_equal(found, 1)
    assert found.warnings == (told,) and len(heard) == 1
    for metric, given in {completeness: images, sensitivity_n: maps, infidelity: maps}.items():
        with pytest.warns(tfviz.TfvizWarning, match="image 0, 1 is not defined"):
            assert np.isnan(metric(dead, images, 0, given).values).all()
    # A map of nothing is right about a network that looks at nothing.
    with pytest.warns(tfviz.TfvizWarning, match="the same whatever"):
        np.testing.assert_array_equal(non_sensitivity(dead, images, 0, 0 * maps), 0)


def test_one_dead_image_among_others_is_named(images):
    """A single ReLU that fires for bright images alone."""
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Dense(2, activation="relu")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    ones = np.ones((images[0].size, 2))
    model.set_weights([ones / ones.size, np.full(2, -0.2), np.eye(2), np.ones(2)])
    mixed = images * np.float32([1, 0.1, 1]).reshape(-1, 1, 1, 1)
    with pytest.warns(tfviz.TfvizWarning, match="the score of image 1 is the same whatever is removed"):
        found = non_sensitivity(model, mixed, 0, np.ones((COUNT, SIDE, SIDE)))
    np.testing.assert_array_equal(found, [0, 1, 0])


def test_the_shift_of_a_linear_network(model, images, weights):
    """The map w·x becomes w·(x + m): a change of |m|·‖w‖ / ‖w·x‖."""
    found = input_invariance(model, images, 0, "input_x_gradient", shift=0.5)
    maps = (images.astype(np.float64) * weights).sum(3).reshape(COUNT, -1)
    expected = 0.5 * np.linalg.norm(weights.sum(2)) / np.linalg.norm(maps, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.collapse == "sum"
    np.testing.assert_array_equal(input_invariance(model, images, 0, "gradient", shift=0.5), 0)


def test_what_does_not_multiply_by_the_image_is_invariant():
    network = model_of("nested")
    images = np.random.default_rng(1).integers(-8, 8, (2, 16, 16, 3)).astype(np.float32) / 8
    for method in ("gradient", "guided_backprop", "grad_cam"):
        found = input_invariance(network, images, [0, 1], method)
        assert (found.values < 1e-4).all(), method
        assert found.options == {"like": "tfviz", "shift": -2.0}
    for method in ("input_x_gradient", "integrated_gradients"):
        assert (input_invariance(network, images, [0, 1], method).values > 1e-2).all(), method
    # The baseline goes with the image.
    black = {"baseline": "black", "steps": 20}
    assert (input_invariance(network, images, [0, 1], "integrated_gradients", options=black).values < 1e-4).all()


def test_the_shifted_network_is_the_network_at_shifted_images():
    network = tfviz.trace(model_of("functional"))
    images = np.random.default_rng(1).integers(0, 255, (2, 16, 16, 3)).astype(np.float32)
    shifted = ShiftedNetwork(network, 256.0)
    np.testing.assert_array_equal(shifted.logits(images + 256), network.logits(images))
    assert (shifted.logits(images) != network.logits(images)).all()
    assert shifted.layers == network.layers and shifted.compiled is not network.compiled
    maps = tfviz.grad_cam(network, images, 0)
    np.testing.assert_array_equal(tfviz.grad_cam(shifted, images + 256, 0), maps)
    np.testing.assert_array_equal(tfviz.grad_cam(network, images, 0), maps)


@pytest.mark.parametrize("scale, shift", [(1, -1), (255, -256), (0.1, -0.125), (0, -1)])
def test_the_shift_is_a_power_of_two_near_the_range(model, images, scale, shift):
    found = input_invariance(model, scale * images, 0, "gradient")
    assert found.options["shift"] == shift


def test_a_function_is_given_the_shifted_network_and_images(model, images):
    given = []

    def explain(network, batch, targets):
        given.append((network, np.array(batch), np.array(targets)))
        return np.ones((len(batch), SIDE, SIDE)) * len(given)

    found = input_invariance(model, images, [0, 1, 0], explain, shift=2)
    np.testing.assert_allclose(found, 1)
    (plain, first, _), (shifted, second, targets) = given
    np.testing.assert_array_equal(second, first + 2)
    np.testing.assert_array_equal(targets, [0, 1, 0])
    np.testing.assert_allclose(shifted.logits(second), plain.logits(first), rtol=1e-5)


def test_maps_of_zeros_have_no_relative_change(model, images):
    def nothing(network, batch, targets):
        return np.ones((COUNT, SIDE, SIDE)) * np.float32([1, 0, 1]).reshape(-1, 1, 1)

    with pytest.warns(tfviz.TfvizWarning, match="input_invariance of image 1 is not defined .* zero everywhere"):
        found = input_invariance(model, images, 0, nothing)
    np.testing.assert_array_equal(found, [0, np.nan, 0])
    with pytest.raises(TfvizError, match="shift is 'much', expected a number"):
        input_invariance(model, images, 0, nothing, shift="much")


def test_a_saved_model_has_the_same_values(tmp_path):
    network = model_of("functional")
    network.export(tmp_path / "saved", verbose=False)
    saved = tfviz.trace(tmp_path / "saved")
    images = np.random.default_rng(1).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    maps = tfviz.input_x_gradient(network, images, 1)
    for metric, given in {completeness: maps, non_sensitivity: maps, input_invariance: "input_x_gradient"}.items():
        expected = metric(network, images, 1, given).values
        np.testing.assert_allclose(metric(saved, images, 1, given), expected, rtol=1e-4)


def test_as_quantus_has_it(monkeypatch):
    known = load("quantus")
    images, targets, maps = known["images"], known["targets"], known["maps"]
    grey = linear(known, "grey_weights", "grey_bias")
    found = non_sensitivity(grey, images[..., :1], known["grey_targets"], maps * known["masks"], like="quantus")
    np.testing.assert_array_equal(found, known["grey_non_sensitivity"])
    np.testing.assert_array_equal(
        completeness(linear(known), images, targets, maps, like="quantus"), known["completeness"]
    )
    for name, factor in {"exact": 1, "inexact": 1 + 1e-6}.items():
        exact = {each: (np.round(known[each] * 256) / 256).astype(np.float32) for each in ("images", "weights", "bias")}
        black = exact["images"].min((1, 2, 3), keepdims=True)
        weights = exact["weights"].T[targets].reshape(images.shape)
        evidence = ((exact["images"] - black) * weights).astype(np.float64) * factor
        # These two were measured without dividing by the largest value.
        monkeypatch.setattr(
            sys.modules[completeness.__module__], "scaled_as_quantus", lambda attributions: attributions
        )
        found = completeness(linear({**known, **exact}), exact["images"], targets, evidence, like="quantus")
        np.testing.assert_array_equal(found, known[f"{name}_completeness"])
        monkeypatch.undo()


def test_the_baseline_of_quantus_is_of_one_channel_for_maps():
    known = load("quantus")
    subject = subject_of(linear(known), known["images"], known["targets"])
    np.testing.assert_allclose(_rise(subject, "lowest", 1), known["completeness_difference"], atol=1e-5)


def test_the_invariance_of_quantus():
    """It leaves out the first value of the image, and so finds the gradient to depend on the shift."""
    known = load("quantus")
    network = convolutional(known)
    for method in ("gradient", "input_x_gradient"):
        found = input_invariance(network, known["images"], known["targets"], method, like="quantus")
        np.testing.assert_array_equal(found, known[f"input_invariance_of_{method}"])
        assert found.collapse is None and found.options["shift"] == -1
    own = input_invariance(network, known["images"], known["targets"], "gradient", shift=-1)
    assert (own.values < 1e-4).all()
