"""Sensitivities and the Lipschitz constant against closed forms, slow loops over the papers, and other software."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from support.model_zoo import model_of
from support.references import convolutional, load

import tfviz
from tfviz.errors import TfvizError, UnknownMethodError
from tfviz.results.metrics.robustness.noisy import _noises_of_quantus
from tfviz.results.metrics.robustness.robustness import average_sensitivity, local_lipschitz, max_sensitivity

ALL = (max_sensitivity, average_sensitivity, local_lipschitz)
SIDE, COUNT = 6, 2


@pytest.fixture(scope="module")
def images():
    found = np.random.default_rng(0).uniform(0, 1, (COUNT, SIDE, SIDE, 3)).astype(np.float32)
    return found * np.float32([1, 0.5]).reshape(-1, 1, 1, 1)


@pytest.fixture(scope="module")
def model():
    """A linear network."""
    inputs = keras.Input((SIDE, SIDE, 3))
    return keras.Sequential([inputs, keras.layers.Flatten(), keras.layers.Dense(3)])


def itself(network, images, targets):
    return np.asarray(images).sum(axis=3)


def constant(network, images, targets):
    return np.ones(np.shape(images)[:3])


def slow_noises(image, radius, samples, seed):
    reach = radius * (float(image.max()) - float(image.min()))
    return [np.random.default_rng([seed, k]).uniform(-1, 1, image.shape) * reach for k in range(samples)]


def slow_values(images, explain, radius, samples, seed):
    """Return of each image the relative changes of the map, and of the image as shares of its range."""
    relative, moved = [], []
    for image in images:
        plain = explain(image)
        rows = ([], [])
        for noise in slow_noises(image, radius, samples, seed):
            noisy = (image + noise).astype(np.float32)
            rows[0].append(np.sqrt(np.sum((explain(noisy) - plain) ** 2)) / np.sqrt(np.sum(plain**2)))
            away = noisy.astype(np.float64) - image
            rows[1].append(np.sqrt(np.mean(away**2)) / (float(image.max()) - float(image.min())))
        relative.append(rows[0])
        moved.append(rows[1])
    return np.array(relative), np.array(moved)


def test_the_map_that_is_the_image_equals_a_slow_one(model, images):
    relative, moved = slow_values(images, lambda image: image.astype(np.float64).sum(2), 0.1, 5, 3)
    options = {"radius": 0.1, "samples": 5, "seed": 3}
    np.testing.assert_allclose(max_sensitivity(model, images, 0, itself, **options), relative.max(1), rtol=1e-5)
    np.testing.assert_allclose(average_sensitivity(model, images, 0, itself, **options), relative.mean(1), rtol=1e-5)
    found = local_lipschitz(model, images, 0, itself, **options)
    np.testing.assert_allclose(found, (relative / moved).max(1), rtol=1e-5)


def test_a_method_of_a_network_equals_a_slow_one():
    network = model_of("functional")
    images = np.random.default_rng(1).uniform(-1, 1, (3, 16, 16, 3)).astype(np.float32)
    targets = [0, 4, 2]
    named = max_sensitivity(network, images, targets, "input_x_gradient", samples=4)
    assert named.collapse == "sum"
    for row, target in enumerate(targets):

        def explain(image, target=target):
            return tfviz.input_x_gradient(network, image[np.newaxis], target)[0].sum(2).astype(np.float64)

        relative, _ = slow_values(images[row : row + 1], explain, 0.02, 4, 0)
        assert named[row] == pytest.approx(relative.max(), rel=1e-3)
    predicted = max_sensitivity(network, images, None, "input_x_gradient", samples=4).values
    classes = tfviz.trace(network).logits(images).argmax(1)
    np.testing.assert_allclose(predicted, max_sensitivity(network, images, classes, "input_x_gradient", samples=4))


@pytest.mark.parametrize("metric", ALL)
def test_what_never_changes_is_robust(metric, model, images):
    np.testing.assert_array_equal(metric(model, images, 0, "gradient"), 0)
    found = metric(model, images, 0, constant)
    np.testing.assert_array_equal(found, 0)
    assert found.collapse is None and metric(model, images, 0, "gradient", collapse="l2").collapse == "l2"


@pytest.mark.parametrize("metric", ALL)
def test_the_range_of_the_images_does_not_matter(metric, model, images):
    """A map that is linear in the image has the same value in any unit, as it has no constant."""
    expected = metric(model, images, 0, "input_x_gradient").values
    np.testing.assert_allclose(metric(model, 255 * images, 0, "input_x_gradient"), expected, rtol=1e-4)
    twice = metric(model, images, 0, "input_x_gradient", radius=0.04).values
    np.testing.assert_allclose(twice, expected * (1 if metric is local_lipschitz else 2), rtol=1e-3)


def test_batches_are_full_and_change_nothing(model, images):
    counts = []

    def counted(network, batch, targets):
        counts.append(len(batch))
        return itself(network, batch, targets)

    expected = average_sensitivity(model, images, 0, counted).values
    assert counts == [2, 10]
    np.testing.assert_array_equal(average_sensitivity(model, images, 0, counted, batch_size=6), expected)
    assert counts[2:] == [2, 6, 4]
    np.testing.assert_array_equal(average_sensitivity(model, images, 0, counted, batch_size=1), expected)
    assert {*counts[5:]} == {2}


@pytest.mark.parametrize("metric", ALL)
def test_maps_of_zeros_and_images_without_a_range_are_named(metric, model, images):
    flat = images.copy()
    flat[1] = 0.5
    with pytest.warns(tfviz.TfvizWarning, match=f"{metric.__name__} of image 1 .* the image is the same everywhere"):
        found = metric(model, flat, 0, itself)
    np.testing.assert_array_equal(np.isnan(found.values), [False, True])

    def nothing(network, images, targets):
        return 0 * itself(network, images, targets)

    with pytest.warns(tfviz.TfvizWarning, match="of image 0, 1 is not defined .* the map is zero everywhere") as heard:
        found = metric(model, flat, 0, nothing)
    assert np.isnan(found.values).all() and len(heard) == 1


def test_a_saved_model_has_the_same_values(tmp_path):
    network = model_of("functional")
    network.export(tmp_path / "saved", verbose=False)
    saved = tfviz.trace(tmp_path / "saved")
    images = np.random.default_rng(1).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    for metric in ALL:
        options = {"options": {"layer": "conv1"}, "samples": 3}
        expected = metric(network, images, 1, "grad_cam", **options).values
        assert (expected > 0).all()
        np.testing.assert_allclose(metric(saved, images, 1, "grad_cam", **options), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"like": "captum"}, "no definition"),
        ({"radius": 0}, "radius is 0, expected a number above 0"),
        ({"samples": 0}, "samples is 0, expected an integer of at least 1"),
        ({"seed": -1}, "seed is -1, expected an integer of at least 0"),
    ],
)
def test_options_that_it_does_not_take(model, images, options, message):
    with pytest.raises(TfvizError, match=message):
        local_lipschitz(model, images, 0, "gradient", **options)


def test_methods_that_there_are_not(model, images):
    with pytest.raises(UnknownMethodError, match="no method 'gradients'"):
        max_sensitivity(model, images, 0, "gradients")
    with pytest.raises(TfvizError, match="expected the name of a method or a function"):
        max_sensitivity(model, images, 0, 3)


def test_as_quantus_has_it():
    known = load("quantus")
    network, seed = convolutional(known), int(known["seed"])

    def summed(network, images, targets):
        return tfviz.gradient(network, images, targets).astype(np.float64).sum(axis=3)

    for metric in ALL:
        found = metric(network, known["images"], known["targets"], summed, like="quantus", seed=seed)
        np.testing.assert_allclose(found, known[metric.__name__], rtol=1e-6)
        assert found.options["samples"] == 200
        few = metric(network, known["images"], known["targets"], summed, like="quantus", seed=seed, samples=3)
        by_sample = {local_lipschitz: "local_lipschitz_by_sample"}.get(metric, "sensitivity_by_sample")
        reduce = np.mean if metric is average_sensitivity else np.max
        np.testing.assert_allclose(few, reduce(known[by_sample][:, :3], axis=1), rtol=1e-6)


def test_the_noise_of_quantus():
    known = load("quantus")
    for name, radius in {"uniform": 0.2, "normal": 0.1}.items():
        options = {"seed": int(known["seed"]), "samples": 2, "radius": radius}
        first, second = _noises_of_quantus((4, 16, 16, 3), options, is_normal=name == "normal")
        np.testing.assert_allclose(first[:1], known[f"{name}_noise_of_first_sample"], rtol=1e-6)
        assert np.abs(first - second).max() > radius
