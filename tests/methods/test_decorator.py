"""What the decorator makes of a function: a public method, an entry in the registry, shared passes."""

import inspect
import typing

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfviz
from tfviz.methods import METHODS, method
from tfviz.network.passes.forward import Forward

ABOUT = {"paper": "none", "needs": "nothing", "cost": "1 forward", "caution": "always"}


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 7, 3)),
            layers.Conv2D(4, 3, activation="relu", name="features"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(2, 6, 7, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    for name in ("brightness", "scaled"):
        monkeypatch.setitem(METHODS, name, METHODS["gradient"])


def test_a_method_may_need_no_gradient(model, images):
    @method(result="map", **ABOUT)
    def brightness(passes, power=1):
        """Return the sum over channels to a power."""
        return tf.reduce_sum(passes.images, axis=-1) ** power

    np.testing.assert_allclose(brightness(model, images), images.sum(axis=-1), rtol=1e-5)
    np.testing.assert_allclose(brightness(model, images, power=2), images.sum(axis=-1) ** 2, rtol=1e-5)
    assert str(inspect.signature(brightness)).startswith(
        "(model: 'Any', images: 'Any', targets: 'Any' = None, *, power=1,"
    )
    assert brightness.__name__ == "brightness"
    assert brightness.__doc__.startswith("Return the sum over channels to a power.")
    assert (
        "\n\n    Notes\n    -----\n    For model, images, targets and batch_size see `help(tfviz.methods)`."
        in brightness.__doc__
    )
    assert typing.get_type_hints(brightness)["return"] is np.ndarray
    assert METHODS["brightness"].options == {"power": 1}
    explanation = tfviz.explain(model, images, methods=("brightness", "saliency"))
    np.testing.assert_allclose(explanation.maps["saliency"], tfviz.saliency(model, images), rtol=1e-5)


def test_a_method_reads_only_what_it_announces(model, images):
    @method(result="attribution", **ABOUT)
    def scaled(passes):
        """Read a gradient that was not announced."""
        return passes.gradient()

    with pytest.raises(KeyError):
        scaled(model, images)


def test_methods_share_the_passes_of_a_call(model, images, monkeypatch):
    """`test_shared_passes` counts what runs; this, what is asked for."""
    backward, asked = Forward.gradients, []

    def gradients(self, targets, rule, places):
        asked.append((id(self), rule and rule.name))
        return backward(self, targets, rule, places)

    monkeypatch.setattr(Forward, "gradients", gradients)
    tfviz.explain(model, images, methods=("saliency", "gradient", "grad_cam", "guided_backprop", "guided_grad_cam"))
    assert [name for _, name in asked] == [None, "guided_backprop"] and len({which for which, _ in asked}) == 1


def test_a_zero_map_says_what_it_means_for_its_method(images):
    """A narrow layer whose only way back is negative: deconvnet lets nothing pass, and that is no error."""
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((6, 7, 3)), layers.Conv2D(1, 3, activation="relu"), layers.Flatten(), layers.Dense(2)]
    )
    model.layers[-1].set_weights([-np.ones((20, 2)), np.zeros(2)])
    for name, meaning in (("deconvnet", "which is the method and not an error"), ("grad_cam", "speaks for the target")):
        with pytest.warns(tfviz.TfvizWarning, match=f"{name} is zero everywhere for image 0, 1: .*{meaning}"):
            getattr(tfviz, name)(model, images, 1)


def test_what_is_printed_of_results_is_one_line(model, images):
    shown = {
        repr(tfviz.explain(model, images)),
        repr(tfviz.trace(model)),
        repr(tfviz.trace(model).head),
        repr(tfviz.class_visualization(model, 1, pixel_range=(0, 1), iterations=2)),
    }
    assert all("\n" not in text and len(text) < 250 for text in shown)
    assert any("grad_cam (2, 6, 7)" in text and "before the softmax" in text for text in shown)
    assert any("default_layer='features'" in text for text in shown)
    assert "Head(kind='softmax', num_classes=3)" in shown
    assert any("2 steps, scores {class 1: " in text for text in shown)
