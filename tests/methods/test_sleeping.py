"""A map that shows nothing of its image says so: a ReLU on the only way from the image lets nothing through."""

from __future__ import annotations

import re
import warnings

import keras
import numpy as np
import pytest
from support.commands import manifest_in

import tfviz
from tfviz.errors import TfvizWarning
from tfviz.methods import METHODS

SIDE = 16
FEW = {
    "rise": {"masks": 40},
    "integrated_gradients": {"steps": 5},
    "xrai": {"steps": 5},
    **{name: {"samples": 4} for name in ("smooth_grad", "var_grad", "square_grad", "smooth_full_grad")},
}
# Noisy copies may wake what the image itself does not, so that the map may be of them.
OF_NOISE = "smooth_full_grad"


def network_of(first_bias, *, last_bias=0.1, activation="relu"):
    """Three convolutions with padding, whose first one fires for bright images alone, and biases behind it."""
    image = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation=activation, name="first")(image)
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="second")(x)
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="third")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax", name="scores")(x))
    random = np.random.default_rng(5)
    biases = {"first": first_bias, "second": 0.1, "third": last_bias, "scores": 0.0}
    for name, bias in biases.items():
        layer = model.get_layer(name)
        kernel, own = layer.get_weights()
        values = random.uniform(-0.2, 0.4, kernel.shape) if name != "first" else np.full(kernel.shape, 0.1)
        layer.set_weights([values, np.full(own.shape, bias)])
    return model


def images():
    """A dark image, for which nothing fires, and a bright one."""
    random = np.random.default_rng(3)
    return np.float32([random.uniform(0, 0.05, (SIDE, SIDE, 3)), random.uniform(0.8, 1, (SIDE, SIDE, 3))])


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The network that is dead at its first ReLU, live and saved, and the same alive."""
    folder, dead = tmp_path_factory.mktemp("dead"), network_of(-1.0)
    dead.export(folder / "saved", verbose=False)
    return {
        "live": tfviz.trace(dead),
        "saved": tfviz.trace(str(folder / "saved")),
        "awake": tfviz.trace(network_of(0.0)),
    }


def said_by(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call()
    return found, [str(each.message) for each in caught if issubclass(each.category, TfvizWarning)]


@pytest.mark.parametrize("form", ["live", "saved"])
@pytest.mark.parametrize("name", METHODS)
def test_no_method_is_silent_about_an_image_that_wakes_nothing(opened, name, form):
    """The scores are those of any other dark image, so there is no evidence: a map is zero, or is doubted."""
    network, pair = opened[form], images()
    other = pair[:1] * np.float32(0.5)
    np.testing.assert_array_equal(network.logits(pair[:1]), network.logits(other))
    for target in range(3):
        maps, said = said_by(lambda target=target: getattr(tfviz, name)(network, pair, target, **FEW.get(name, {})))
        about = [each for each in said if re.search(r"image 0\b", each)]
        assert about or name == OF_NOISE, np.ptp(maps[0])
        unseen = [each for each in said if "nothing of the image" in each]
        assert not any("image 1" in each for each in unseen)
        assert bool(unseen) == (maps[0].any() and METHODS[name].gradients != ()), said


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name].gradients])
def test_an_image_that_wakes_the_network_is_not_doubted(opened, name):
    _, said = said_by(lambda: getattr(tfviz, name)(opened["awake"], images(), 1))
    assert not [each for each in said if "nothing of the image" in each]


def test_what_lies_before_a_dead_relu_is_of_the_image():
    """Eigen-CAM of the first layer does not ask what becomes of it; deconvnet begins behind it, and knows nothing."""
    network, pair = tfviz.trace(network_of(0.0, last_bias=-1e3)), images()
    maps, said = said_by(lambda: tfviz.eigen_cam(network, pair, 0, layer="first"))
    assert maps.any() and said == []
    with pytest.warns(TfvizWarning, match="deconvnet of image 0 shows weights, biases and padding, and nothing of the"):
        tfviz.deconvnet(network, pair[:1], 0)


@pytest.mark.parametrize("beside", [True, False])
def test_evidence_that_goes_another_way_is_evidence(beside):
    image = keras.Input((SIDE, SIDE, 3))
    dead = keras.layers.ReLU(name="dead")(keras.layers.Rescaling(-1.0, -1.0)(image))
    x = keras.layers.Add()([dead, image]) if beside else dead
    x = keras.layers.Conv2D(3, 3, padding="same", bias_initializer="ones", name="conv")(x)
    model = keras.Model(image, keras.layers.Dense(2, name="scores")(keras.layers.GlobalAveragePooling2D()(x)))
    _, said = said_by(lambda: tfviz.eigen_cam(model, images(), 0, layer="conv"))
    assert bool([each for each in said if "nothing of the image" in each]) != beside


def test_a_relu6_that_is_full_lets_nothing_through():
    model, pair = network_of(9.0, activation="relu6"), images()
    _, said = said_by(lambda: tfviz.eigen_cam(model, pair, 0, layer="second"))
    assert len(said) == 1 and said[0].startswith("eigen_cam of image 0, 1 shows weights, biases and padding")


def test_batches_targets_and_several_methods(opened):
    """Beside each image alone: the same rows are told, whatever they are computed with."""
    pair = np.concatenate([images(), images()[::-1]])
    methods = ["grad_cam", "saliency", "eigen_cam"]
    explanation, said = said_by(lambda: tfviz.explain(opened["live"], pair, top=2, methods=methods, batch_size=3))
    shown = explanation.maps["grad_cam"].any(axis=(1, 2))
    dark = np.repeat([True, False, False, True], 2)
    np.testing.assert_array_equal(explanation.diagnostics["grad_cam"]["unseen"] > 0, dark & shown)
    np.testing.assert_array_equal(explanation.diagnostics["eigen_cam"]["unseen"], dark)
    assert "saliency" not in explanation.diagnostics and set(explanation.zero_maps["saliency"]) == {0, 1, 6, 7}
    assert any("eigen_cam of image 0, 3 shows weights" in each for each in said) and {*said} <= {*explanation.warnings}


def test_the_command_line_names_the_file(run, tmp_path):
    network_of(-1.0).save(tmp_path / "dead.keras")
    for name, image in zip(("dark", "bright"), images(), strict=True):
        keras.utils.save_img(tmp_path / f"{name}.png", 255 * image, scale=False)
    options = (
        "--model",
        "dead.keras",
        "--method",
        "eigen_cam",
        "--preprocess",
        "0..1",
        "--output",
        "out",
        "--save-maps",
    )
    status, _, err = run("explain", "dark.png", "bright.png", *options)
    assert status == 0 and err.count("nothing of the image") == 1
    assert "warning: dark.png (class " in err and "eigen_cam shows weights, biases and padding" in err
    dark, bright = manifest_in(tmp_path / "out")["results"]
    assert [each["diagnostics"]["eigen_cam"]["unseen"] for each in (dark, bright)] in ([1, 0], [1.0, 0.0])
